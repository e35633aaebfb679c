"""One formula for all lengths: what formulas that were derived at several lengths have in common.

Where they differ in a number alone, that number is an expression of the lengths: `X.T @ g/11` at n = 11 and
`X.T @ g/19` at n = 19 are `X.T @ g/n`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement, product

from gradcli.python_trees import expression_tree

Sizes = Mapping[str, int]
"""What each length is called, and what it is."""
TOKEN = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?(?:e[+-]?\d+)?|\*\*|\s+|.")
# What an expression may stand between without parentheses.
APART = frozenset("()[],:")
MOST_FACTORS = 4
OFFSETS = (0, -1, 1, -2, 2, -3, 3)
MULTIPLES = (1, 2, 3, 4, 6, 8)
# Of a length, where nothing plainer is found: what a slope of 0.01 divides by.
LARGEST = 1000
CLOSE = 1e-12


def unified(texts: Sequence[str], sizes: Sequence[Sizes]) -> str | None:
    """Return the formula that each of the texts is at its sizes; None if they differ in anything but lengths."""
    several = [TOKEN.findall(text) for text in texts]
    if len({len(tokens) for tokens in several}) > 1:
        return None
    columns = [*zip(*several, strict=True)]
    written: list[str] = []
    for place, column in enumerate(columns):
        text = column[0] if len({*column}) == 1 else _number(column, sizes)
        if text is None:
            return None
        beside = (columns[at][0] if 0 <= at < len(columns) else ")" for at in (place - 1, place + 1))
        is_apart = set(beside) <= APART or text.isidentifier() or text == column[0]
        if text.endswith("/2") and written and written[-1] == "/":  # twice as much, divided by the rest
            written[-1], text = "*2/", text.removesuffix("/2")
        written.append(text if is_apart or _is_factor(text) else f"({text})")
    return "".join(written)


def _is_factor(text: str) -> bool:
    """Tell whether an expression is `(n - 1)`, which has its own parentheses."""
    return text.startswith("(") and text.find(")") == len(text) - 1


def _number(texts: Sequence[str], sizes: Sequence[Sizes]) -> str | None:
    """Return the expression of the lengths that several numbers are."""
    if not all(text[0].isdigit() for text in texts):
        return None
    numbers = [float(text) for text in texts]
    for text in _candidates([*sizes[0]]):
        if all(_is(text, size, number) for size, number in zip(sizes, numbers, strict=True)):
            return text
    return _multiple(numbers, sizes)


def _multiple(numbers: Sequence[float], sizes: Sequence[Sizes]) -> str | None:
    """Return the product of lengths that several numbers are the same multiple of: `110` at n = 11 is `10*n`."""
    for text in _products([*sizes[0]]):
        ratios = [number / value(text, size) for size, number in zip(sizes, numbers, strict=True)]
        factor = round(ratios[0])
        if 1 < factor <= LARGEST and all(math.isclose(ratio, factor, rel_tol=CLOSE) for ratio in ratios):
            return f"{factor}*{text}"
    return None


def _is(text: str, size: Sizes, number: float) -> bool:
    return math.isclose(value(text, size), number, rel_tol=CLOSE)


def value(text: str, sizes: Sizes) -> float:
    """Return what an expression of lengths comes to."""
    return float(_value(expression_tree(text), sizes))


def _value(node: ast.expr, sizes: Sizes) -> float:
    match node:
        case ast.Constant(value=int(number)) | ast.Constant(value=float(number)):
            return number
        case ast.Name(id=name):
            return sizes[name]
        case ast.Call(args=[inner]):
            return math.sqrt(_value(inner, sizes))
        case ast.BinOp(left=left, op=operator, right=right):
            return _combined(operator, _value(left, sizes), _value(right, sizes))
    return math.nan


def _combined(operator: ast.operator, left: float, right: float) -> float:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
    return left / right


def _candidates(names: Sequence[str]) -> Iterator[str]:
    """Yield expressions of lengths, the plainest first."""
    products = list(_products(names))
    yield from products
    yield from (f"sqrt({one})" for one in products)
    yield from (f"1/sqrt({one})" for one in products)
    for multiple, offset in product(MULTIPLES, OFFSETS):
        if (multiple, offset) != (1, 0):
            sign = f" {'-' if offset < 0 else '+'} {abs(offset)}" if offset else ""
            yield from (f"{'' if multiple == 1 else f'{multiple}*'}{one}{sign}" for one in products)
    yield from _products([*names, *(f"({name} - 1)" for name in names)])
    yield from (f"{one}/2" for one in _products([*names, *(f"({name} - 1)" for name in names)]))
    yield from (f"{one} + {other}" for one, other in combinations_with_replacement(names, 2) if one != other)


def _products(factors: Sequence[str]) -> Iterator[str]:
    for count in range(1, MOST_FACTORS + 1):
        yield from ("*".join(several) for several in combinations_with_replacement(factors, count))
