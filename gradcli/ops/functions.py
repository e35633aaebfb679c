"""Functions that sympy and PyTorch both know: the formulas of the table, and their derivatives, end in these.

Each is entered once, by names: the symbolic side looks up sympy's, the execution side PyTorch's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradcli.ops.family import kernel


@dataclass(frozen=True, slots=True)
class Function:
    """One function of numbers."""

    name: str
    """The name of the step that evaluates it; in a formula, the name of the call."""

    sympy: str = ""
    """Its name in sympy; none for arithmetic, which sympy has as operators."""

    torch: str = ""
    """The dotted name of the callable that evaluates it on tensors; none if no derivative holds it as it is."""

    primitive: bool = False
    """Whether a formula may call it. A formula that calls any other function means the definition of that op."""

    order: int | None = None
    """The first argument of sympy's function, if the formula's has one fewer."""

    overwrites: bool = False
    """Whether PyTorch may write the result over an operand of the same shape."""


def _primitive(name: str, sympy: str = "", *, overwrites: bool = False) -> Function:
    """Return a function of one argument that PyTorch calls what formulas call it, and sympy too if nothing is said."""
    return Function(name, sympy or name, f"torch.{name}", primitive=True, overwrites=overwrites)


def _arithmetic(name: str, *, overwrites: bool = True) -> Function:
    return Function(name, torch=f"torch.{name}", overwrites=overwrites)


def _derived(name: str, sympy: str) -> Function:
    """Return a function that formulas do not call, and that sympy brings in."""
    return Function(name, sympy, f"torch.{name}")


FUNCTIONS: tuple[Function, ...] = (
    _arithmetic("add"),
    _arithmetic("sub"),
    _arithmetic("mul"),
    _arithmetic("div"),
    _arithmetic("neg"),
    _arithmetic("reciprocal"),
    _arithmetic("pow"),
    _arithmetic("hypot", overwrites=False),
    # Elementary functions
    _primitive("exp", overwrites=True),
    _primitive("log", overwrites=True),
    _primitive("sqrt", overwrites=True),
    _primitive("sin"),
    _primitive("cos"),
    _primitive("tan"),
    _primitive("asin"),
    _primitive("acos"),
    _primitive("atan"),
    _primitive("sinh"),
    _primitive("cosh"),
    _primitive("tanh", overwrites=True),
    _primitive("asinh"),
    _primitive("acosh"),
    _primitive("atanh"),
    _derived("atan2", "atan2"),
    # Special functions
    _primitive("erf"),
    _primitive("erfc"),
    _primitive("erfinv"),
    Function("erfcinv", "erfcinv", kernel("special.erfcinv"), primitive=True),
    _primitive("lgamma", "loggamma"),
    Function("digamma", "digamma", primitive=True),
    Function("polygamma", "polygamma", kernel("special.polygamma"), primitive=True),
    Function("besselj", "besselj", kernel("special.bessel_j")),
    Function("besseli", "besseli", kernel("special.bessel_i")),
    Function("bessel_j0", "besselj", primitive=True, order=0),
    Function("bessel_j1", "besselj", primitive=True, order=1),
    Function("i0", "besseli", primitive=True, order=0),
    Function("special.i1", "besseli", primitive=True, order=1),
    # Complex numbers, which are split into their parts before anything is evaluated
    Function("real", "re", primitive=True),
    Function("imag", "im", primitive=True),
    Function("conj", "conjugate", primitive=True),
    # Steps and choices
    Function("delta", "KroneckerDelta", kernel("special.delta"), primitive=True),
    _primitive("floor"),
    _primitive("ceil", "ceiling"),
    _derived("abs", "Abs"),
    _derived("sign", "sign"),
    _derived("where", "ITE"),
    _derived("lt", "StrictLessThan"),
    _derived("le", "LessThan"),
    _derived("gt", "StrictGreaterThan"),
    _derived("ge", "GreaterThan"),
    _derived("eq", "Equality"),
    _derived("ne", "Unequality"),
    _derived("logical_and", "And"),
    _derived("logical_or", "Or"),
    _derived("logical_not", "Not"),
)

FUNCTION_OF: Mapping[str, Function] = {function.name: function for function in FUNCTIONS}
