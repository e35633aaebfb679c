"""Random points for an op: inside the domain of every parameter, away from kinks and ties, exact in low precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from gradcli.language.leaves import expressions
from gradcli.language.order import postorder
from gradcli.language.program import (
    Call,
    Expression,
    Literal,
    Name,
    Program,
    Sequence,
)
from gradcli.ops.record import Op
from gradcli.ops.signature import bind

Find = Callable[[str], Op | None]
Shapes = Mapping[str, tuple[int, ...]]

# Entries are odd multiples of 1/64: never 0, 1/2, 1, 3 or another constant that a kink is likely to be at.
DENOMINATOR = 64
SMALLEST, LARGEST = 0.15, 2.2
# A matrix has so many axes at least.
SQUARE = 2
# The part of a bounded interval that is left out at each end.
MARGIN = 0.08
SYMMETRIC = "positive definite"
MATRICES = ("invertible", SYMMETRIC)
# A random matrix is drawn again until its condition number is below this. The larger it is, the less likely that is,
# and the longer it takes to look: so there are this many attempts, divided by its rows.
WORST_CONDITION = 30.0
ATTEMPTS = 1000


def parse_example(text: str) -> tuple[str, dict[str, tuple[int, ...]]]:
    """Return the program and the leaves' shapes of an example such as `x + y | x=2x3 y=scalar`."""
    program, _, leaves = text.partition(" | ")
    pairs = (leaf.split("=") for leaf in leaves.split())
    return program.strip(), {name: _shape(shape) for name, shape in pairs}


def _shape(text: str) -> tuple[int, ...]:
    return () if text == "scalar" else tuple(int(size) for size in text.split("x"))


def draw(domain: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return a random tensor inside a domain of the op table, no two of whose entries are equal in magnitude."""
    if domain in MATRICES and len(shape) > 1 and shape[-1] == shape[-2]:
        return _matrices(domain, shape, generator)
    low, high = interval(domain)
    return _magnitudes(low, high, torch.Size(shape).numel(), generator).reshape(shape)


def interval(domain: str) -> tuple[float, float]:
    """Return the ends of a domain; anything that is not written as an interval is the whole line."""
    if not domain.startswith("("):
        return -math.inf, math.inf
    low, high = domain.strip("()").split(",")
    return float(low), float(high)


def _magnitudes(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    if math.isinf(low) and math.isinf(high):
        return _signs(count, generator) * _grid(SMALLEST, LARGEST, count, generator)
    if math.isinf(high):
        return low + _grid(SMALLEST, LARGEST, count, generator)
    if math.isinf(low):
        return high - _grid(SMALLEST, LARGEST, count, generator)
    margin = MARGIN * (high - low)
    if low == -high:
        return _signs(count, generator) * _grid(margin, high - margin, count, generator)
    return _grid(low + margin, high - margin, count, generator)


def _signs(count: int, generator: torch.Generator) -> Tensor:
    return 2 * torch.randint(0, 2, (count,), generator=generator) - 1


def _grid(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    """Return `count` different odd multiples of 1/64 between two numbers; of a smaller unit if there are too few."""
    denominator = DENOMINATOR
    while (choices := _odd(low, high, denominator)).numel() < count:
        denominator *= 2
    return choices[torch.randperm(choices.numel(), generator=generator)[:count]] / denominator


def _odd(low: float, high: float, denominator: int) -> Tensor:
    first = math.ceil(low * denominator) | 1
    return torch.arange(first, max(first, math.floor(high * denominator) + 1), 2, dtype=torch.float64)


def _matrices(domain: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return random matrices that are well conditioned: as they are drawn, or smaller and beside a diagonal."""
    for _ in range(max(1, ATTEMPTS // max(1, shape[-1]))):
        found = draw("real", shape, generator)
        if domain == SYMMETRIC:
            product = (found @ found.mT / shape[-1] * DENOMINATOR).round() / DENOMINATOR
            found = product + torch.eye(shape[-1], dtype=torch.float64)
        if not found.numel() or bool((torch.linalg.cond(found) < WORST_CONDITION).all()):
            return found
    # With a norm of at most 1, and 2 on the diagonal, a condition number is at most 3, and a determinant below 3^n.
    norm = torch.linalg.matrix_norm(found, 2).max()
    return found / 2 ** norm.log2().ceil() + 2 * torch.eye(shape[-1], dtype=torch.float64)


def leaves_for(program: Program, shapes: Shapes, find: Find, seed: int = 0) -> dict[str, Tensor]:
    """Return a point for a program's leaves, each inside the domains of the parameters that it is an argument for.

    Leaves of the same domain are drawn together, so that no entry of one ties with an entry of another.
    """
    generator = torch.Generator().manual_seed(seed)
    known = domains(program, find)
    leaves = {leaf.name: known.get(leaf.name, "real") for leaf in program.leaves}
    found: dict[str, Tensor] = {}
    for domain in dict.fromkeys(leaves.values()):
        names = [name for name, own in leaves.items() if own == domain]
        sizes = [torch.Size(shapes.get(name, ())) for name in names]
        together = draw(domain, (sum(size.numel() for size in sizes),), generator)
        for name, size, part in zip(names, sizes, together.split([size.numel() for size in sizes]), strict=True):
            found[name] = draw(domain, size, generator) if domain in MATRICES else part.reshape(size)
    return {leaf.name: found[leaf.name] for leaf in program.leaves}


def with_imaginary_parts(point: Mapping[str, Tensor], program: Program, find: Find, seed: int) -> dict[str, Tensor]:
    """Return a point with imaginary parts, none of which is 0: off the real axis, where the cuts of functions are.

    Beside a matrix they are small, and skew-symmetric where it is positive definite: it is Hermitian, and stays so.
    """
    generator = torch.Generator().manual_seed(seed + 1)
    known = domains(program, find)
    return {
        name: torch.complex(real, _imaginary(known.get(name, "real"), tuple(real.shape), generator))
        for name, real in point.items()
    }


def _imaginary(domain: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    found = draw("real", shape, generator)
    if domain not in MATRICES or len(shape) < SQUARE:
        return found
    found = found / 2 ** math.ceil(math.log2(DENOMINATOR * max(shape[-1], 1)))
    return found - found.mT if domain == SYMMETRIC else found


def domains(program: Program, find: Find) -> dict[str, str]:
    """Return the domain of each leaf that is a direct argument of a call for a parameter with one."""
    found: dict[str, str] = {}
    leaves = {leaf.name for leaf in program.leaves}
    for call in calls(program):
        op = find(call.function)
        if op is None or not op.domain:
            continue
        for parameter, argument in bind(op, call).items():
            for name in _names(argument):
                if name in leaves and parameter in op.domain:
                    found[name] = meet(found.get(name), op.domain[parameter])
    return found


def meet(one: str | None, other: str) -> str:
    """Return what two domains have in common; a kind of matrix goes before an interval."""
    if one is None or other in MATRICES:
        return other
    if one in MATRICES:
        return one
    (low, high), (lower, higher) = interval(one), interval(other)
    return f"({max(low, lower)}, {min(high, higher)})"


def _names(argument: Expression) -> list[str]:
    items = argument.items if isinstance(argument, Sequence) else (argument,)
    return [item.name for item in items if isinstance(item, Name)]


def calls(program: Program) -> Iterator[Call]:
    """Yield every call of a program, the ones in branches and loops too."""
    for expression in expressions(program.statements):
        for node in postorder(expression):
            # An integer power needs no positive base.
            if isinstance(node, Call) and not _is_integer_power(node):
                yield node


def _is_integer_power(call: Call) -> bool:
    exponent = call.arguments[-1] if call.arguments else None
    return call.operator == "**" and isinstance(exponent, Literal) and isinstance(exponent.value, int)
