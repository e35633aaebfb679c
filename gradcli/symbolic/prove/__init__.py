"""Whether two circuits are one function: exact arithmetic, in which values of functions are unknowns."""
