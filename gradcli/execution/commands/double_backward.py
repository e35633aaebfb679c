"""`double-backward`: what happens when backward runs again: predicted from the graph, then run and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import first_line
from gradcli.execution.autograd import backward
from gradcli.execution.autograd.saved_tensors import saving_nodes
from gradcli.execution.comparison.blame import Watch
from gradcli.execution.comparison.derivatives import Expected
from gradcli.execution.comparison.evaluation import Evaluation, compare_all, tensor_report
from gradcli.execution.comparison.leaf_derivatives import (
    blaming,
    leaf_in,
    moved_gradient,
    noise_of,
    run_again,
    wanted_leaves,
    weighed,
)
from gradcli.execution.comparison.second_quotients import sides_by_pairs
from gradcli.execution.formulas.readable import latex_in
from gradcli.execution.formulas.second import summed_formulas
from gradcli.execution.forward.followed import actual
from gradcli.execution.forward.memory import check_calls
from gradcli.execution.forward.plain import copied, plain
from gradcli.execution.forward.refusals import REFUSALS, refusals
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.second_order import GradientNodes
from gradcli.execution.reference.systems.problem import UndecidedError
from gradcli.execution.run import Run, report, start
from gradcli.execution.witnesses.bends import where_it_bends
from gradcli.execution.witnesses.first_order import chooses
from gradcli.progress import begin
from gradcli.report.double_backward import (
    DoubleBackwardDetails,
    Lifecycle,
    Saving,
    Second,
    WithCreateGraph,
    WithoutRetainGraph,
    WithRetainGraph,
)
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

BACKWARD = "the backward pass"
CONSTANT = noted(NoteKind.CONSTANT, "the gradient does not depend on it: PyTorch gives None, and the derivative is 0")
LOST = noted(NoteKind.CONSTANT, "PyTorch gives None: to autograd the gradient does not depend on it")


def double_backward(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of `double-backward`."""
    run = start(program, settings, given, derivations)
    leaves = wanted_leaves(run)
    check_calls(settings, [leaf.tensor for leaf in leaves])
    nodes = saving_nodes(run.trace, run.names)
    first = _first_derivatives(run, leaves)  # before further runs write to buffers that its graph reads
    once = _without_retain_graph(run, nodes)
    kept = _with_retain_graph(run, leaves)
    second = _second_derivatives(run, leaves, first)
    further = [item.verdict for item in second.values()]
    further += [Verdict.MISMATCH] if settings.verify and once.predicted != once.observed else []
    life = Lifecycle(once, kept, WithCreateGraph(second))
    return report(run, list(first.values()), DoubleBackwardDetails(life), further)


def _without_retain_graph(run: Run, nodes: tuple[Saving, ...]) -> WithoutRetainGraph:
    predicted = "error" if nodes else "ok"
    output, message = actual(run_again(run).output), None
    with refusals(BACKWARD, dtypes=[run.output.tensor.dtype]):
        output.backward(run.cotangent)
    begin(f"a second backward pass of '{run.output.text}'")
    try:
        output.backward(run.cotangent)
    except RuntimeError as error:
        message = first_line(error)
    observed = "ok" if message is None else "error"
    return WithoutRetainGraph(predicted, observed, message, nodes[0].name if nodes else None, nodes)


def _with_retain_graph(run: Run, leaves: Sequence[TracedTensor]) -> WithRetainGraph:
    trace = run_again(run)
    own = {leaf: leaf_in(trace, run, leaf) for leaf in leaves}
    for tensor in own.values():  # what code has from elsewhere was there before
        tensor.grad = None
    calls = []
    for _ in range(run.settings.times):
        with refusals(BACKWARD, dtypes=[run.output.tensor.dtype]):
            actual(trace.output).backward(run.cotangent, retain_graph=True)
        calls.append({run.names[leaf]: copied(own[leaf].grad) for leaf in leaves})
    return WithRetainGraph(tuple(calls))


def _first_derivatives(run: Run, leaves: Sequence[TracedTensor]) -> Mapping[TracedTensor, TensorReport]:
    """Return the report on the first gradients, which uses up the run's own graph."""
    with Watch.over(run.trace) as watch:
        found = backward.backward(run.output, list(dict.fromkeys(run.trace.tensors)), run.cotangent, [])
    comparisons = compare_all(run, found, watch)
    reports = {leaf: tensor_report(leaf, run.names[leaf], found, comparisons, None) for leaf in leaves}
    return where_it_bends(run, Evaluation(found, comparisons, reports))


def _second_derivatives(
    run: Run, leaves: Sequence[TracedTensor], first: Mapping[TracedTensor, TensorReport]
) -> dict[str, Second]:
    expected = {} if run.decomposition is None else _expected(run, run.decomposition, leaves)
    undefined = {leaf: report.notes for leaf, report in first.items() if report.verdict is Verdict.UNDEFINED}
    found: dict[str, Second] = {}
    for leaf in leaves:
        gradient, notes = _of_autograd(run, leaf)
        if gradient is None:
            verdict = Verdict.UNDECIDED if run.settings.verify else None
            found[run.names[leaf]] = Second(None, None, verdict, notes)
            continue
        known = expected.get(leaf)
        derivative = weighed(run, gradient, known and replace(known, undefined=undefined.get(leaf, ())))
        if notes == LOST and derivative.verdict is Verdict.MATCH:
            notes = CONSTANT
        notes = (*derivative.notes, *notes)
        found[run.names[leaf]] = Second(gradient, derivative.symbolic, derivative.verdict, notes)
    found = blaming(run, found, twice=True)
    values = {leaf: found[run.names[leaf]].gradient for leaf in leaves}
    formulas = summed_formulas(run, {leaf: value for leaf, value in values.items() if value is not None})
    return found | {
        run.names[leaf]: replace(found[run.names[leaf]], formula=formula, latex=latex_in(run.trace, formula))
        for leaf, formula in formulas.items()
    }


def _of_autograd(run: Run, leaf: TracedTensor) -> tuple[Tensor | None, Notes]:
    """Return the derivative of the sum of a leaf's gradient by that leaf, and notes; None if PyTorch has none."""
    trace = run_again(run)
    own = leaf_in(trace, run, leaf)
    try:
        first = _derivative(actual(trace.output), own, run.cotangent, create_graph=True)
        second = None if first is None or not first.requires_grad else _derivative(first.sum(), own, None)
    except REFUSALS as error:
        return None, noted(NoteKind.ERROR, f"PyTorch says: {first_line(error)}")
    return (torch.zeros_like(own, requires_grad=False), LOST) if second is None else (plain(second), ())


def _derivative(of: Tensor, by: Tensor, cotangent: Tensor | None, *, create_graph: bool = False) -> Tensor | None:
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        of, by, cotangent, create_graph=create_graph, allow_unused=True
    )
    return found[0]


def _expected(run: Run, decomposition: Decomposition, leaves: Sequence[TracedTensor]) -> dict[TracedTensor, Expected]:
    gradients = GradientNodes.of(decomposition, run.cotangent, run.derivations)
    found = {leaf: _diagonal(gradients, leaf) for leaf in leaves}
    known = {leaf: expected.value for leaf, expected in found.items() if expected.value is not None}

    def again(other: Decomposition) -> dict[TracedTensor, Tensor]:
        perturbed = GradientNodes.of(other, run.cotangent, run.derivations)
        values = {leaf: _diagonal(perturbed, leaf).value for leaf in known}
        return {leaf: value for leaf, value in values.items() if value is not None}

    noise = noise_of(run, known, again, partial(_scale, gradients, known))
    undecided = any(expected.reason is not None for expected in found.values())
    blocks = sides_by_pairs(run, decomposition, leaves, wanted=undecided or chooses(run, leaves))
    sides = {leaf: blocks[leaf, leaf].summed(leaf.tensor.ndim) for leaf in leaves if blocks}
    exists = all(block.agree for block in sides.values())
    return {
        leaf: replace(
            expected,
            noise=partial(noise, leaf),
            along=partial(_line, run, leaf),
            sides=sides.get(leaf),
            exists=exists,
        )
        for leaf, expected in found.items()
    }


def _scale(gradients: GradientNodes, leaves: Iterable[TracedTensor]) -> float:
    """Return the size of the largest contribution to the second derivatives by pairs of entries.

    Of those it is a sum over one of the entries that is compared. Signs at random keep what cancels in it apart.
    """
    generator = torch.Generator().manual_seed(0)
    for leaf in leaves:
        signs = torch.rand(leaf.tensor.shape, generator=generator, dtype=torch.float64) - 0.5
        gradients.pull_back({leaf: signs.sign()}, [leaf])
    return gradients.scale[0]


def _line(run: Run, leaf: TracedTensor, place: int) -> tuple[Callable[[float], float], float]:
    return moved_gradient(run, leaf, leaf, place, torch.sum)


def _diagonal(gradients: GradientNodes, leaf: TracedTensor) -> Expected:
    """Return the derivative of the sum of a leaf's gradient by the same leaf."""
    try:
        reference = gradients.pull_back({leaf: torch.ones_like(leaf.tensor, dtype=torch.float64)}, [leaf])
    except UndecidedError as error:
        return Expected(None, str(error))
    kinked = reference.kinked.get(leaf) or gradients.reference.kinked.get(leaf)
    return Expected(reference.values.get(leaf), reference.undecided.get(leaf), kinked)
