"""Proofs: the backward as PyTorch executes it, and the program by its definitions, as circuits of scalar functions."""
