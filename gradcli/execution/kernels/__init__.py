"""Callables of the op table that PyTorch has no function of the same shape for."""
