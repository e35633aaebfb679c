"""Jacobians and their products where a program bends: every row is a gradient, and is judged as one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from gradcli.execution.comparison.derivatives import HINGES, Expected
from gradcli.execution.comparison.leaf_derivatives import leaf_report
from gradcli.execution.comparison.nonfinite import has_jump
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.second_order import largest
from gradcli.execution.run import Run
from gradcli.execution.witnesses.bends import OPEN
from gradcli.execution.witnesses.consensus import consensus
from gradcli.execution.witnesses.grain import hides_steps_of
from gradcli.execution.witnesses.line import Values
from gradcli.execution.witnesses.numerical_verdict import NumericalVerdict, NumericalWitnesses
from gradcli.execution.witnesses.question import Question, checked
from gradcli.report.derivative import Derivative
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict, worst
from gradcli.witnesses import DIFFERENCES

# Each row takes quotients by every entry of a leaf, or along the tangents.
MOST_ROWS = 64

Questions = Iterator[tuple[Question, Tensor]]


def jacobian_where_it_bends(run: Run, leaf: TracedTensor, derivative: Derivative, expected: Expected) -> Derivative:
    """Return the verdict on a Jacobian by one leaf, with what finite differences of its rows say at a kink."""
    rows = derivative.value.reshape(run.output.tensor.numel(), *leaf.tensor.shape)

    def questions(witnesses: NumericalWitnesses) -> Questions:
        question = witnesses.question(leaf)
        if question is not None:
            question = replace(question, grain=witnesses.grain)
            yield from ((replace(question, cotangent=unit), row) for unit, row in zip(_units(run), rows, strict=True))

    return _judged(run, [leaf], derivative, questions, expected)


def product_where_it_bends(
    run: Run, tangents: Mapping[TracedTensor, Tensor], derivative: Derivative, expected: Expected
) -> Derivative:
    """Return the verdict on a Jacobian-vector product, with what finite differences of it say at a kink."""

    def questions(witnesses: NumericalWitnesses) -> Questions:
        values = {leaf: witnesses.rerun.value(leaf) for leaf in tangents}

        def function(tensors: Values) -> Tensor:
            moved = {
                leaf: value + tensors["shift"] * double(tangents[leaf])
                for leaf, value in values.items()
                if value is not None
            }
            return witnesses.rerun.output(moved)

        point = {"shift": torch.zeros((), dtype=torch.float64)}
        for unit, entry in zip(_units(run), derivative.value.reshape(-1), strict=True):
            yield Question(function, point, "shift", unit, witnesses.grain, decides=True), double(entry)

    return _judged(run, list(tangents), derivative, questions, expected)


def _units(run: Run) -> list[Tensor]:
    """Return the upstream gradients that pick the rows."""
    output = run.output.tensor
    return [*torch.eye(output.numel(), dtype=torch.float64).reshape(-1, *output.shape)]


def _judged(
    run: Run,
    leaves: list[TracedTensor],
    derivative: Derivative,
    questions: Callable[[NumericalWitnesses], Questions],
    expected: Expected,
) -> Derivative:
    """Return a derivative with the verdict that finite differences make of it, where the program bends or jumps."""
    tensors = [run.output.tensor, *(leaf.tensor for leaf in leaves)]
    hinges, kinked = derivative.notes == HINGES, expected.kinked is not None
    jumps = expected.jumps and derivative.verdict is Verdict.UNDEFINED
    if (
        not (derivative.verdict in OPEN or hinges or jumps)
        or run.output.tensor.numel() > MOST_ROWS
        or any(t.is_complex() for t in tensors)
    ):
        return derivative
    witnesses, steps = NumericalWitnesses.of(run, [DIFFERENCES]), has_jump(run.trace)
    decisions = witnesses.decisions
    otherwise = any(decisions.by_hidden_steps(leaf) for leaf in leaves)
    if not (kinked or hinges or steps or otherwise) and not any(decisions.by(leaf) for leaf in leaves):
        return derivative
    found = _checked(witnesses, questions, jumps=steps)
    denied = any(report.verdict is Verdict.MISMATCH for report in found) and derivative.verdict is not Verdict.MISMATCH
    if denied and expected.value is not None and expected.noise is not None:
        found = _checked(witnesses, questions, jumps=steps, excused=float(expected.noise().rounding_error.max()))
    if not found:
        return derivative
    numerical = NumericalVerdict(
        {DIFFERENCES: _together(found)},
        frozenset(),
        decides=steps or not (kinked or hinges),
        hides_steps=otherwise or (steps and any(hides_steps_of(run.trace, leaf) for leaf in leaves)),
        size=largest(derivative.value),
    )
    said = consensus(leaf_report(run, leaves[0], derivative), numerical, jumps=jumps)
    return replace(derivative, verdict=said.verdict, notes=said.notes)


def _checked(
    witnesses: NumericalWitnesses,
    questions: Callable[[NumericalWitnesses], Questions],
    *,
    jumps: bool,
    excused: float = 0.0,
) -> list[WitnessReport]:
    """Return what finite differences say of each row, rounding on the way being excused."""
    known, tolerance = witnesses.witnesses, witnesses.tolerance
    return [
        checked(known, replace(question, bends=True, jumps=jumps, excused=excused), gradient, tolerance)[DIFFERENCES]
        for question, gradient in questions(witnesses)
    ]


def _together(found: list[WitnessReport]) -> WitnessReport:
    """Return what the witness says of the rows together: the worst of it, by the quotients that are the least sure."""
    verdict = worst([report.verdict for report in found])
    alike = [report for report in found if report.verdict is verdict]
    return max(alike, key=lambda report: math.inf if report.estimated_error is None else report.estimated_error)
