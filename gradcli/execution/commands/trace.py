"""`trace`: the chain rule node by node in backward order; each contribution is what PyTorch computes for that call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.formulas import WantedContribution
from gradcli.execution.autograd.backward import grad_fn_name
from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.comparison.evaluation import Evaluation, evaluate_run
from gradcli.execution.formulas.chain_rule import clip
from gradcli.execution.formulas.request import as_request
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.decomposition import DecomposedCall
from gradcli.execution.reference.nodes import Node
from gradcli.execution.run import Run, report, start
from gradcli.ops.record import Kind
from gradcli.report.report import Report
from gradcli.report.trace import Contribution, TraceDetails, TraceStep, Upstream
from gradcli.settings import Settings

# Formulas are written for programs of up to this many calls.
MOST_CALLS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """One call that gradients pass: its results' gradients, the operands that get a contribution, and its nature.

    An elementwise call (and one with a single number as its result) has a local derivative to multiply with; any other
    has a vector-Jacobian product.
    """

    call: TracedCall
    upstream: Mapping[TracedTensor, Tensor]
    operands: tuple[TracedTensor, ...]
    elementwise: bool
    group: DecomposedCall | None

    @property
    def result(self) -> TracedTensor:
        """Return the first result."""
        return next(iter(self.upstream))

    @property
    def has_factor(self) -> bool:
        """Tell whether the local derivative is one factor."""
        # Of complex numbers a derivative is not a factor: it is linear only over the real numbers.
        tensors = [*self.call.inputs, *self.upstream]
        is_complex = any(traced.tensor.is_complex() for traced in tensors)
        return not is_complex and (self.elementwise or (len(self.upstream) == 1 and self.result.tensor.numel() == 1))


def trace(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of `trace`."""
    run = start(program, settings, given, derivations)
    evaluation = evaluate_run(run)
    return report(run, list(evaluation.reports.values()), TraceDetails(steps_of(run, evaluation)))


def steps_of(run: Run, evaluation: Evaluation) -> tuple[TraceStep, ...]:
    """Return the chain rule of a run, a step for each call in backward order."""
    passed = [*_passed(run, evaluation)]
    formulas = _formulas(run, passed)
    totals: dict[TracedTensor, Tensor] = {}
    return tuple(_step(run, one, formulas, totals) for one in passed)


def _passed(run: Run, evaluation: Evaluation) -> Iterator[Passed]:
    """Yield the calls that the gradient passes, from the last to the first."""
    groups = {} if run.decomposition is None else {id(group.call): group for group in run.decomposition.calls}
    reached = {run.output}
    for call in reversed(run.trace.calls):
        results = [t for t in dict.fromkeys(call.outputs) if t in reached and t not in call.inputs]
        upstream = {t: gradient for t in results if (gradient := evaluation.gradients.get(t)) is not None}
        operands = tuple(traced for traced in call.inputs if traced.tensor.requires_grad)
        if upstream and operands:
            group = groups.get(id(call))
            reached.update(operands)
            yield Passed(call, upstream, operands, _is_elementwise(call, group), group)


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
    run: Run, one: Passed, formulas: Mapping[tuple[Passed, TracedTensor], str], totals: dict[TracedTensor, Tensor]
) -> TraceStep:
    """Return one step; `totals` are the operands' gradients so far, and are added to."""
    contributions = []
    for traced, found in zip(one.operands, _local_call(one).autograd(one.operands), strict=True):
        totals[traced] = totals[traced] + found if traced in totals else found
        formula = formulas.get((one, traced))
        contributions.append(_contribution(run, one, traced, formula, (found, totals[traced])))
    return TraceStep(
        source=one.call.outputs[0].text,
        op=one.call.op.name,
        results=tuple(_upstream(run, traced, gradient) for traced, gradient in one.upstream.items()),
        operands=tuple(contributions),
    )


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
    shape, result = tuple(traced.tensor.shape), tuple(one.result.tensor.shape)
    batch = len(result) if one.elementwise else _batch_axes(one, result)
    padded = (1,) * (len(result) - len(shape)) + shape
    return tuple(axis for axis in range(batch) if padded[axis] == 1 and result[axis] > 1)


def _batch_axes(one: Passed, result: tuple[int, ...]) -> int:
    """Return how many of a result's axes broadcast: for a product of matrices, all but the last two."""
    is_product = one.call.op.product is not None and all(t.tensor.ndim > 1 for t in one.call.inputs)
    return len(result) - 2 if is_product else 0
