"""Real and imaginary parts of an expression over real symbols: what a complex definition is differentiated as.

A complex operand is `a.real + I*a.imag` with both parts real, so that an analytic formula and one that is not (a
modulus, a conjugate) are differentiated alike: as two real functions of real variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from typing import Any, TypeAlias

import sympy
from sympy import Expr, I, Piecewise, Pow, cos, cosh, exp, log, sin, sinh, sqrt, tanh

from gradcli.errors import NotSupportedError

Pair: TypeAlias = tuple[Expr, Expr]
REAL, IMAGINARY = ".real", ".imag"
# A power up to this one is multiplied out; one beyond is taken in polar form.
LARGEST_MULTIPLIED = 32

ZERO = sympy.Integer(0)
ONE: Pair = (sympy.Integer(1), ZERO)


def part(node: Any, name: str) -> Any:
    """Return the part of an expression that is called `real` or `imag`."""
    real, imaginary = parts(node)
    return real if name == "real" else imaginary


@lru_cache(maxsize=4096)
def parts(node: Any) -> Pair:
    """Return the real and the imaginary part; NotSupportedError if a function of complex numbers is not known."""
    if not node.has(I):
        return node, ZERO
    if node == I:
        return ZERO, sympy.Integer(1)
    if node.is_Add:
        found = [parts(term) for term in node.args]
        return sympy.Add(*[real for real, _ in found]), sympy.Add(*[imaginary for _, imaginary in found])
    if node.is_Mul:
        return reduce(_times, [parts(factor) for factor in node.args])
    if isinstance(node, Pow):
        return _power(node)
    if isinstance(node, Piecewise):
        return _choice(node)
    return _function(node)


def equal(left: Any, right: Any) -> Any:
    """Return the condition that two expressions are equal: both parts are."""
    return sympy.And(*[sympy.Eq(one, other) for one, other in zip(parts(left), parts(right), strict=True)])


def _times(left: Pair, right: Pair) -> Pair:
    (a, b), (c, d) = left, right
    return a * c - b * d, a * d + b * c


def _over(left: Pair, right: Pair) -> Pair:
    (a, b), (c, d) = left, right
    if d == 0:
        return a / c, b / c
    square = c**2 + d**2
    return (a * c + b * d) / square, (b * c - a * d) / square


def _power(node: Pow) -> Pair:
    base, exponent = node.base, node.exp
    if exponent.is_Integer and abs(exponent) <= LARGEST_MULTIPLIED:
        whole = _whole_power(parts(base), abs(int(exponent)))
        return whole if exponent > 0 else _over(ONE, whole)
    if exponent.is_real:
        (a, b), angle = parts(base), exponent * _angle(parts(base))
        modulus = (a**2 + b**2) ** (exponent / 2)
        return modulus * cos(angle), modulus * sin(angle)
    return _exp(_times(parts(exponent), _log(parts(base))))


def _whole_power(base: Pair, exponent: int) -> Pair:
    if exponent == 1:
        return base
    half = _whole_power(base, exponent // 2)
    square = (half[0] ** 2 - half[1] ** 2, 2 * half[0] * half[1])
    return _times(square, base) if exponent % 2 else square


def _choice(node: Piecewise) -> Pair:
    branches = [(*parts(branch.expr), branch.cond) for branch in node.args]
    real = Piecewise(*[(real, condition) for real, _, condition in branches])
    return real, Piecewise(*[(imaginary, condition) for _, imaginary, condition in branches])


def _function(node: Any) -> Pair:
    rule = RULES.get(node.func)
    if rule is not None:
        return rule(parts(node.args[0]))
    written = node.rewrite(log) if node.func in LOGARITHMIC else node
    if written == node:
        msg = f"{node.func.__name__} of a complex number has no symbolic derivative"
        raise NotSupportedError(msg)
    return parts(written)


def _modulus(value: Pair) -> Expr:
    return sqrt(value[0] ** 2 + value[1] ** 2)


def _angle(value: Pair) -> Expr:
    return sympy.atan2(value[1], value[0])


def _exp(value: Pair) -> Pair:
    return exp(value[0]) * cos(value[1]), exp(value[0]) * sin(value[1])


def _log(value: Pair) -> Pair:
    return log(_modulus(value)), _angle(value)


def _tanh(value: Pair) -> Pair:
    # With sech² as it stands: 1 - tanh² would cancel, and the quotient of sinh and cosh overflow.
    below = cos(value[1]) ** 2 + tanh(value[0]) ** 2 * sin(value[1]) ** 2
    return tanh(value[0]) / below, sin(value[1]) * cos(value[1]) / cosh(value[0]) ** 2 / below


def _tan(value: Pair) -> Pair:
    imaginary, negative = _tanh((-value[1], value[0]))  # tan z = -i tanh iz
    return negative, -imaginary


RULES: Mapping[Any, Callable[[Pair], Pair]] = {
    sympy.exp: _exp,
    sympy.log: _log,
    sympy.sin: lambda z: (sin(z[0]) * cosh(z[1]), cos(z[0]) * sinh(z[1])),
    sympy.cos: lambda z: (cos(z[0]) * cosh(z[1]), -sin(z[0]) * sinh(z[1])),
    sympy.sinh: lambda z: (sinh(z[0]) * cos(z[1]), cosh(z[0]) * sin(z[1])),
    sympy.cosh: lambda z: (cosh(z[0]) * cos(z[1]), sinh(z[0]) * sin(z[1])),
    sympy.tan: _tan,
    sympy.tanh: _tanh,
    sympy.re: lambda z: (z[0], ZERO),
    sympy.im: lambda z: (z[1], ZERO),
    sympy.conjugate: lambda z: (z[0], -z[1]),
    sympy.Abs: lambda z: (_modulus(z), ZERO),
    sympy.arg: lambda z: (_angle(z), ZERO),
}
# What sympy writes with logarithms and roots, on the principal branch.
LOGARITHMIC = frozenset({sympy.asin, sympy.acos, sympy.atan, sympy.asinh, sympy.acosh, sympy.atanh})
