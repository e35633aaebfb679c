"""Sums that leave the choices in them where they are.

SymPy's own brings a choice in a sum out to the front of the term: out of an inner sum too, whose index its condition
may read, which then says something else.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Expr, Tuple


class UnfoldedSum(sympy.Sum):
    """A sum over whole ranges of indices, as it is given."""

    def __new__(cls, function: Any, *limits: Any) -> Any:
        """Return the sum; sums of sums are one over several indices."""
        function, limits = sympy.sympify(function), tuple(Tuple(*limit) for limit in limits)
        while isinstance(function, sympy.Sum):
            function, limits = function.function, (*function.limits, *limits)
        if function in {sympy.S.Zero, sympy.nan}:
            return function
        made = Expr.__new__(cls, function, *limits)
        made.is_commutative = True
        return made
