"""One of PyTorch's ops on PyTorch's own samples: checked at points in both precisions, differentiated twice, proved."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from gradcli._version import __version__
from gradcli.engine import evaluate_program, prepare, prove_program
from gradcli.errors import GradcliError
from gradcli.inputs.programs import read
from gradcli.language.names import without_prefix
from gradcli.language.notebook import RANDOM
from gradcli.ops.record import Kind, Op
from gradcli.ops.table import find
from gradcli.report.audit import AT_POINTS, NO_DEFINITION, AuditedOp
from gradcli.report.double_backward import DoubleBackwardDetails
from gradcli.report.proof import EXCEPT, PROVED, REFUTED, UNDECIDED, ProofReport
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict, worst
from gradcli.settings import Settings
from gradcli.suite.work import GRACE, Job
from gradcli.witnesses import SYMBOLIC

if TYPE_CHECKING:
    from gradcli.execution.forward.opinfo import Sample

# How many samples are checked at, and the seconds of the smallest one's proof: the rest of an op's time is for checks.
SAMPLES, PROOF_SECONDS = 3, 20.0
# Of these the smallest is proved.
MOST_SAMPLES = 12
ADJOINT = "adjoint"
MASKED = "a program multiplies by what is drawn, which is data: PyTorch's own call does not run"
FORWARD = "forward mode gives another product than reverse mode: u·(J v) is not (Jᵀu)·v"
NO_SAMPLE = "no sample of PyTorch's is a call of real numbers that a program can write"


@dataclass(frozen=True, slots=True)
class Audit:
    """An op by PyTorch's name; `settings` have the device, and the time limit of all that is asked about it."""

    name: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question about a sample came to."""

    verdict: Verdict
    sample: Sample
    reason: str | None = None
    adjoint: Verdict | None = None


def audited(audit: Audit) -> AuditedOp:
    """Return what an op comes to."""
    from gradcli.execution.forward.opinfo import samples

    started = time.monotonic()
    ask = _Questions(audit.settings, started + audit.settings.timeout)
    if audit.name.rpartition(".")[2] in RANDOM and _record(audit.name) is None:
        return AuditedOp(audit.name, NO_DEFINITION, reason=MASKED)
    given = list(islice(filter(ask.is_call, samples(audit.name, audit.settings.device)), MOST_SAMPLES))
    found = given or _examples(audit.name)
    if not found:
        return AuditedOp(audit.name, NO_DEFINITION, reason=NO_SAMPLE)
    double = [ask.check(sample, dtype="float64") for sample in found[:SAMPLES]]
    single = [ask.check(sample, dtype="float32") for sample in found[:SAMPLES]]
    smallest = _single_numbers(audit.name, min(found, key=lambda sample: (sample.is_single, sample.size)))
    second = ask.twice(smallest)
    proof, reason = ask.proof(smallest)
    op = AuditedOp(
        audit.name,
        verdict="",
        samples=len(given),
        **_shown(smallest),
        float64=str(worst(answer.verdict for answer in double)),
        float32=str(worst(answer.verdict for answer in single)),
        second=str(second.verdict),
        adjoint=_adjoint(double),
        proof=proof,
        seconds=round(time.monotonic() - started, 3),
    )
    # PyTorch may have no second derivative; what it has of the first is judged then.
    twice = [] if second.verdict is Verdict.UNDECIDED else [second]
    apart = FORWARD if op.adjoint == Verdict.MISMATCH else None
    return _judged(op, [*double, *single, *twice], apart or reason or (None if twice else second.reason))


def _examples(name: str) -> list[Sample]:
    """Return the table's own examples of an op, at random points of its domain."""
    from gradcli.execution.forward.domains import leaves_for, parse_example
    from gradcli.execution.forward.opinfo import Sample

    op, found = _record(name), []
    for program, shapes in map(parse_example, () if op is None else op.examples):
        leaves = leaves_for(read(program, Settings()), shapes, find)
        found.append(Sample(program, leaves, (), ()))
    return found


def _judged(op: AuditedOp, answers: Sequence[Answer], reason: str | None) -> AuditedOp:
    """Return an op with its verdict: of what was compared the worst, and where all agrees the proof's."""
    for verdicts in ({Verdict.MISMATCH}, {Verdict.UNDEFINED, Verdict.UNDECIDED, Verdict.UNVERIFIED}):
        bad = next((answer for answer in answers if answer.verdict in verdicts), None)
        if bad is not None:
            verdict = REFUTED if Verdict.MISMATCH in verdicts else UNDECIDED
            known = _record(op.name) is not None
            return replace(op, verdict=verdict if known else NO_DEFINITION, **_shown(bad.sample), reason=bad.reason)
    if op.proof in {PROVED, EXCEPT, REFUTED}:
        return replace(op, verdict=op.proof, reason=reason)
    return replace(op, verdict=AT_POINTS, reason=reason)


def _shown(sample: Sample) -> dict[str, Any]:
    """Return the program of a sample and the shapes of its leaves, as a row has them."""
    return {"program": sample.program, "leaves": {name: tuple(value.shape) for name, value in sample.inputs.items()}}


def _adjoint(answers: Sequence[Answer]) -> str | None:
    found = [answer.adjoint for answer in answers if answer.adjoint is not None]
    return str(worst(found)) if found else None


def _record(name: str) -> Op | None:
    """Return the record of an op by PyTorch's name, without `torch.`."""
    own = without_prefix(("torch", *name.split(".")))
    return find(name if own is None else own)


def _single_numbers(name: str, sample: Sample) -> Sample:
    """Return a sample of single numbers where the op is a formula of these: what holds of one holds of all."""
    op = _record(name)
    if op is None or op.kind is not Kind.POINTWISE or not all(v.is_floating_point() for v in sample.inputs.values()):
        return sample
    return replace(sample, inputs={name: value.reshape(-1)[0] for name, value in sample.inputs.items()}, shape=())


@dataclass(frozen=True, slots=True)
class _Questions:
    """What is asked about samples, until the time is up."""

    settings: Settings
    end: float

    def is_call(self, sample: Sample) -> bool:
        """Return whether a sample is a call of PyTorch's: its tests may have their own ways to call an op."""
        from gradcli.execution.forward.refusals import says_pytorch

        try:
            settings = self._settings(sample, self.settings.timeout, command="eval", verify=False, grad_output="random")
            evaluate_program(sample.program, settings, sample.inputs)
        except GradcliError as error:
            return not says_pytorch(error)
        return True

    def check(self, sample: Sample, dtype: Any) -> Answer:
        """Return whether autograd agrees with the derivative, and forward mode with backward."""
        return self._answer(sample, command="check", dtype=dtype, witnesses=(SYMBOLIC, ADJOINT))

    def twice(self, sample: Sample) -> Answer:
        """Return whether the derivative of the gradient's sum is what PyTorch makes of it."""
        return self._answer(sample, command="double-backward")

    def proof(self, sample: Sample) -> tuple[str, str | None]:
        """Return the verdict of a proof, and what keeps it from `proved`."""
        try:
            settings = self._settings(sample, PROOF_SECONDS, command="prove")
            report = prove_program(sample.program, settings, sample.inputs)
        except GradcliError as error:
            return UNDECIDED, error.message
        return report.verdict, next(_said(report), None)

    def _answer(self, sample: Sample, **more: Any) -> Answer:
        try:
            settings = self._settings(sample, self.settings.timeout, grad_output="random", **more)
            report = evaluate_program(sample.program, settings, sample.inputs)
        except GradcliError as error:
            return Answer(Verdict.UNDECIDED, sample, error.message)
        return Answer(report.verdict, sample, _noted(report), _of_adjoint(report))

    def _settings(self, sample: Sample, most: float, **more: Any) -> Settings:
        seconds = max(min(most, self.end - time.monotonic()), 0.01)
        return replace(self.settings, constants=sample.constants, formulas=False, timeout=seconds, **more)


def _noted(report: Report) -> str | None:
    """Return the first note on a tensor, or on a second derivative, of the report's verdict."""
    details = report.details
    noted = [(tensor.verdict, tensor.notes) for tensor in report.tensors]
    if isinstance(details, DoubleBackwardDetails):
        noted += [(one.verdict, one.notes) for one in details.lifecycle.with_create_graph.second.values()]
    said = (note.words for verdict, notes in noted if verdict is report.verdict for note in notes)
    return next(said, None)


def _of_adjoint(report: Report) -> Verdict | None:
    found = [tensor.witnesses[ADJOINT].verdict for tensor in report.tensors if tensor.witnesses]
    return worst(found) if found else None


def _said(report: ProofReport) -> Iterator[str]:
    """Yield what keeps a proof from holding everywhere: the point that refutes it, the reason, the regions."""
    for gradient in report.gradients:
        if gradient.witness is not None:
            found = gradient.witness
            yield f"at {found.leaves}: {found.gradient:.10g}, and the derivative is {found.derivative:.10g}"
    yield from (gradient.reason for gradient in report.gradients if gradient.reason)
    yield from (f"except where {one.region}" for gradient in report.gradients for one in gradient.exceptions)


def versions(settings: Settings) -> dict[str, str]:
    """Return what an audit is of, as its report says it; PyTorch is loaded."""
    from gradcli.execution.process import torch_version

    return {"gradcli": __version__, "torch": torch_version(), "device": settings.device}


def load(audits: Sequence[Audit]) -> None:
    """Load what audits need, in a worker process."""
    prepare(audits[0].name, audits[0].settings)
    from gradcli.execution.proof import traced

    traced.load()


def longest(audit: Audit) -> float:
    """Return the seconds after which a process that still carries out an audit is ended."""
    return audit.settings.timeout + PROOF_SECONDS + GRACE


def lost(audit: Audit, reason: str) -> AuditedOp:
    """Return what an op came to that no process finished."""
    return AuditedOp(audit.name, UNDECIDED, reason=reason)


OF_OPS: Job[Audit, AuditedOp] = Job(load, audited, longest, lost)
