"""One program, run forward, with all that a command needs to differentiate it: what commands start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradcli._version import __version__
from gradcli.derivation.client import DERIVATIONS
from gradcli.execution.autograd import backward, errors
from gradcli.execution.forward.run import display_names, run_program
from gradcli.execution.forward.tracer import Trace, TracedTensor
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.language.program import Program
from gradcli.report.report import Output, Report, TensorReport, Verdict
from gradcli.settings import Settings


@dataclass(frozen=True, slots=True)
class Run:
    """A program that has run forward.

    `output` is a tensor that requires grad and `cotangent` has its shape: the v of the vector-Jacobian product.
    `decomposition` is the program by the definitions of its ops, and None where nothing is to be verified.
    """

    program: Program
    settings: Settings
    trace: Trace
    names: Mapping[TracedTensor, str]
    output: TracedTensor
    cotangent: Tensor
    decomposition: Decomposition | None

    def named(self, wanted: Sequence[str], option: str) -> list[TracedTensor]:
        """Return the tensors that an option names, by name or source text; InputError for one that has no gradient."""
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


def start(program: Program, settings: Settings, given: Mapping[str, Any]) -> Run:
    """Run a program forward; the worker is set to derive what its ops need.

    `given` maps leaves to values from Python. Raises GradcliError where the program or the output is not fit for it.
    """
    return start_from(program, settings, run_program(program, settings, given))


def start_from(program: Program, settings: Settings, trace: Trace) -> Run:
    """Return the run of a program that has been traced; as `start` otherwise."""
    output = backward.check_differentiable(program, trace)
    cotangent = backward.cotangent_of(output, settings.grad_output)
    decomposition = _ask(trace) if settings.verify else None
    return Run(program, settings, trace, display_names(trace), output, cotangent, decomposition)


def report(run: Run, tensors: Sequence[TensorReport], verdict: Verdict | None, **more: Any) -> Report:
    """Return the report of a run; `more` are the fields that only this command fills."""
    output = Output(run.names[run.output], tuple(run.output.tensor.shape), run.output.tensor.detach())
    return report_with(run.settings, run.program.source, output, tensors, verdict, **more)


def report_with(
    settings: Settings,
    program: str,
    output: Output,
    tensors: Sequence[TensorReport],
    verdict: Verdict | None,
    **more: Any,
) -> Report:
    """Return the report of what was found; `more` are the fields that only this command fills."""
    return Report(
        gradcli=__version__,
        torch=torch.__version__.partition("+")[0],
        command=settings.command,
        program=program,
        dtype=settings.dtype,
        device=settings.device,
        seed=settings.seed,
        output=output,
        tensors=tuple(tensors),
        verdict=verdict,
        **more,
    )


def _ask(trace: Trace) -> Decomposition:
    """Return the trace's definitions on the tape; the worker is set to derive while autograd runs."""
    decomposition = decompose(trace)
    DERIVATIONS.request(decomposition.requests())
    return decomposition
