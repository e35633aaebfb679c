"""One program, run forward, with all that a command needs to differentiate it: what commands start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from gradcli._version import __version__
from gradcli.derivation.derivations import Derivations
from gradcli.execution.autograd import backward, errors
from gradcli.execution.autograd.unreached import counted, with_scope
from gradcli.execution.forward.run import display_names, run_program
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import Trace, TracedTensor, traced_in
from gradcli.execution.process import torch_version
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.inner_gradient import differentiating
from gradcli.execution.reference.planned import decomposed
from gradcli.language.program import Program
from gradcli.report.report import AppliedTolerance, Details, Extent, Output, Report, TensorReport
from gradcli.report.verdict import Verdict, worst
from gradcli.settings import Settings
from gradcli.tolerance import Tolerance


@dataclass(frozen=True, slots=True)
class Run:
    """A program that has run forward."""

    program: Source
    settings: Settings
    trace: Trace
    names: Mapping[TracedTensor, str]
    """What each tensor is called."""
    output: TracedTensor
    """It requires grad."""
    cotangent: Tensor
    """Of the output's shape: v of the vector-Jacobian product."""
    decomposition: Decomposition | None
    """The program by the definitions of its ops; None if nothing is to be verified."""
    derivations: Derivations
    """What its derivatives are asked of."""

    @property
    def tolerance(self) -> Tolerance:
        """Return how far gradients may be apart: by the lowest dtype that they pass through."""
        lowest = self.trace.precision
        if lowest is None:
            return self.settings.tolerance
        return Tolerance.of(str(lowest).removeprefix("torch."), self.settings.rtol, self.settings.atol)

    def named(self, wanted: Sequence[str], option: str) -> list[TracedTensor]:
        """Return the tensors that an option names, by name or source text; InputError for one that has no gradient."""
        if not wanted:
            return []
        known = {"".join(name.split()): traced for traced, name in self.names.items()}
        tensors = []
        for name in wanted:
            traced = known.get("".join(name.split()))
            if traced is None:
                raise errors.unknown(name, known, option)
            if not traced.tensor.requires_grad:
                raise errors.not_required(self.program, self.trace, traced, option)
            tensors.append(traced)
        return tensors


def start(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Run:
    """Run a program forward; the worker is set to derive what its ops need.

    `given` maps leaves to values from Python. Raises GradcliError if the program or the output is not fit for it.
    """
    return start_from(program, settings, run_program(program, settings, given), derivations)


def start_from(program: Source, settings: Settings, trace: Trace, derivations: Derivations) -> Run:
    """Return the run of a program that has been traced; as `start` otherwise."""
    output = backward.check_differentiable(program, trace)
    settings = _as_differentiated(program, settings, trace)
    cotangent = backward.cotangent_of(output, settings.grad_output, seed=settings.seed)
    decomposition = _ask(trace, derivations) if settings.verify else None
    return Run(program, settings, trace, display_names(trace), output, cotangent, decomposition, derivations)


def _as_differentiated(program: Source, settings: Settings, trace: Trace) -> Settings:
    """Return the settings with what the program itself says of its gradient, where no option says otherwise."""
    said = trace.differentiated
    if said is not None:
        wrt = tuple(traced.name or traced.text for traced in traced_in(said.wrt)) or None
        unused = settings.allow_unused or said.allow_unused
        settings = replace(settings, wrt=settings.wrt or wrt, allow_unused=unused)
    if settings.grad_output is not None:
        return settings
    if said is not None and said.upstream is not None:
        given: Any = said.upstream.tensor.detach() if isinstance(said.upstream, TracedTensor) else said.upstream
        return replace(settings, grad_output=given)
    if backward.is_implicit(trace.output.tensor):
        return settings
    asks_more = settings.command == "eval" and isinstance(program, Program) and program.command is not None
    filled: Any = "random" if settings.command == "check" else "ones" if asks_more else None
    return replace(settings, grad_output=filled)


def report(
    run: Run, tensors: Sequence[TensorReport], details: Details | None, further: Sequence[Verdict | None] = ()
) -> Report:
    """Return the report of a run; `details` and `further` as in `report_with`."""
    output = Output(run.names[run.output], tuple(run.output.tensor.shape), run.output.tensor.detach())
    return report_with(run.settings, run.program.source, output, tensors, details=details, further=further)


def report_with(
    settings: Settings,
    program: str,
    output: Output,
    tensors: Sequence[TensorReport],
    *,
    details: Details | None,
    further: Sequence[Verdict | None] = (),
) -> Report:
    """Return the report of what was found, with the worst verdict of all.

    `details` are what only this command reports, `further` the verdicts on what it compared beside the tensors.
    """
    return Report(
        gradcli=__version__,
        torch=torch_version(),
        command=settings.command,
        program=program,
        dtype=settings.dtype,
        device=settings.device,
        seed=settings.seed,
        output=output,
        tensors=tuple(with_scope(tensors)),
        verdict=worst([*(tensor.verdict for tensor in counted(tensors)), *further]),
        details=details,
        tolerance=AppliedTolerance(settings.tolerance.relative, settings.tolerance.absolute),
        verify=settings.verify,
        extent=Extent(settings.max_entries, settings.depth),
    )


def _ask(trace: Trace, derivations: Derivations) -> Decomposition:
    """Return the trace's definitions on the tape; the worker is set to derive while autograd runs."""
    decomposition = decomposed(trace, differentiating(derivations))
    derivations.request(decomposition.requests())
    return decomposition
