"""A formula, which is text that Python could parse, in other notations: LaTeX, sympy, runnable code."""
