"""`hessian`: the second derivatives of a scalar by pairs of leaves, through `torch.func` and by the definitions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import InputError
from gradcli.execution.autograd import functional
from gradcli.execution.autograd.backward import SCALAR_ONLY
from gradcli.execution.comparison.derivatives import Expected
from gradcli.execution.comparison.leaf_derivatives import (
    blaming,
    leaf_report,
    moved_gradient,
    noise_of,
    wanted_leaves,
    weighed,
)
from gradcli.execution.comparison.second_quotients import sides_by_pairs
from gradcli.execution.formulas.readable import latex_in
from gradcli.execution.formulas.second import hessian_formulas
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.jacobian import basis, stacked
from gradcli.execution.reference.second_order import GradientNodes
from gradcli.execution.reference.systems.problem import UndecidedError
from gradcli.execution.run import Run, report, start_from
from gradcli.execution.witnesses.first_order import chooses, without_first_derivative
from gradcli.phrases import show_shape
from gradcli.report.derivative import Derivative
from gradcli.report.hessian import HessianDetails, Symmetry
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import worst
from gradcli.settings import Settings

Pair = tuple[TracedTensor, TracedTensor]


@dataclass(slots=True)
class Blocks:
    """The symbolic Hessian by pairs of leaves: the gradients of the entries of gradients."""

    values: dict[Pair, Tensor] = field(default_factory=dict)
    undecided: dict[Pair, str] = field(default_factory=dict)
    kinked: dict[Pair, str] = field(default_factory=dict)
    scale: float = 0.0

    @staticmethod
    def of(run: Run, decomposition: Decomposition, leaves: Sequence[TracedTensor]) -> Blocks:
        """Return the Hessian by a decomposition of the run's program."""
        gradients, found = GradientNodes.of(decomposition, run.cotangent, run.derivations), Blocks()
        for row in leaves:
            try:
                references = [gradients.pull_back({row: seed}, leaves) for seed in basis(row.tensor)]
            except UndecidedError as error:
                found.undecided |= {(row, column): str(error) for column in leaves}
                continue
            for column in leaves:
                reason = next((r.undecided[column] for r in references if column in r.undecided), None)
                kinks = [
                    r.kinked[leaf]
                    for r in (*references, gradients.reference)
                    for leaf in (row, column)
                    if leaf in r.kinked
                ]
                found.kinked |= {(row, column): kinks[0]} if kinks else {}
                if reason is not None:
                    found.undecided[row, column] = reason
                else:
                    rows = [reference.values[column] for reference in references]
                    found.values[row, column] = stacked(rows, row.tensor, column.tensor)
        found.scale = gradients.scale[0]
        return found


@dataclass(frozen=True, slots=True)
class SecondDerivatives:
    """The second derivatives of a run's output by pairs of leaves: PyTorch's, and each beside the symbolic one."""

    found: Mapping[Pair, Tensor]
    blocks: Mapping[Pair, Derivative]
    refusal: str | None
    """Why `torch.func.hessian` could not be called."""


def second_derivatives(run: Run, leaves: Sequence[TracedTensor]) -> SecondDerivatives:
    """Return the second derivatives of a run's output, which is a scalar, by pairs of leaves."""
    found, refusal = functional.hessians(run.trace, leaves)
    expected = _expected(run, leaves)
    blocks = {pair: weighed(run, found[pair], expected.get(pair)) for pair in found}
    return SecondDerivatives(found, blaming(run, blocks, twice=True), refusal)


def hessian(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of `hessian`."""
    trace = run_program(program, settings, given)
    check_scalar(trace)
    run = start_from(program, settings, trace, derivations)
    leaves = wanted_leaves(run)
    count = sum(leaf.tensor.numel() for leaf in leaves)
    functional.check_size(f"the Hessian of '{run.names[run.output]}'", count, count, trace, settings.limits)
    second = second_derivatives(run, leaves)
    found, blocks = second.found, second.blocks
    tensors = [_row_report(run, row, [blocks[row, column] for column in leaves]) for row in leaves]
    formulas = _formulas(run, leaves, found)
    details = HessianDetails(
        hessian=_by_name(run, leaves, lambda pair: found[pair]),
        symbolic_hessian=_by_name(run, leaves, blocks.__getitem__) if settings.verify else None,
        formulas=formulas,
        latex=None if formulas is None else _latex(run, formulas),
        symmetry=_symmetry(run, found),
        method=second.refusal or "torch.func.hessian",
    )
    return report(run, tensors, details)


def check_scalar(trace: Trace) -> None:
    """Refuse an output that is not a scalar: its second derivatives are not a matrix."""
    output = trace.output
    if isinstance(output, TracedTensor) and output.tensor.numel() != 1:
        shape = show_shape(tuple(output.tensor.shape))
        raise InputError(
            f"the output '{output.name or output.text}' has shape {shape}, and a Hessian is a scalar's; "
            f"PyTorch says of its gradient: {SCALAR_ONLY}",
            hint="reduce the output with `--reduce sum` (or mean), or ask for its Jacobian: `gradcli jacobian`",
        )


def _expected(run: Run, leaves: Sequence[TracedTensor]) -> dict[Pair, Expected]:
    if run.decomposition is None:
        return {}
    blocks = Blocks.of(run, run.decomposition, leaves)
    choosing = chooses(run, leaves)
    undefined = without_first_derivative(run, leaves, looks=choosing)

    def again(decomposition: Decomposition) -> Mapping[Pair, Tensor]:
        return Blocks.of(run, decomposition, leaves).values

    noise = noise_of(run, blocks.values, again, lambda: blocks.scale)
    sides = sides_by_pairs(run, run.decomposition, leaves, wanted=bool(blocks.undecided) or choosing)
    exists = all(block.agree for block in sides.values())

    def expected(row: TracedTensor, column: TracedTensor) -> Expected:
        pair = row, column
        return Expected(
            value=blocks.values.get(pair),
            reason=blocks.undecided.get(pair),
            kinked=blocks.kinked.get(pair),
            undefined=undefined.get(row) or undefined.get(column, ()),
            noise=partial(noise, pair),
            along=partial(_line, run, row, column),
            sides=sides.get(pair),
            exists=exists,
        )

    return {(row, column): expected(row, column) for row in leaves for column in leaves}


def _line(run: Run, row: TracedTensor, column: TracedTensor, place: int) -> tuple[Callable[[float], float], float]:
    entry, by = divmod(place, column.tensor.numel())
    return moved_gradient(run, row, column, by, lambda gradient: gradient.reshape(-1)[entry])


def _row_report(run: Run, row: TracedTensor, blocks: Sequence[Derivative]) -> TensorReport:
    """Return the report on a leaf with the worst of the verdicts on its row of blocks."""
    verdicts = [block.verdict for block in blocks if block.verdict is not None]
    if not verdicts:
        return leaf_report(run, row)
    verdict = worst(verdicts)
    notes = next((block.notes for block in blocks if block.verdict is verdict and block.notes), ())
    return leaf_report(run, row, Derivative(None, None, verdict, notes))


def _by_name(run: Run, leaves: Sequence[TracedTensor], block: Callable[[Pair], Any]) -> dict[str, dict[str, Any]]:
    names = run.names
    return {names[row]: {names[column]: block((row, column)) for column in leaves} for row in leaves}


def _formulas(
    run: Run, leaves: Sequence[TracedTensor], found: Mapping[Pair, Tensor]
) -> dict[str, dict[str, str]] | None:
    """Return the formulas of blocks by the names of their leaves; None if there are none."""
    formulas: dict[str, dict[str, str]] = {}
    for (row, column), text in hessian_formulas(run, leaves, found).items():
        formulas.setdefault(run.names[row], {})[run.names[column]] = text
    return formulas or None


def _latex(run: Run, formulas: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    written = {row: {name: latex_in(run.trace, text) for name, text in by.items()} for row, by in formulas.items()}
    return {row: {name: text for name, text in by.items() if text is not None} for row, by in written.items()}


def _symmetry(run: Run, found: Mapping[Pair, Tensor]) -> Symmetry:
    """Return whether the Hessian is its own transpose, within twice what a comparison allows each of its entries."""
    symmetric, largest = True, 0.0
    for (row, column), block in found.items():
        rows, columns = row.tensor.numel(), column.tensor.numel()
        one, other = block.reshape(rows, columns), found[column, row].reshape(columns, rows).T
        error = (one - other).abs().masked_fill(one == other, 0.0)  # inf - inf is NaN
        symmetric = symmetric and bool((error <= 2 * run.settings.tolerance.allowed(one)).all())
        if bool(error.isnan().any()):
            return Symmetry(symmetric=False, max_abs_error=math.nan)
        largest = max(largest, float(error.max()) if error.numel() else 0.0)
    return Symmetry(symmetric, largest)
