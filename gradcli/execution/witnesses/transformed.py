"""Autograd's gradients once more, of the same code at the same point under transformations: do they stay the same?

What PyTorch refuses there is not compared, and so no pass.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from gradcli.errors import ExecutionError, GradcliError, first_line
from gradcli.execution.code.program import CodeProgram
from gradcli.execution.comparison.compare import compare
from gradcli.execution.comparison.evaluation import Evaluation
from gradcli.execution.comparison.rounding import Noise
from gradcli.execution.forward.callables import function
from gradcli.execution.forward.dtypes import DTYPES, default_dtype, double
from gradcli.execution.forward.finite import has_nan
from gradcli.execution.forward.followed import held_by
from gradcli.execution.forward.plain import plain
from gradcli.execution.forward.run import reduction_of
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.process import has_drawn
from gradcli.execution.run import Run
from gradcli.execution.witnesses.transformations import Transformation
from gradcli.execution.witnesses.unsteady import OTHER_VALUE
from gradcli.phrases import show_shape
from gradcli.progress import stage
from gradcli.report.comparison import Comparison
from gradcli.report.notes import NoteKind, Notes, led, noted
from gradcli.report.report import TensorReport, WitnessReport
from gradcli.report.verdict import Verdict, worst
from gradcli.tolerance import ELEMENTWISE, Tolerance
from gradcli.witnesses import TRANSFORMATIONS, TransformationRow

MADE_INSIDE = "the code makes it anew each time that it runs"
OTHER_NUMBERS = "other random numbers are drawn"
KINKED = "the point is at a kink, where a different choice may be right too"

Reports = Mapping[TracedTensor, TensorReport]


@dataclass(frozen=True, slots=True)
class Ran:
    """What one transformation of the code gave: gradients, or why there are none."""

    gradients: Mapping[TracedTensor, Tensor | None] = dataclasses.field(default_factory=dict)
    """None of one that the output does not depend on."""
    refused: str | None = None
    output: Tensor | None = None
    off: Comparison | None = None
    """How the output compares with the one that it had."""
    drew: bool = False
    """Whether random numbers were drawn."""

    @property
    def is_off(self) -> bool:
        """Return whether the output is another than it was."""
        return self.off is not None and not self.off.verdict.passes


def transformed(run: Run, evaluation: Evaluation, reports: Reports) -> dict[TracedTensor, TensorReport]:
    """Return the tensors' reports with what the gradients of the leaves are under each transformation asked for."""
    found = dict(reports)
    if not isinstance(run.program, CodeProgram):
        return found
    for row in (row for name, row in TRANSFORMATIONS.items() if name in run.settings.under):
        stage(f"under {row.name}")
        how: Transformation = function(row.implementation)(run.settings)
        judge = _Judge(run, evaluation, how, _tried(run, run.program, how), _names(run.program))
        for traced, report in found.items():
            if traced.is_leaf and evaluation.gradients.get(traced) is not None:
                found[traced] = _with_witness(report, row, _witness(judge, traced))
    return found


def _tried(run: Run, program: CodeProgram, how: Transformation) -> Ran:
    """Return what the code gives under a transformation; whatever it raises there is why it is not compared."""
    try:
        return _ran(run, program, how)
    except GradcliError as error:
        return Ran(refused=error.text)
    except Exception as error:  # noqa: BLE001 (PyTorch's compilers raise errors of many kinds, and so does users' code)
        return Ran(refused=f"PyTorch refuses it: {first_line(error)}")


def _ran(run: Run, program: CodeProgram, how: Transformation) -> Ran:
    settings = dataclasses.replace(run.settings, pick=_path(run), dtype=how.dtype or run.settings.dtype)
    with _at_its_point(run, program, how) as inputs, default_dtype(settings):
        target = dataclasses.replace(program.target, call=how.call(program.target.call))
        output = dataclasses.replace(program, target=target).run(inputs, settings)[1]
        drew = has_drawn(settings.seed)
        output = output if settings.reduce == "none" else reduction_of(settings)(output)
        if output.shape != run.output.tensor.shape:
            raise ExecutionError(f"the output has shape {show_shape(tuple(output.shape))} there")
        gradients = _gradients(run, output, {**program.parameters, **inputs})
    off = compare(double(output), double(run.output.tensor), _tolerance(run, how))
    return Ran(gradients, output=output.detach(), off=off, drew=drew)


@contextmanager
def _at_its_point(run: Run, program: CodeProgram, how: Transformation) -> Iterator[dict[str, Tensor]]:
    """Let the code have the tensors of the run as the transformation has them meanwhile; yield those of its inputs."""
    given = _names(program)
    values = {leaf.text: leaf.tensor for leaf in run.trace.leaves if leaf.text in given}
    with _holding(program.target.module, values, how), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run itself has shown its own
        yield {name: _leaf(value, how) for name, value in values.items() if name not in program.parameters}


def _path(run: Run) -> str | None:
    return None if run.trace.ran is None else run.trace.ran.path


def _gradients(run: Run, output: Tensor, own: Mapping[str, Tensor]) -> dict[TracedTensor, Tensor | None]:
    """Return the gradients of what the code is called with, and of leaves that it holds by itself."""
    known = {leaf: own.get(leaf.text, held_by(leaf)) for leaf in run.trace.leaves}
    wanted = {leaf: at for leaf, at in known.items() if at is not None and at.requires_grad}
    found = torch.autograd.grad(output, [*wanted.values()], run.cotangent.to(output), allow_unused=True)
    return dict(zip(wanted, found, strict=True))


def _leaf(value: Tensor, how: Transformation) -> Tensor:
    return how.tensor(value.detach().clone()).requires_grad_(value.requires_grad)


@contextmanager
def _holding(module: nn.Module | None, values: Mapping[str, Tensor], how: Transformation) -> Iterator[None]:
    """Let a module hold its tensors as the transformation has them meanwhile; writes to its buffers are not kept."""
    own = [] if module is None else [*module.named_parameters(), *module.named_buffers()]
    before = [(tensor, tensor.data) for _, tensor in own]
    try:
        for name, tensor in own:
            value = values.get(name, tensor).detach().clone()
            tensor.data = how.tensor(value)
        yield
    finally:
        for tensor, data in before:
            tensor.data = data


def _tolerance(run: Run, how: Transformation) -> Tolerance:
    return run.tolerance if how.precision is None else Tolerance.of(how.precision)


@dataclass(frozen=True)
class _Judge:
    """What is known to judge the gradients by that a transformation gives; without slots, to keep the noise."""

    run: Run
    evaluation: Evaluation
    how: Transformation
    ran: Ran
    given: Collection[str]
    """The names of what the code is given."""

    def compared(self, traced: TracedTensor, gradient: Tensor) -> Comparison:
        """Return how a gradient compares with the symbolic one; where there is none, with autograd's own."""
        comparisons = self.evaluation.comparisons
        tolerance = _tolerance(self.run, self.how)
        if comparisons is None or traced not in comparisons.reference.values:
            return compare(gradient, double(self.own(traced)), tolerance, self._rounding)
        if self.how.precision is None:
            return comparisons.compare(traced, gradient, tolerance)
        reference = comparisons.reference.values[traced]
        found = compare(gradient, reference, tolerance)
        if found.verdict is not Verdict.MISMATCH or gradient.shape != reference.shape:
            return found
        return compare(gradient, reference, tolerance, self._noise.rounding_error(traced))

    def own(self, traced: TracedTensor) -> Tensor:
        """Return autograd's gradient of the run itself."""
        gradient = self.evaluation.gradients[traced]
        assert gradient is not None  # noqa: S101 (the caller looked)
        return gradient

    @cached_property
    def is_unsteady(self) -> bool:
        """Return whether the code as it is, not followed, gives another output each time: no transformation's doing."""
        assert isinstance(self.run.program, CodeProgram)  # noqa: S101 (nothing else is transformed)
        first, again = (_tried(self.run, self.run.program, Transformation()).output for _ in range(2))
        if first is None or again is None:
            return False
        return not compare(double(first), double(again), self.run.tolerance).verdict.passes

    @cached_property
    def _noise(self) -> Noise[TracedTensor]:
        """Return how far the rounding of the transformation's precision may move the leaves' symbolic gradients."""
        comparisons, precision = self.evaluation.comparisons, self.how.precision
        assert comparisons is not None  # noqa: S101 (the caller looked)
        assert precision is not None  # noqa: S101 (as above)
        leaves = [traced for traced in self.run.trace.leaves if traced in comparisons.reference.values]
        relative = _tolerance(self.run, self.how).relative
        return comparisons.point.lower_noise(leaves, relative, DTYPES[precision])

    @cached_property
    def _rounding(self) -> float:
        """Return what a different order of a sum may be off by, whose terms cancel and are as large as any gradient."""
        known = [gradient for gradient in self.evaluation.gradients.values() if gradient is not None]
        finite = [double(gradient).abs().nan_to_num(0.0, 0.0, 0.0) for gradient in known if gradient.numel()]
        return ELEMENTWISE[1] * max((float(gradient.max()) for gradient in finite), default=0.0)

    def is_kinked(self, traced: TracedTensor) -> bool:
        """Return whether a kink is known on the way of a gradient."""
        comparisons = self.evaluation.comparisons
        return comparisons is not None and traced in comparisons.reference.kinked


def _witness(judge: _Judge, traced: TracedTensor) -> WitnessReport:
    """Return what a transformation says of a leaf's gradient."""
    ran = judge.ran
    if ran.refused is not None or traced not in ran.gradients:
        return _undecided(ran.refused or MADE_INSIDE)
    gradient = ran.gradients[traced]
    if gradient is None and traced.text not in judge.given:
        return _undecided(MADE_INSIDE)
    gradient = torch.zeros_like(judge.own(traced)) if gradient is None else gradient
    found = judge.compared(traced, double(plain(gradient)))
    if found.verdict is Verdict.MISMATCH and ran.is_off:
        if ran.drew:
            return _undecided(OTHER_NUMBERS)
        if judge.is_unsteady:
            return _undecided(OTHER_VALUE[0].words)
    if found.verdict is Verdict.MISMATCH and judge.is_kinked(traced):
        return _undecided(KINKED)
    arose = found.verdict is Verdict.UNDEFINED and not has_nan(judge.own(traced))
    verdict = Verdict.MISMATCH if arose else found.verdict
    notes = found.notes if verdict is not Verdict.MATCH else judge.how.notes
    return WitnessReport(verdict, found.max_abs_error, notes=notes)


def _names(program: CodeProgram) -> set[str]:
    """Return the names of what code is given: what it reads beside that may be its own."""
    return {*program.parameters, *program.target.inputs.tensors(), *program.target.free}


def _undecided(reason: str) -> WitnessReport:
    return WitnessReport(Verdict.UNDECIDED, notes=noted(NoteKind.LIMIT, reason))


def _with_witness(report: TensorReport, row: TransformationRow, witness: WitnessReport) -> TensorReport:
    """Return a tensor's report with what a transformation says: what differs is wrong, what is unknown no pass."""
    report = dataclasses.replace(report, witnesses={**(report.witnesses or {}), row.name: witness})
    known = report.verdict is Verdict.MISMATCH and report.dissenter not in {"claim", *TRANSFORMATIONS}
    if witness.verdict is Verdict.MISMATCH and not known and report.verdict is not Verdict.UNDEFINED:
        notes = (*led(f"under {row.phrase} the gradient is {_off(witness)}: ", witness.notes), *report.notes)
        first = report.dissenter if report.dissenter in TRANSFORMATIONS else row.name
        return dataclasses.replace(report, verdict=Verdict.MISMATCH, dissenter=first, notes=notes)
    if witness.verdict is Verdict.UNDECIDED:
        notes = (*report.notes, *_not_compared(row, witness.notes, report.notes))
        return dataclasses.replace(report, verdict=worst([report.verdict, Verdict.UNDECIDED]), notes=notes)
    return report


def _not_compared(row: TransformationRow, reasons: Notes, said: Notes) -> Notes:
    """Return that a gradient is not compared, and why, unless that is said already."""
    if reasons and all(any(reason.words in other.words for other in said) for reason in reasons):
        return noted(NoteKind.LIMIT, f"for that reason it is not compared under {row.phrase}")
    return led(f"not compared under {row.phrase}: ", reasons)


def _off(witness: WitnessReport) -> str:
    error = witness.max_abs_error
    return "wrong" if error is None or not math.isfinite(error) else f"off by {error:.3g}"
