"""Kinks: where a derivative is one-sided, autograd's choice must lie between the one-sided derivatives.

A kink is declared by its op. At a kink (and where the symbolic derivative is not a number) the call's own gradient, as
PyTorch computes it for this one call, is compared with the one-sided difference quotients of the same function. A
choice between them is adopted, so that the gradients upstream can be compared; one outside is left to be a mismatch.
Where the one-sided derivatives agree there is no kink, and the value was only measured: the report says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto

import torch
from torch import Tensor

from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.forward.tracer import TracedTensor
from gradcli.execution.reference.adjoints import Adjoints
from gradcli.execution.reference.nodes import ComplexNode, Node, parts, split
from gradcli.tolerance import Tolerance

DOUBLE = Tolerance.of("float64")
# How far outside the one-sided derivatives a choice may lie, for the quotients' own error.
SLACK = 1e-6
# One-sided derivatives cost four evaluations an element.
MOST_ELEMENTS = 4096


class Settled(Enum):
    """What autograd's value for a call was adopted at."""

    KINK = auto()  # the derivatives to both sides differ
    MEASURED = auto()  # they do not: difference quotients stand in for a symbolic derivative that is NaN


def has_kink(nodes: Sequence[Node], local: Adjoints) -> bool:
    """Return whether a gradient passes through a declared kink."""
    return any(node.kinks is not None and _reached(node.kinks(), local.values.get(node)) for node in nodes)


def _reached(mask: Tensor, adjoint: Tensor | None) -> bool:
    if adjoint is None or not bool(mask.any()):
        return False
    reached = adjoint != 0
    return bool((mask & reached).any() if mask.shape == reached.shape else reached.any())


def resolve(
    local_call: LocalCall, inputs: Mapping[TracedTensor, Node | ComplexNode], local: Adjoints, *, declared: bool = False
) -> Settled | None:
    """Adopt autograd's choice where it lies between the one-sided derivatives; return at what, or None for nowhere.

    At a declared kink the definition may have no derivative at all (an eigenvalue that is double): then it is all
    autograd's choice, if every entry of it lies between.
    """
    known = {*local.values, *(local.undecided if declared else ())}
    wanted = {traced: node for traced, node in inputs.items() if node.differentiable and known & {*parts(node)}}
    settled = None
    for traced, unit, node, choice in _by_part(wanted, local_call.autograd(list(wanted))):
        ours = local.values[node] if node in local.values else torch.full_like(choice, math.nan)
        places = (~DOUBLE.agrees(choice, ours) & choice.isfinite()).nonzero().tolist()
        if 0 < len(places) <= MOST_ELEMENTS:
            adopted, found = _adopted(local_call, traced, choice, places, unit)
            _settle(local, node, torch.where(adopted, choice, ours))
            kind = Settled.KINK if found else Settled.MEASURED if bool(adopted.any()) else None
            settled = kind if settled is None or kind is Settled.KINK else settled
    return settled


def _by_part(
    wanted: Mapping[TracedTensor, Node | ComplexNode], choices: Sequence[Tensor]
) -> Iterator[tuple[TracedTensor, complex, Node, Tensor]]:
    """Yield every real node that a gradient is chosen for, with the choice, and the direction in its tensor."""
    for (traced, value), choice in zip(wanted.items(), choices, strict=True):
        yield from ((traced, *found) for found in zip((1, 1j), parts(value), split(choice), strict=False))


def _settle(local: Adjoints, node: Node, value: Tensor) -> None:
    """Note a gradient that was chosen; one that was undecided stays so unless it is chosen everywhere."""
    if node in local.values:
        local.values[node] = value
    elif not bool(value.isnan().any()):
        local.values[node] = value
        del local.undecided[node]


def _adopted(
    local_call: LocalCall, traced: TracedTensor, choice: Tensor, places: Sequence[Sequence[int]], unit: complex
) -> tuple[Tensor, bool]:
    """Return where a choice lies between the one-sided derivatives, and whether these differ anywhere."""
    adopted = torch.zeros_like(choice, dtype=torch.bool)
    sided = False
    for place in places:
        index = tuple(place)
        below, above = _both_sides(local_call, traced, index, unit)
        slack = SLACK * max(1.0, abs(below), abs(above))
        if min(below, above) - slack <= float(choice[index]) <= max(below, above) + slack:
            adopted[index] = True
            sided = sided or abs(above - below) > slack
    return adopted, sided


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
