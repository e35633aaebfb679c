"""Derivatives of definitions, by sympy in index notation: the only part that imports it, in a process of its own."""
