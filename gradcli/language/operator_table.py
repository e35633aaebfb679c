"""Python's operators: how each is written, and what it is called in PyTorch, in Python's grammar and by Python."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator."""

    sign: str
    """As it is written: `/`."""

    function: str
    """The function of PyTorch that it means: `div`."""

    node: type[ast.operator | ast.unaryop | ast.cmpop]
    """The node of Python's grammar."""

    python: str
    """The function of Python's module `operator`, which is also the name of the method: `truediv`, `__truediv__`."""

    @property
    def compute(self) -> Callable[..., Any]:
        """Return Python's own function."""
        compute: Callable[..., Any] = getattr(operator, self.python)
        return compute


NEGATION = Operator("-", "neg", ast.USub, "neg")
PRODUCT = Operator("@", "matmul", ast.MatMult, "matmul")
ARITHMETIC = (
    Operator("+", "add", ast.Add, "add"),
    Operator("-", "sub", ast.Sub, "sub"),
    Operator("*", "mul", ast.Mult, "mul"),
    Operator("/", "div", ast.Div, "truediv"),
    Operator("**", "pow", ast.Pow, "pow"),
)
INTEGER = (
    Operator("//", "floor_divide", ast.FloorDiv, "floordiv"),
    Operator("%", "remainder", ast.Mod, "mod"),
)
# Of truth values, and of the bits of integers.
BITS = (
    Operator("&", "bitwise_and", ast.BitAnd, "and_"),
    Operator("|", "bitwise_or", ast.BitOr, "or_"),
)
INVERSION = Operator("~", "bitwise_not", ast.Invert, "invert")
COMPARISONS = (
    Operator("<", "lt", ast.Lt, "lt"),
    Operator("<=", "le", ast.LtE, "le"),
    Operator(">", "gt", ast.Gt, "gt"),
    Operator(">=", "ge", ast.GtE, "ge"),
    Operator("==", "eq", ast.Eq, "eq"),
    Operator("!=", "ne", ast.NotEq, "ne"),
)

COMPARISON_OF: Mapping[str, Operator] = {row.sign: row for row in COMPARISONS}
# The operators of a program, by the function that each means.
OPERATOR_OF: Mapping[str, Operator] = {
    row.function: row for row in (*ARITHMETIC, *INTEGER, *BITS, PRODUCT, NEGATION, INVERSION, *COMPARISONS)
}
# Python's methods of arithmetic: the operator, and whether its operands change places.
METHODS: Mapping[str, tuple[Operator, bool]] = {
    **{f"__{row.python}__": (row, False) for row in (*ARITHMETIC, PRODUCT, NEGATION)},
    **{f"__r{row.python}__": (row, True) for row in (*ARITHMETIC, PRODUCT)},
}
