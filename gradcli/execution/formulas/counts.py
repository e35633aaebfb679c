"""Lengths that values decide: how many entries a mask picks is a length with a name, which stands for the count.

`x[x > 0].mean()` is a mean of as many entries as are positive: a formula of 4 is one of a point, and of no other.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.notation.algebra import simplified
from gradcli.derivation.notation.written import text_of
from gradcli.errors import GradcliError
from gradcli.execution.formulas.closed import Form, known_shapes
from gradcli.execution.formulas.draws import Draw
from gradcli.execution.formulas.inlined import inlined
from gradcli.execution.formulas.lengths import Lengths, lengths
from gradcli.execution.formulas.named_values import without_values_of
from gradcli.execution.formulas.paths import path_of
from gradcli.execution.formulas.points import Point, is_finite, point
from gradcli.execution.formulas.regions import beyond
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor, traced_in
from gradcli.python_trees import expression_tree
from gradcli.settings import Shape

# The argument of each op that says how many entries its result has.
MASKS = {"masked_select": "mask", "getitem": "index", "nonzero": "input"}
# What random numbers are multiplied by, and what is added, so that more of them, or fewer, are beyond a threshold; and
# how often that is tried.
MOVES = ((1, 0.0), (1, 0.5), (1, -0.5), (1, 1.0), (1, -1.0), (1, 3.0), (16, 0.0), (2**8, 0.0), (2**12, 0.0))
SEEDS = 16
PREFIX = "_count"
# Counts up to this one are factors of other numbers; and whose squares are no factors of what stays under a root.
SMALL, ROOTS = 5, range(2, 30)
Counts = tuple[int, ...]


def masks_of(trace: Trace) -> tuple[TracedTensor, ...]:
    """Return the masks, made of leaves, that say how many entries a result has: one of those that are alike."""
    data, found, texts = {*trace.leaves}, dict[object, TracedTensor](), inlined(trace)
    for call in trace.calls:
        for mask in _masks(call):
            if mask in data:
                found.setdefault(texts.get(mask, mask), mask)
        data |= {*call.outputs} if not data.isdisjoint(call.inputs) else set()
    return tuple(found.values())


def with_counts(here: Point, given: Mapping[str, Any], known: Lengths | None) -> Lengths | None:
    """Return lengths with those that values decide; None if these are the same wherever the program is run.

    `known` are the lengths that have names already; None are as many as the program leaves open.
    """
    known = known or lengths(here, given, {*here.shapes, *here.trace.variables})
    bases, sizes = (here, here), (dict[str, int](), dict[str, int]())
    if known is not None:
        bases, sizes = known.points, known.sizes
    _, given = without_values_of(here.settings, given)
    first = _counted(bases[0], sizes[0], given)
    second = None if first is None else _counted(bases[1], sizes[1], given, counts_at(first))
    if first is None or second is None:
        return None
    whole = [{**own, **_named(counts_at(one))} for own, one in zip(sizes, (first, second), strict=True)]
    return Lengths({} if known is None else known.names, (first, second), (whole[0], whole[1]))


def counts_at(here: Point) -> Counts:
    """Return how many entries each mask picks."""
    return tuple(int(mask.tensor.count_nonzero()) for mask in masks_of(here.trace))


def spelled(here: Point, form: Form, sizes: Mapping[str, int]) -> Form | None:
    """Return a form in which counts are those of their masks, and `sizes` numbers; None if a mask has no text."""
    texts = {name: str(size) for name, size in sizes.items()}
    names = inlined(here.trace)
    for name, mask in zip(_named(counts_at(here)), masks_of(here.trace), strict=True):
        if mask in names:
            texts[name] = _count(mask, names[mask])
    put = partial(_put, texts=texts)
    if any(PREFIX in put(text) for text in (*form.texts, form.raw)):
        return None
    shapes = known_shapes(here, moving=True)
    text, code = (simplified(put(own), shapes) for own in (form.text, form.code))
    exception = None if form.exception is None else put(form.exception)
    rewritten = tuple(put(one) for one in form.rewritten)
    return Form(text, code, put(form.entry), put(form.raw), rewritten, exception, form.cases)


def _masks(call: TracedCall) -> Iterator[TracedTensor]:
    parameter = MASKS.get(call.op.name)
    if parameter is None:
        return
    for traced in traced_in([call.arguments.bound[parameter]]):
        if call.op.name != "getitem" or traced.tensor.dtype == torch.bool:
            yield traced


def _count(mask: TracedTensor, text: str) -> str:
    """Return how many entries of a mask are true, or of numbers are not 0, as an expression."""
    own = text_of(expression_tree(text))
    return f"sum({own})" if mask.tensor.dtype == torch.bool else f"sum({text} != 0)"


def _put(text: str, texts: Mapping[str, str]) -> str:
    for name, own in texts.items():
        text = re.sub(rf"\b{name}\b", own, text)
    return text


def _named(counts: Sequence[int]) -> dict[str, int]:
    return {f"{PREFIX}{place}": count for place, count in enumerate(counts)}


def _counted(base: Point, sizes: Mapping[str, int], given: Mapping[str, Any], others: Counts = ()) -> Point | None:
    """Return a point with counts that are none of others, and not taken for other numbers, as far as one is met.

    None if there is none with finite gradients, or all counts are the others.
    """
    with warnings.catch_warnings(action="ignore"):  # of counts that are too small
        return _clearest(_drawn(base, given), sizes, others) or _clearest(beyond([base]), sizes, others)


def _clearest(several: Iterator[Point], sizes: Mapping[str, int], others: Counts) -> Point | None:
    found, best = None, -1
    for there in several:
        counts = counts_at(there)
        wholes = [mask.tensor.numel() for mask in masks_of(there.trace)]
        apart = {one for place, one in enumerate(counts) if one not in (wholes[place], *others[place : place + 1])}
        worth = len(apart) + sum(_is_clear(count, sizes) for count in apart)
        if apart and worth > best and is_finite(there):
            found, best = there, worth
        if best == 2 * len(counts):
            break
    return found


def _is_clear(count: int, sizes: Mapping[str, int]) -> bool:
    """Tell whether roots of a count, and of one less, stay as they are, and half of the latter is a whole number."""
    has_squares = any(number % root**2 == 0 for number in (count, count - 1) for root in ROOTS)
    return count > SMALL and count % 2 == 1 and not has_squares and count not in sizes.values()


def _drawn(base: Point, given: Mapping[str, Any]) -> Iterator[Point]:
    """Yield a program at random points, on the path that it takes at one of them; values are not kept."""
    path, moving = path_of(base.trace), {traced.name for traced in base.wanted}
    given = {name: value for name, value in given.items() if name not in moving}
    values = {name: value for name, value in base.settings.values.items() if name not in moving}
    shapes: dict[str | None, Shape] = {name: shape for name, shape in base.shapes.items()}  # noqa: C416 (other keys)
    settings = replace(base.settings, shapes={**base.settings.shapes, **shapes}, values=values)
    for seed, draw in product(range(SEEDS), DRAWS):
        with suppress(GradcliError):
            drawn = point(base.program, settings, given, settings.seed + 17 * seed, draw)
            if path_of(drawn.trace) == path:
                yield drawn.explicit() if base.is_explicit else drawn


def _moved(factor: float, shift: float, value: Tensor) -> Tensor:
    return value * factor + shift if value.is_floating_point() else value


def _rounded(value: Tensor) -> Tensor:
    """Return whole numbers: some are 0, and equal to others."""
    return value.round() if value.is_floating_point() else value


DRAWS: tuple[Draw, ...] = (*(partial(_moved, factor, shift) for factor, shift in MOVES), _rounded)
