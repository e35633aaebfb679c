"""One program, run forward, with all that a command needs to differentiate it: what commands start from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradcli import __version__
from gradcli.derivation.client import DERIVATIONS
from gradcli.execution import autograd, refusals
from gradcli.execution.leaves import DTYPES, make_leaves
from gradcli.execution.machine import BoundCall
from gradcli.execution.reference import Expansion, expand
from gradcli.execution.trace import Autograd, ConstantError, Trace, Traced, run
from gradcli.ops.table import find
from gradcli.program import Call, Program
from gradcli.report import Output, Report, TensorReport, Verdict
from gradcli.settings import Settings


@dataclass(frozen=True, slots=True)
class Run:
    """A program that has run forward.

    `output` is a tensor that requires grad and `cotangent` has its shape: the v of the vector-Jacobian product.
    `expansion` is the program by the definitions of its ops, and None where nothing is to be verified.
    """

    program: Program
    settings: Settings
    trace: Trace
    names: Mapping[Traced, str]
    output: Traced
    cotangent: Tensor
    expansion: Expansion | None

    def named(self, wanted: Sequence[str], option: str) -> list[Traced]:
        """Return the tensors that an option names, by name or source text; InputError for one that has no gradient."""
        known = {"".join(name.split()): traced for traced, name in self.names.items()}
        tensors = []
        for name in wanted:
            traced = known.get("".join(name.split()))
            if traced is None:
                raise refusals.unknown(name, known, option)
            if not traced.tensor.requires_grad:
                raise refusals.not_required(self.program, self.trace, traced, option)
            tensors.append(traced)
        return tensors


def start(program: Program, settings: Settings, given: Mapping[str, Any]) -> Run:
    """Run a program forward; the worker is set to derive what its ops need.

    `given` maps leaves to values from Python. Raises GradcliError where the program or the output is not fit for it.
    """
    return start_from(program, settings, run_program(program, settings, given))


def start_from(program: Program, settings: Settings, trace: Trace) -> Run:
    """Return the run of a program that has been traced; as `start` otherwise."""
    output = autograd.check_differentiable(program, trace)
    cotangent = autograd.cotangent_of(output, settings.grad_output)
    expansion = _ask(trace) if settings.verify else None
    return Run(program, settings, trace, display_names(trace), output, cotangent, expansion)


def report(run: Run, tensors: Sequence[TensorReport], verdict: Verdict | None, **more: Any) -> Report:
    """Return the report of a run; `more` are the fields that only this command fills."""
    settings = run.settings
    return Report(
        gradcli=__version__,
        torch=torch.__version__.partition("+")[0],
        command=settings.command,
        program=run.program.source,
        dtype=settings.dtype,
        device=settings.device,
        seed=settings.seed,
        output=Output(run.names[run.output], tuple(run.output.tensor.shape), run.output.tensor.detach()),
        tensors=tuple(tensors),
        verdict=verdict,
        **more,
    )


@contextmanager
def default_dtype(settings: Settings) -> Iterator[None]:
    """Make factories give the dtype that the leaves have."""
    before, dtype = torch.get_default_dtype(), DTYPES[settings.dtype]
    torch.set_default_dtype(dtype if dtype.is_floating_point else dtype.to_real())
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def run_program(program: Program, settings: Settings, given: Mapping[str, Any]) -> Trace:
    """Return the trace of a program, with `--reduce` applied to its output."""
    leaves = make_leaves([leaf.name for leaf in program.leaves], settings, given)
    return trace_of(program, settings, leaves)


def trace_of(program: Program, settings: Settings, leaves: dict[str, Tensor]) -> Trace:
    """Return the trace of a program on these leaves, with `--reduce` applied to its output."""
    trace = _run(program, settings, leaves)
    if settings.reduce != "none" and isinstance(trace.output, Traced):
        trace.output = _reduce(program, trace, settings)
    return trace


def _run(program: Program, settings: Settings, leaves: dict[str, Tensor]) -> Trace:
    """Return the trace; a leaf that PyTorch has no derivative by is made a constant, and the trace says so."""
    constants: dict[str, str] = {}
    while True:
        try:
            trace = run(program, leaves, settings.limits)
        except ConstantError as error:
            if not error.leaf or error.leaf in (settings.wrt or ()):
                raise
            leaves = {**leaves, error.leaf: leaves[error.leaf].detach()}
            constants[error.leaf] = f"a constant here: PyTorch has no derivative of {error.argument}"
        else:
            trace.constants = constants
            return trace


def _reduce(program: Program, trace: Trace, settings: Settings) -> Traced:
    op = find(settings.reduce)
    assert op is not None  # noqa: S101 (every reduction is in the table)
    output, last = trace.output, program.statements[-1]
    node = Call(op.name, (), (), last.span, last.span)
    call = BoundCall(node, [output], {}, {"input": output})
    reduced: Traced = Autograd(program, trace, settings.limits).apply(op, call)
    reduced.name = f"{op.name}({output.name or output.text})"
    return reduced


def display_names(trace: Trace) -> dict[Traced, str]:
    """Return what each tensor is called: its name, else its source text; a repeated one gets a number."""
    names: dict[Traced, str] = {}
    counts: dict[str, int] = {}
    for traced in [*trace.leaves, *(output for call in trace.calls for output in call.outputs)]:
        if traced not in names:
            name = traced.name or traced.text
            counts[name] = counts.get(name, 0) + 1
            names[traced] = name if counts[name] == 1 else f"{name} ({counts[name]})"
    return names


def _ask(trace: Trace) -> Expansion:
    """Return the trace's definitions on the tape; the worker is set to derive while autograd runs."""
    expansion = expand(trace)
    DERIVATIONS.request(expansion.signatures())
    return expansion
