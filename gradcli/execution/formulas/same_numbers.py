"""A formula that was rewritten for readers, held against what it was made from, at the run's own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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


def with_same_numbers(formula: Formula, of: TracedTensor, values: Mapping[str, Tensor]) -> Formula:
    """Return a formula as it was rewritten if it says what it said before at these values; else as it was before."""
    if not formula.raw:
        return formula
    try:
        rewritten, before = (_value(text, of, values) for text in (formula.text, formula.raw))
    except (NotSupportedError, *REFUSALS):
        return replace(formula, text=formula.raw, raw="")
    largest = before[before.isfinite()].abs().max() if before.isfinite().any() else torch.zeros(())
    is_same = torch.allclose(rewritten, before, rtol=CLOSENESS, atol=float(CLOSENESS * largest), equal_nan=True)
    return replace(formula, text=formula.text if is_same else formula.raw, raw="")


def _value(text: str, of: TracedTensor, every: Mapping[str, Tensor]) -> Tensor:
    read = {*names_read(parsed(text).body)}
    values = {name: value for name, value in every.items() if name in read}
    shapes = {name: tuple(value.shape) for name, value in values.items()}
    integers = {name for name, value in values.items() if not value.is_floating_point()}
    shape = tuple(of.tensor.shape)
    wanted = Wanted(text, (next(iter(shapes)),), shape, shown=str(shape))
    return executed(source("torch", shapes, [wanted], integers=integers), "torch", values)[0].double()
