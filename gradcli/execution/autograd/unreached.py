"""A NaN that reaches no leaf: it is shown, and does not count for the verdict on all tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradcli.execution.forward.finite import has_nan
from gradcli.report.notes import NoteKind, noted
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict

REACHES_NO_LEAF = noted(
    NoteKind.SCOPE, "this NaN reaches no leaf, whose gradients are right, and does not count for them"
)


def with_scope(reports: Sequence[TensorReport]) -> list[TensorReport]:
    """Return the reports with a note on each NaN that the verdict on all of them leaves out."""
    ends = _ending(reports)
    return [
        replace(tensor, notes=(*tensor.notes, *REACHES_NO_LEAF)) if place in ends else tensor
        for place, tensor in enumerate(reports)
    ]


def counted(reports: Sequence[TensorReport]) -> list[TensorReport]:
    """Return the tensors that count for the verdict on all: not a NaN that ends on its way to the leaves."""
    ends = _ending(reports)
    return [tensor for place, tensor in enumerate(reports) if place not in ends]


def _ending(reports: Sequence[TensorReport]) -> frozenset[int]:
    """Return the places of non-leaves whose gradients are NaN though every leaf's is right: it reaches none."""
    leaves = [tensor.verdict for tensor in reports if tensor.kind == "leaf" and tensor.verdict is not None]
    if not leaves or not all(verdict.passes for verdict in leaves):
        return frozenset()
    return frozenset(place for place, tensor in enumerate(reports) if tensor.kind != "leaf" and _is_nan(tensor))


def _is_nan(tensor: TensorReport) -> bool:
    return tensor.verdict is Verdict.UNDEFINED and tensor.gradient is not None and has_nan(tensor.gradient)
