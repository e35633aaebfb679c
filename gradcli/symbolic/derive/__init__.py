"""From an op's definition to its derivative, as a tensor program that torch can run."""
