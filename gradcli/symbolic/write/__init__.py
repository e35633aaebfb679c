"""From sympy's expressions to formulas a user reads: as text and as LaTeX."""
