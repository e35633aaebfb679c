"""`trace`: the chain rule node by node in backward order; each contribution is what PyTorch computes for that call.

A call that can be run again is run by itself. Of all else (a call without a definition, a custom Function, a gradient
that code asks for) the contributions are those that autograd's own nodes pass on as backward runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.formulas import WantedContribution
from gradcli.execution.autograd.backward import catching, grad_fn_name
from gradcli.execution.autograd.graph_parts import GraphPart, parts_of, passing_on
from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.autograd.nodes import place_in_graph
from gradcli.execution.comparison.evaluation import Evaluation, evaluate_run, tensors_shown
from gradcli.execution.formulas.chain_rule import clip
from gradcli.execution.formulas.request import as_request
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.decomposition import DecomposedCall
from gradcli.execution.reference.nodes import Node
from gradcli.execution.run import Run, report, start
from gradcli.ops.record import Kind
from gradcli.report.report import Report
from gradcli.report.trace import Contribution, LeftOut, TraceDetails, TraceStep, Upstream
from gradcli.settings import Settings

# Formulas are written for programs of up to this many calls.
MOST_CALLS = 200
# A sum of contributions, and the sum of their sizes, which its rounding is relative to.
Total = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """One call that gradients pass: its results' gradients, the operands that get a contribution, and its nature.

    An elementwise call (and one with a single number as its result) has a local derivative to multiply with; any other
    has a vector-Jacobian product.
    """

    call: TracedCall
    upstream: Mapping[TracedTensor, Tensor]
    operands: tuple[TracedTensor, ...]
    elementwise: bool = False
    group: DecomposedCall | None = None
    part: GraphPart | None = None
    """What has seen autograd pass the contributions on, of what cannot be run again by itself."""

    @property
    def result(self) -> TracedTensor:
        """Return the first result."""
        return next(iter(self.upstream))

    @property
    def has_factor(self) -> bool:
        """Tell whether the local derivative is one factor."""
        if self.part is not None:
            return False
        # Of complex numbers a derivative is not a factor: it is linear only over the real numbers.
        tensors = [*self.call.inputs, *self.upstream]
        is_complex = any(traced.tensor.is_complex() for traced in tensors)
        return not is_complex and (self.elementwise or (len(self.upstream) == 1 and self.result.tensor.numel() == 1))


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of autograd as backward ran, beside the gradients that are shown."""

    gradients: Mapping[TracedTensor, Tensor]
    parts: Mapping[int, GraphPart]
    """The part of autograd's graph of each call, by the call's identity."""


def trace(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of `trace`."""
    run = start(program, settings, given, derivations)
    with watched(run) as seen:
        evaluation = evaluate_run(run)
    return report(run, list(evaluation.reports.values()), details_of(run, evaluation, seen))


@contextmanager
def watched(run: Run) -> Iterator[Seen]:
    """See what a chain rule needs that the gradients of the tensors shown do not tell, while backward runs."""
    parts, shown = parts_of(run.trace), {*tensors_shown(run)}
    tensors = dict.fromkeys([*run.trace.leaves, *(one for call in run.trace.calls for one in call.outputs)])
    others = [one for one in tensors if one not in shown and one.tensor.requires_grad and place_in_graph(one)]
    with passing_on(dict.fromkeys(parts.values())), catching(others) as caught:
        yield Seen(caught, parts)


def details_of(run: Run, evaluation: Evaluation, seen: Seen) -> TraceDetails:
    """Return the chain rule of a run, a step for each call in backward order, and what is not in it."""
    gradients = {**seen.gradients, **{t: one for t, one in evaluation.gradients.items() if one is not None}}
    passed = [*_passed(run, gradients, seen.parts)]
    formulas = _formulas(run, passed)
    totals: dict[TracedTensor, Total] = {}
    steps = tuple(_step(run, one, formulas, totals) for one in passed)
    return TraceDetails(steps, tuple(_left_out(run, totals, gradients)))


def _passed(run: Run, gradients: Mapping[TracedTensor, Tensor], parts: Mapping[int, GraphPart]) -> Iterator[Passed]:
    """Yield the calls that the gradient passes, from the last to the first; a part of autograd's graph once."""
    groups = {} if run.decomposition is None else {id(group.call): group for group in run.decomposition.calls}
    reached, done = {run.output}, set[GraphPart]()
    for call in reversed(run.trace.calls):
        part = parts.get(id(call))
        part = None if part is None or part.can_run else part
        if part in done:
            continue
        results = dict.fromkeys(call.outputs) if part is None else part.results
        upstream = {t: gradients[t] for t in results if t in reached and t in gradients and t not in call.inputs}
        operands = tuple(t for t in (call.inputs if part is None else part.operands) if t.tensor.requires_grad)
        if not upstream or not operands:
            continue
        reached.update(operands)
        if part is None:
            group = groups.get(id(call))
            yield Passed(call, upstream, operands, _is_elementwise(call, group), group)
        else:
            done.add(part)
            yield Passed(call, upstream, operands, part=part)


def _is_elementwise(call: TracedCall, group: DecomposedCall | None) -> bool:
    """Tell whether an entry of the one result depends only on the entries at its own place."""
    if len(call.outputs) != 1 or call.op.kind is Kind.POINTWISE:
        return len(call.outputs) == 1
    shape = call.outputs[0].tensor.shape
    nodes = [node for node in group.nodes if node.edges] if group is not None else []
    if any(traced.tensor.shape != shape for traced in call.inputs):
        return False  # only of a pointwise op is it known that it takes operands that are expanded
    return bool(nodes) and all(_is_pointwise(node) and node.tensor.shape == shape for node in nodes)


def _is_pointwise(node: Node) -> bool:
    return node.origin is not None and node.origin[0].kind is Kind.POINTWISE


def _formulas(run: Run, passed: Sequence[Passed]) -> dict[tuple[Passed, TracedTensor], str]:
    """Return the local derivative, or else the contribution, as a formula, of those that have one."""
    if run.decomposition is None or not run.settings.formulas:
        return {}
    if run.decomposition.is_complex or len(run.trace.calls) > MOST_CALLS:
        return {}
    nodes = {node: number for number, node in enumerate(run.decomposition.tape.nodes)}
    calls = {id(group): number for number, group in enumerate(g for g in run.decomposition.calls if g.nodes)}
    asked = {
        str(number): (one, traced)
        for number, (one, traced) in enumerate((one, traced) for one in passed for traced in one.operands)
        if id(one.group) in calls
    }
    contributions = [
        WantedContribution(
            key, calls[id(one.group)], nodes[run.decomposition.nodes[traced]], _is_plain_factor(one, traced)
        )
        for key, (one, traced) in asked.items()
    ]
    request = as_request(run.decomposition, run.names, None, contributions=contributions)
    written = run.derivations.collect_formulas(run.derivations.post_formulas(request))
    return {asked[key]: formula.text for key, formula in written.items()}


def _step(
    run: Run, one: Passed, formulas: Mapping[tuple[Passed, TracedTensor], str], totals: dict[TracedTensor, Total]
) -> TraceStep:
    """Return one step; `totals` are the operands' gradients so far, and are added to."""
    contributions = []
    for traced, found in _found(one).items():
        total, size = totals.get(traced, (0, 0))
        totals[traced] = (total + found, size + found.abs())
        formula = formulas.get((one, traced))
        contributions.append(_contribution(run, one, traced, formula, (found, totals[traced][0])))
    source = one.call.outputs[0].text if one.part is None else one.result.text
    return TraceStep(
        source=source,
        op=one.call.op.name if one.part is None else source.partition("(")[0],
        results=tuple(_upstream(run, traced, gradient) for traced, gradient in one.upstream.items()),
        operands=tuple(contributions),
        into=() if one.part is None else tuple(run.names[part.results[0]] for part in one.part.entered),
    )


def _found(one: Passed) -> Mapping[TracedTensor, Tensor]:
    """Return the contributions: by the call itself, or as autograd was seen to pass them on."""
    if one.part is None:
        return dict(zip(one.operands, _local_call(one).autograd(one.operands), strict=True))
    same = {traced: one.upstream[result] for traced, result in one.part.same.items() if result in one.upstream}
    seen = {**one.part.passed_on, **same}
    return {t: seen[t] if t in seen else torch.zeros_like(t.tensor, requires_grad=False) for t in one.operands}


def _left_out(
    run: Run, totals: Mapping[TracedTensor, Total], gradients: Mapping[TracedTensor, Tensor]
) -> Iterator[LeftOut]:
    """Yield the tensors whose gradient is not what the steps come to: hooks, and ways that have no step."""
    for traced, gradient in gradients.items():
        total, size = totals.get(traced) or (torch.zeros_like(gradient), gradient.abs())
        if traced is not run.output and not _is_same(total, gradient, run.tolerance.relative * _largest(size)):
            yield LeftOut(run.names[traced], tuple(traced.tensor.shape), total, gradient)


def _is_same(total: Tensor, gradient: Tensor, allowed: float) -> bool:
    same = (total == gradient) | (total.isnan() & gradient.isnan())
    return bool((same | ((total - gradient).abs() <= allowed)).all())


def _largest(size: Tensor) -> float:
    finite = size[size.isfinite()]
    return float(finite.max()) if finite.numel() else 0.0


def _upstream(run: Run, traced: TracedTensor, gradient: Tensor) -> Upstream:
    return Upstream(run.names[traced], tuple(traced.tensor.shape), grad_fn_name(traced), gradient)


def _contribution(
    run: Run, one: Passed, traced: TracedTensor, formula: str | None, numbers: tuple[Tensor, Tensor]
) -> Contribution:
    """Return a contribution; `numbers` are its value, and the operand's gradient with it."""
    upstream = [f"grad({clip(run.names[t])})" for t in one.upstream]
    product = " + ".join(f"vjp({clip(run.names[t])}, {name})" for t, name in zip(one.upstream, upstream, strict=True))
    if formula is not None:
        product = _times(upstream[0], formula) if _is_plain_factor(one, traced) else formula
    return Contribution(
        name=run.names[traced],
        shape=tuple(traced.tensor.shape),
        local=formula if _is_plain_factor(one, traced) else None,
        product=product,
        factor=_factor(one, traced) if one.has_factor else None,
        summed_axes=_summed_axes(one, traced),
        contribution=numbers[0],
        total=numbers[1].clone(),
    )


def _is_plain_factor(one: Passed, traced: TracedTensor) -> bool:
    """Tell whether upstream times local derivative is all: no sum over axes that broadcast."""
    return one.has_factor and not _summed_axes(one, traced)


def _times(upstream: str, factor: str) -> str:
    """Return a product as Python reads it: a sum or a quotient in brackets."""
    if factor == "1":
        return upstream
    bracketed = " " in factor or "/" in factor or factor.startswith("-")
    return f"{upstream}*({factor})" if bracketed else f"{upstream}*{factor}"


def _factor(one: Passed, traced: TracedTensor) -> Tensor:
    """Return the local derivative, of the result's shape where the call is elementwise."""
    return _local_call(one).factor(traced, one.result.tensor.shape if one.elementwise else None)


def _local_call(one: Passed) -> LocalCall:
    tensors = {traced: traced.tensor.detach() for traced in one.call.inputs}
    return LocalCall(one.call, tensors, [one.upstream.get(output) for output in one.call.outputs])


def _summed_axes(one: Passed, traced: TracedTensor) -> tuple[int, ...]:
    """Return the result's axes along which an operand was repeated: broadcasting's derivative sums over them."""
    if one.part is not None:
        return ()
    shape, result = tuple(traced.tensor.shape), tuple(one.result.tensor.shape)
    batch = len(result) if one.elementwise else _batch_axes(one, result)
    padded = (1,) * (len(result) - len(shape)) + shape
    return tuple(axis for axis in range(batch) if padded[axis] == 1 and result[axis] > 1)


def _batch_axes(one: Passed, result: tuple[int, ...]) -> int:
    """Return how many of a result's axes broadcast: for a product of matrices, all but the last two."""
    is_product = one.call.op.product is not None and all(t.tensor.ndim > 1 for t in one.call.inputs)
    return len(result) - 2 if is_product else 0
