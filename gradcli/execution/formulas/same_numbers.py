"""A rewritten formula, held against what it was made from, at random numbers of the run's shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from gradcli.derivation.formulas import Formula
from gradcli.derivation.notation.code import Wanted, source
from gradcli.derivation.notation.parsed import names_read, parsed
from gradcli.errors import NotSupportedError
from gradcli.execution.formulas.executed import executed
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import TracedTensor
from gradcli.tolerance import CLOSENESS

Shape = tuple[int, ...]
# Entries of all that a formula reads, beyond which it is left as it was: running it twice would take too long.
MOST_ENTRIES = 100_000


def with_same_numbers(formula: Formula, of: TracedTensor, values: Mapping[str, Tensor]) -> Formula:
    """Return a formula as it was rewritten if it says what it said before; else as it was before.

    It is run on random numbers of either sign, and on positive ones; labels, places and masks are the run's own.
    """
    if not formula.raw:
        return formula
    shape, shapes = tuple(of.tensor.shape), tuple([(name, tuple(value.shape)) for name, value in values.items()])
    own = {name: value for name, value in values.items() if not value.is_floating_point()}
    compared = _says_the_same(formula.text, formula.raw, shape, shapes, own) if own else _known(formula, shape, shapes)
    return replace(formula, text=formula.text if compared else formula.raw, raw="")


@lru_cache(maxsize=4096)
def _known(formula: Formula, shape: Shape, shapes: tuple[tuple[str, Shape], ...]) -> bool:
    return _says_the_same(formula.text, formula.raw, shape, shapes, {})


def _says_the_same(
    text: str, raw: str, shape: Shape, shapes: tuple[tuple[str, Shape], ...], own: Mapping[str, Tensor]
) -> bool:
    read = {*names_read(parsed(text).body), *names_read(parsed(raw).body)}
    drawn = {name: _random(size, number) for number, (name, size) in enumerate(shapes) if name in read}
    if sum(value.numel() for value in drawn.values()) > MOST_ENTRIES:
        return False
    points = ({**drawn, **own}, {**{name: value.abs() for name, value in drawn.items()}, **own})
    try:
        return all(_is_same(*(_value(one, shape, point, read) for one in (text, raw))) for point in points)
    except (NotSupportedError, *REFUSALS):
        return False


def _random(shape: Shape, number: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(number), dtype=torch.float64)


def _is_same(rewritten: Tensor, before: Tensor) -> bool:
    largest = before[before.isfinite()].abs().max() if before.isfinite().any() else torch.zeros(())
    return torch.allclose(rewritten, before, rtol=CLOSENESS, atol=float(CLOSENESS * largest), equal_nan=True)


def _value(text: str, shape: Shape, every: Mapping[str, Tensor], read: set[str]) -> Tensor:
    values = {name: value for name, value in every.items() if name in read}
    integers = {name for name, value in values.items() if not value.is_floating_point()}
    wanted = Wanted(text, (next(iter(values)),), shape, shown=str(shape))
    code = source("torch", {name: tuple(value.shape) for name, value in values.items()}, [wanted], integers=integers)
    return executed(code, "torch", values)[0].double()
