"""Kinks: where a derivative is one-sided, autograd's choice must lie between the one-sided derivatives.

A kink is declared by its op. At a kink (and where the symbolic derivative is not a number) the call's own gradient, as
PyTorch computes it for this one call, is compared with the one-sided difference quotients of the same function. A
choice between them is adopted, so that the gradients upstream can be compared; one outside is left to be a mismatch.
Where the one-sided derivatives agree there is no kink: the value rests on difference quotients; the report says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto

import torch
from torch import Tensor

from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.forward.dtypes import is_inexact
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.adjoints import Adjoints
from gradcli.execution.reference.nodes import ComplexNode, Node, parts, split
from gradcli.tolerance import Tolerance

DOUBLE = Tolerance.of("float64")
# How far outside the one-sided derivatives a choice may lie, for the quotients' own error.
SLACK = 1e-6
# How far to go to see a kink at the point, then anywhere, relative to the entries; and how far apart slopes are there,
# relative to 1 or to them.
BENDS, BENT = (2.0**-24, 1.0), 1e-5
# One-sided derivatives cost four evaluations an element.
MOST_ELEMENTS = 4096


class Adopted(Enum):
    """Why autograd's value for a call was adopted."""

    AT_KINK = auto()
    """The derivatives to both sides differ, and it lies between them."""
    BY_DIFFERENCE_QUOTIENT = auto()
    """They do not: difference quotients stand in for a symbolic derivative that is NaN."""


def has_kink(bent: Sequence[Node], local: Adjoints) -> bool:
    """Return whether a gradient passes through a declared kink, of nodes that may have one."""
    return any(node.kinks is not None and _reached(node.kinks(), local.values.get(node)) for node in bent)


def _reached(mask: Tensor, adjoint: Tensor | None) -> bool:
    if adjoint is None or not bool(mask.any()):
        return False
    reached = adjoint != 0
    return bool((mask & reached).any() if mask.shape == reached.shape else reached.any())


def bending_operands(local_call: LocalCall) -> Sequence[TracedTensor]:
    """Return the operands by which a call that is at a kink has one: an op has none by what it is linear in.

    Where no operand by itself bends the result at the point, those count by which it bends at all.
    """
    operands = local_call.call.inputs
    for step in BENDS:
        bending = [traced for traced in operands if _bends(local_call, traced, step)]
        if bending:
            return bending
    return operands


def _bends(local_call: LocalCall, traced: TracedTensor, step: float) -> bool:
    """Return whether the slopes of a result before and after are apart, all entries going to a side of their own."""
    value = local_call.tensors[traced]
    if not is_inexact(value):
        return False
    generator = torch.Generator().manual_seed(0)
    sides = 2.0 * torch.randint(0, 2, value.shape, generator=generator) - 1
    step = step * float(1.0 + value.abs().amax()) if value.numel() else step
    try:
        before, at, after = (
            local_call.results({**local_call.tensors, traced: value + shift * step * sides}) for shift in (-1, 0, 1)
        )
    except RuntimeError:  # nothing can be computed there: at the end of a domain
        return True
    return any(
        bool(~((high - 2 * middle + low).abs() <= BENT * (step + (high - low).abs())).all())
        for low, middle, high in zip(before, at, after, strict=True)
        if is_inexact(middle)
    )


def adopt_choice(
    local_call: LocalCall, inputs: Mapping[TracedTensor, Node | ComplexNode], local: Adjoints, *, declared: bool = False
) -> Adopted | None:
    """Adopt autograd's choice where it lies between the one-sided derivatives; return why, or None for nowhere.

    At a declared kink the definition may have no derivative at all (an eigenvalue that is double): then it is all
    autograd's choice, if every entry of it lies between.
    """
    known = {*local.values, *(local.undecided if declared else ())}
    wanted = {traced: node for traced, node in inputs.items() if node.differentiable and known & {*parts(node)}}
    why = None
    for traced, unit, node, choice in _by_part(wanted, local_call.autograd(list(wanted))):
        ours = local.values[node] if node in local.values else torch.full_like(choice, math.nan)
        indices = (~DOUBLE.agrees(choice, ours) & choice.isfinite()).nonzero().tolist()
        infinite = (choice.isinf() & (choice != ours)).nonzero().tolist()
        if 0 < len(indices) + len(infinite) <= MOST_ELEMENTS:
            between, sided = _between(local_call, traced, choice, indices, unit)
            reaching = _reaching(local_call, traced, choice, infinite, unit)
            between, sided = between | reaching, sided or (declared and bool(reaching.any()))
            _adopt(local, node, torch.where(between, choice, ours))
            if sided:
                why = Adopted.AT_KINK
            elif bool(between.any()):
                why = why or Adopted.BY_DIFFERENCE_QUOTIENT
    return why


def _by_part(
    wanted: Mapping[TracedTensor, Node | ComplexNode], choices: Sequence[Tensor]
) -> Iterator[tuple[TracedTensor, complex, Node, Tensor]]:
    """Yield every real node that a gradient is chosen for, with the choice, and the direction in its tensor."""
    for (traced, value), choice in zip(wanted.items(), choices, strict=True):
        yield from ((traced, *found) for found in zip((1, 1j), parts(value), split(choice), strict=False))


def _adopt(local: Adjoints, node: Node, value: Tensor) -> None:
    """Note a gradient that was chosen; one that was undecided stays so unless it is chosen everywhere."""
    if node in local.values:
        local.values[node] = value
    elif not bool(value.isnan().any()):
        local.values[node] = value
        del local.undecided[node]


def _between(
    local_call: LocalCall, traced: TracedTensor, choice: Tensor, indices: Sequence[Sequence[int]], unit: complex
) -> tuple[Tensor, bool]:
    """Return where a choice lies between the one-sided derivatives, and whether these differ anywhere."""
    between = torch.zeros_like(choice, dtype=torch.bool)
    sided = False
    for index in map(tuple, indices):
        below, above = _both_sides(local_call, traced, index, unit)
        slack = SLACK * max(1.0, abs(below), abs(above))
        if min(below, above) - slack <= float(choice[index]) <= max(below, above) + slack:
            between[index] = True
            sided = sided or abs(above - below) > slack
    return between, sided


def _reaching(
    local_call: LocalCall, traced: TracedTensor, choice: Tensor, indices: Sequence[Sequence[int]], unit: complex
) -> Tensor:
    """Return where an infinite choice has the sign of what infinite upstream gradients come to, to one of the sides.

    Among equal entries each has a part of the gradient of their maximum, as it has where that is finite.
    """
    reaching = torch.zeros_like(choice, dtype=torch.bool)
    if not indices or any(v is not None and v.is_complex() for v in local_call.cotangents):
        return reaching
    ones = [None if v is None else torch.where(v.isinf(), v.sign(), 0.0) for v in local_call.cotangents]
    alone = replace(local_call, cotangents=ones)
    for index in map(tuple, indices):
        sides = _both_sides(alone, traced, index, unit)
        reaching[index] = any(side * float(choice[index].sign()) > SLACK for side in sides)
    return reaching


def _both_sides(
    local_call: LocalCall, traced: TracedTensor, index: tuple[int, ...], unit: complex
) -> tuple[float, float]:
    """Return the derivatives to both sides; at the end of a domain, where PyTorch refuses one, the other twice."""
    found = []
    for sign in (-1.0, 1.0):
        try:
            found.append(local_call.one_sided(traced, index, sign, unit))
        except RuntimeError:
            continue
    return (found[0], found[-1]) if found else (math.nan, math.nan)
