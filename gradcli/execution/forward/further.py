"""Further points for a program: of other sizes, at zero and at ties, at and on both sides of its ops' constants.

What the program computes gets to both sides of these too, where that takes no more than inputs of another scale.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.forward.domains import MATRICES, domains, interval
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.sampling import is_finite
from gradcli.execution.forward.scales import COMPARING, Scaled, crossings, sides
from gradcli.execution.forward.trace import Trace
from gradcli.execution.forward.value_files import read_values
from gradcli.language.program import Program
from gradcli.ops.record import Kind, Op
from gradcli.ops.signature import parse_signature
from gradcli.ops.table import find
from gradcli.settings import Settings

# Powers of two and small integers are exact in every dtype.
SIZES = (10.0, 2.0**-10, 100.0)
# How far beside a constant entries lie, in parts of it; the sums are rounded to as many bits as bfloat16 has.
BESIDE = 0.0625
BITS = 7
MOST_CONSTANTS = 8
# Smaller constants are guards against a division by 0, beyond which PyTorch's gradients are not meant.
SMALLEST = 2.0**-10
MOST_POINTS = 24
# A program with more calls, or whose results have more entries in all, is looked at nowhere else.
MOST_CALLS = 64
MOST_ENTRIES = 1 << 14
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")


def further_points(
    program: Program, settings: Settings, given: Mapping[str, Any], trace: Trace
) -> list[dict[str, Tensor]]:
    """Return points beside one that was drawn; leaves that are given a value or are constants stay as they are.

    Entries that are changed alternate with those drawn, inside the domains of the ops that read a leaf.
    """
    drawn = _drawn(trace, names_drawn(program, settings, given))
    if not drawn or not _is_small(trace):
        return []
    known = domains(program, find)
    numbers = {name: _inside(_numbers(trace), known.get(name, "real")) for name in drawn}
    slots = {name: max(1, (value.numel() + 1) // 2) for name, value in drawn.items()}
    rounds = max(math.ceil(len(numbers[name]) / slots[name]) for name in drawn)
    tied = {name: _tied(value) for name, value in drawn.items() if known.get(name) not in MATRICES}
    points = [tied, *(_mixed(drawn, numbers, slots, place) for place in range(min(rounds, MOST_POINTS)))]
    points += _scaled(program, settings, given, trace, (drawn, known))
    changed = [{name: v for name, v in point.items() if not torch.equal(v, drawn[name])} for point in points]
    return [point for point in changed if point]


def _scaled(
    program: Program,
    settings: Settings,
    given: Mapping[str, Any],
    trace: Trace,
    leaves: tuple[Mapping[str, Tensor], Mapping[str, str]],
) -> Iterator[dict[str, Tensor]]:
    """Yield the leaves drawn, with their domains, scaled so that a number that calls compare with is crossed."""
    drawn, known = leaves

    def sides_at(change: Scaled) -> Sequence[Tensor]:
        point = change.applied(drawn)
        inside = all(_is_inside(value, known.get(name, "real")) for name, value in point.items())
        try:
            there = run_program(program, settings, {**given, **point}) if inside and change.names else trace
        except ExecutionError:
            return []
        return list(_sides(there)) if inside and is_finite(there) else []

    for change in crossings(list(drawn), sides_at):
        yield change.applied(drawn)


def _is_inside(value: Tensor, domain: str) -> bool:
    """Return whether a leaf lies in a domain; a matrix stays one of its kind."""
    low, high = interval(domain)
    return domain in MATRICES or bool(((value > low) & (value < high)).all())


def _sides(trace: Trace) -> Iterator[Tensor]:
    """Yield on which side of the numbers of calls that compare the entries lie that other calls made."""
    for call in trace.calls:
        made = [traced.tensor for traced in call.inputs if not traced.is_leaf]
        if made and (call.op.name in COMPARING or call.op.kind is Kind.POINTWISE):
            given = [float(v) for v in call.arguments.bound.values() if isinstance(v, int | float)]
            numbers = [*_named(call.op), *(given if call.op.name in COMPARING else ())]
            yield from sides(made, [number for number in numbers if not 0 < abs(number) < SMALLEST])


def names_drawn(program: Program, settings: Settings, given: Mapping[str, Any]) -> list[str]:
    """Return the names of the leaves that are drawn at random: those that are given no value, and are no constants."""
    if settings.init is not None:
        return []
    kept = {*read_values(settings.values_file), *settings.values, *given, *settings.constants}
    return [leaf.name for leaf in program.leaves if leaf.name not in kept]


def _drawn(trace: Trace, names: Sequence[str]) -> dict[str, Tensor]:
    """Return the leaves of some names, in double precision."""
    leaves = {leaf.name: leaf.tensor.detach() for leaf in trace.leaves if leaf.name}
    real = {name: leaves[name] for name in names if name in leaves and leaves[name].is_floating_point()}
    return {name: value.to(torch.float64) for name, value in real.items() if value.numel()}


def _is_small(trace: Trace) -> bool:
    entries = sum(traced.tensor.numel() for call in trace.calls for traced in call.outputs)
    return len(trace.calls) <= MOST_CALLS and entries <= MOST_ENTRIES


def _numbers(trace: Trace) -> list[float]:
    """Return the entries to look at: zero, the program's constants with what lies beside them, small and large ones."""
    constants = list(dict.fromkeys(abs(number) for number in _constants(trace) if abs(number) >= SMALLEST))[
        :MOST_CONSTANTS
    ]
    near = [_rounded(c * factor) if factor != 1 else c for c in constants for factor in (1, 1 - BESIDE, 1 + BESIDE)]
    return list(dict.fromkeys([0.0, *(sign * size for size in (*near, *SIZES) for sign in (1, -1))]))


def _constants(trace: Trace) -> Iterator[float]:
    """Yield the numbers that the kinks of a program's ops name, and those among the arguments of its calls."""
    for call in trace.calls:
        yield from _named(call.op)
        defaults = {parameter.name: parameter.default for parameter in parse_signature(call.op.signature)}
        for value in {**defaults, **call.arguments.bound}.values():
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                yield float(value)


def _named(op: Op) -> list[float]:
    return [float(number) for text in (op.kinks, op.discontinuities) for number in NUMBER.findall(text or "")]


def _rounded(number: float) -> float:
    """Return a number rounded to few bits, so that it is the same in every dtype."""
    unit = 2.0 ** (math.frexp(number)[1] - BITS)
    return round(number / unit) * unit


def _inside(numbers: Sequence[float], domain: str) -> list[float]:
    """Return the numbers inside a domain, and not at its ends; none for a matrix."""
    low, high = interval(domain)
    return [] if domain in MATRICES else [number for number in numbers if low < number < high]


def _mixed(
    drawn: Mapping[str, Tensor], numbers: Mapping[str, Sequence[float]], slots: Mapping[str, int], place: int
) -> dict[str, Tensor]:
    """Return a point with some of the numbers in every other entry; leaves begin elsewhere in the list of them."""
    point = {}
    for offset, (name, value) in enumerate(drawn.items()):
        own, first = numbers[name], place * slots[name] + 5 * offset
        flat = value.reshape(-1).clone()
        where = flat[offset % 2 if value.numel() > 1 else 0 :: 2]
        if own:
            where[:] = torch.tensor([own[(first + k) % len(own)] for k in range(len(where))], dtype=torch.float64)
        point[name] = flat.reshape(value.shape)
    return point


def _tied(value: Tensor) -> Tensor:
    """Return a tensor in which neighbours are equal."""
    flat = value.reshape(-1).clone()
    flat[1::2] = flat[0::2][: flat[1::2].numel()]
    return flat.reshape(value.shape)
