"""`eval` and `grad`: run the program, take autograd's gradients and the symbolic ones, and report both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.client import DERIVATIONS
from gradcli.errors import InputError
from gradcli.execution import autograd
from gradcli.execution.evidence import Evidence
from gradcli.execution.formulas import Formula, Formulas
from gradcli.execution.leaves import DTYPES, make_leaves
from gradcli.execution.machine import BoundCall
from gradcli.execution.reference import Expansion, differentiate, expand
from gradcli.execution.trace import Autograd, Trace, Traced, run
from gradcli.inputs.names import suggest
from gradcli.ops.table import find
from gradcli.program import Call, Program
from gradcli.report import Output, Report, Symbolic, TensorReport, worst
from gradcli.settings import Settings
from gradcli.verify import Comparison, Tolerance


def evaluate(program: Program, settings: Settings, given: Mapping[str, Any], version: str) -> Report:
    """Return the report of one run of a program."""
    before = torch.get_default_dtype()
    dtype = DTYPES[settings.dtype]
    torch.set_default_dtype(dtype if dtype.is_floating_point else dtype.to_real())
    try:
        trace = run_program(program, settings, given)
        names = display_names(trace)
        output = autograd.check_differentiable(trace.output)
        cotangent = autograd.cotangent_of(output, settings.grad_output)
        shown = _wanted(trace, names, settings)
        expansion = _ask(trace) if settings.verify else None
        formulas = Formulas.ask(DERIVATIONS.worker, expansion, names, cotangent) if expansion else None
        chosen = None if settings.grad_output is None else cotangent
        found = _gradients(output, shown, names, chosen, settings)
        evidence = _weigh(expansion, found, cotangent, settings)
    finally:
        torch.set_default_dtype(before)
    written = formulas.collect() if formulas else {}
    tensors = tuple(_tensor_report(traced, names[traced], found, evidence, written.get(traced)) for traced in shown)
    verdicts = [tensor.verdict for tensor in tensors if tensor.verdict is not None]
    return Report(
        gradcli=version,
        torch=torch.__version__.partition("+")[0],
        command=settings.command,
        program=program.source,
        dtype=settings.dtype,
        device=settings.device,
        seed=settings.seed,
        output=Output(names[output], tuple(output.tensor.shape), output.tensor.detach()),
        tensors=tensors,
        verdict=worst(verdicts) if settings.verify else None,
    )


def run_program(program: Program, settings: Settings, given: Mapping[str, Any]) -> Trace:
    """Return the trace of a program, with `--reduce` applied to its output."""
    leaves = make_leaves([leaf.name for leaf in program.leaves], settings, given)
    trace = run(program, leaves, settings.limits)
    if settings.reduce != "none" and isinstance(trace.output, Traced):
        trace.output = _reduce(program, trace, settings)
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


def _wanted(trace: Trace, names: Mapping[Traced, str], settings: Settings) -> list[Traced]:
    tensors = list(dict.fromkeys(trace.tensors))
    return tensors if settings.wrt is None else _named(settings.wrt, tensors, names, "--wrt")


def _named(wanted: Sequence[str], tensors: Sequence[Traced], names: Mapping[Traced, str], option: str) -> list[Traced]:
    known = {"".join(names[traced].split()): traced for traced in tensors}
    found = []
    for name in wanted:
        if "".join(name.split()) not in known:
            near = suggest(name, known)
            hint = f"did you mean '{near}'?" if near else f"the program has {', '.join(names[t] for t in tensors[:20])}"
            raise InputError(f"{option}: the program has no tensor '{name}' that requires grad", hint=hint)
        found.append(known["".join(name.split())])
    return found


def _ask(trace: Trace) -> Expansion:
    """Return the trace's definitions on the tape; the worker is set to derive while autograd runs."""
    expansion = expand(trace)
    DERIVATIONS.request(expansion.signatures())
    return expansion


def _gradients(
    output: Traced, shown: Sequence[Traced], names: Mapping[Traced, str], cotangent: Tensor | None, settings: Settings
) -> dict[Traced, Tensor | None]:
    if settings.wrt is not None:
        options = {"create_graph": settings.create_graph, "allow_unused": settings.allow_unused}
        return autograd.gradients(output, shown, cotangent, **options)
    inner = [traced for traced in shown if not traced.is_leaf]
    retain = inner if "all" in settings.retain_grad else _named(settings.retain_grad, inner, names, "--retain-grad")
    return dict(autograd.backward(output, shown, cotangent, retain))


def _weigh(
    expansion: Expansion | None, found: Mapping[Traced, Tensor | None], cotangent: Tensor, settings: Settings
) -> Evidence | None:
    """Return autograd's gradients beside the symbolic ones, or None if nothing is to be verified."""
    if expansion is None:
        return None
    reference = differentiate(expansion, cotangent, DERIVATIONS.known)
    tolerance = Tolerance.of(settings.dtype, settings.rtol, settings.atol)
    return Evidence.of(expansion.trace, cotangent, found, reference, tolerance)


def _tensor_report(
    traced: Traced,
    name: str,
    found: Mapping[Traced, Tensor | None],
    evidence: Evidence | None,
    formula: Formula | None,
) -> TensorReport:
    gradient = found.get(traced)
    comparison = evidence.judge(traced) if evidence else None
    return TensorReport(
        name=name,
        kind="leaf" if traced.is_leaf else "non-leaf",
        shape=tuple(traced.tensor.shape),
        requires_grad=traced.tensor.requires_grad,
        grad_fn=autograd.grad_fn_name(traced),
        value=traced.tensor.detach(),
        grad=autograd.grad_attribute(traced),
        gradient=None if gradient is None else gradient.detach(),
        symbolic=_symbolic(traced, evidence, comparison, formula),
        verdict=comparison.verdict if comparison else None,
        note=comparison.note if comparison else None,
    )


def _symbolic(
    traced: Traced, evidence: Evidence | None, comparison: Comparison | None, formula: Formula | None
) -> Symbolic | None:
    if evidence is None or comparison is None or traced not in evidence.reference.values:
        return None
    value = evidence.reference.values[traced]
    text, latex = (formula.text, formula.latex) if formula else (None, None)
    return Symbolic(text, latex, value, comparison.max_abs_error, comparison.max_rel_error, comparison.worst_index)
