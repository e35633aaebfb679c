"""A NaN or a kink that reaches no leaf: it is shown, and does not count for the verdict on all tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradcli.execution.forward.finite import has_nan
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict

# The verdicts on what may end on its way to the leaves.
ENDING = frozenset({Verdict.UNDEFINED, Verdict.SUBGRADIENT})
REACHES_NO_LEAF = noted(
    NoteKind.SCOPE, "this NaN reaches no leaf, whose gradients are right, and does not count for them"
)

KINK_REACHES_NO_LEAF = noted(
    NoteKind.SCOPE, "this choice reaches no leaf: their gradients are those of a program without a kink"
)


def with_scope(reports: Sequence[TensorReport]) -> list[TensorReport]:
    """Return the reports with a note on each NaN and each kink that the verdict on all of them leaves out."""
    ends = _ending(reports)
    return [
        replace(tensor, notes=(*tensor.notes, *_note(tensor))) if place in ends else tensor
        for place, tensor in enumerate(reports)
    ]


def _note(tensor: TensorReport) -> Notes:
    return REACHES_NO_LEAF if tensor.verdict is Verdict.UNDEFINED else KINK_REACHES_NO_LEAF


def counted(reports: Sequence[TensorReport]) -> list[TensorReport]:
    """Return the tensors that count for the verdict on all: not a NaN that ends on its way to the leaves."""
    ends = _ending(reports)
    return [tensor for place, tensor in enumerate(reports) if place not in ends]


def _ending(reports: Sequence[TensorReport]) -> frozenset[int]:
    """Return the places of non-leaves with a NaN, or a choice at a kink, that reaches no leaf, as all are right."""
    if not any(tensor.verdict in ENDING for tensor in reports if tensor.kind != "leaf"):
        return frozenset()
    leaves = [tensor.verdict for tensor in reports if tensor.kind == "leaf" and tensor.verdict is not None]
    if not leaves or not all(verdict.passes for verdict in leaves):
        return frozenset()
    kinks = all(verdict is Verdict.MATCH for verdict in leaves)
    ends = [place for place, tensor in enumerate(reports) if tensor.kind != "leaf" and _is_nan(tensor)]
    chosen = [place for place, tensor in enumerate(reports) if tensor.kind != "leaf" and _is_chosen(tensor)]
    return frozenset([*ends, *(chosen if kinks else ())])


def _is_chosen(tensor: TensorReport) -> bool:
    return tensor.verdict is Verdict.SUBGRADIENT


def _is_nan(tensor: TensorReport) -> bool:
    return tensor.verdict is Verdict.UNDEFINED and tensor.gradient is not None and has_nan(tensor.gradient)
