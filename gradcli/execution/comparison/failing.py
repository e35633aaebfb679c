"""Where a check fails: the part of a run that a wrong gradient comes from, and its line in the user's code."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import GradcliError
from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.comparison.compare import compare
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.followed import Followed, Ran, Step
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.execution.reference.adjoints import Adjoints
from gradcli.execution.reference.decomposition import decompose
from gradcli.execution.reference.inner_gradient import differentiating
from gradcli.execution.reference.nodes import parts, split
from gradcli.execution.reference.pullback import pull_back
from gradcli.report.custom import SourcePlace
from gradcli.report.verdict import Verdict, worst
from gradcli.tolerance import Tolerance

# How large an upstream gradient is that no algorithm takes for large.
SMALL = 2.0**-10


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of a run with a gradient of its own: a call, or a step of code with the calls inside of it."""

    calls: tuple[TracedCall, ...]
    inputs: frozenset[TracedTensor]
    results: frozenset[TracedTensor]
    place: SourcePlace | None = None
    """The line of the user's code that ran it."""
    is_suspected: bool = False
    """Whether it is likelier to be wrong than others: a Function, or what has no definition."""


def failing_part(trace: Trace, failed: AbstractSet[TracedTensor], is_wrong: Callable[[Part], bool]) -> Part | None:
    """Return the last part that makes an operand fail: none that reads this has a result that fails.

    Of several that read the same, one that is suspected, or else whose own gradient `is_wrong`. None of what passes.
    """
    reading = [part for part in _parts(trace) if failed & part.inputs]
    passing_on = {traced for part in reading if failed & part.results for traced in part.inputs}
    begun = [part for part in reading if (failed - passing_on) & part.inputs] or reading
    suspected = [part for part in begun if part.is_suspected] or begun
    wrong = [part for part in suspected if is_wrong(part)] if len(suspected) > 1 else []
    return next(reversed(wrong or suspected), None)


def _parts(trace: Trace) -> list[Part]:
    if not isinstance(trace.ran, Ran):
        return [Part((call,), frozenset(call.inputs), frozenset(call.outputs)) for call in trace.calls]
    made: dict[Step, set[TracedTensor]] = {}
    for call in trace.calls:
        for traced in call.outputs:
            if isinstance(traced, Followed) and traced.step is not None:
                made.setdefault(traced.step, set()).add(traced)
    return [_part_of(step, made.get(step, ())) for step in trace.ran.steps]


def _part_of(step: Step, made: Iterable[TracedTensor]) -> Part:
    is_suspected = step.function is not None or any(call.gap is not None for call in step.calls)
    return Part(step.calls, frozenset(step.inputs), frozenset(made), step.place, is_suspected)


def suspected(trace: Trace, failed: AbstractSet[TracedTensor], right: AbstractSet[TracedTensor]) -> Step | None:
    """Return the last Function that all leaves that fail reach by operands which no leaf that is right reaches.

    For where nothing is known but the gradients of leaves. None where there is no such Function.
    """
    behind: dict[Step, set[TracedTensor]] = {}
    found = None
    for step in trace.ran.steps if isinstance(trace.ran, Ran) else ():
        read = [{traced} if traced.step is None else behind.get(traced.step, set()) for traced in step.inputs]
        behind[step] = set[TracedTensor]().union(*read)
        wrong = set[TracedTensor]().union(*(leaves for leaves in read if not leaves & right))
        found = step if step.function is not None and failed <= wrong else found
    return found


def has_wrong_gradient(
    part: Part, gradients: Mapping[TracedTensor, Tensor | None], derivations: Derivations, tolerance: Tolerance
) -> bool:
    """Return whether PyTorch's gradient of one call by itself is not its derivative, for what arrives at its results.

    False of several calls, and where nothing is known of it.
    """
    if len(part.calls) != 1:
        return False
    return _verdicts_on(part.calls[0], gradients, derivations, tolerance, (1.0,)) == [Verdict.MISMATCH]


def is_altered(
    trace: Trace, call: TracedCall, gradients: Mapping[TracedTensor, Tensor | None], tolerance: Tolerance
) -> bool:
    """Return whether PyTorch gives a call's operand another gradient than all calls that read it give by themselves.

    Of code, whose hooks and writes may come between. False where not all of them, and what arrives there, is known.
    """
    if not isinstance(trace.ran, Ran):
        return False
    plain = {id(step.calls[0]) for step in trace.ran.steps if step.function is None and len(step.calls) == 1}
    for traced in call.inputs:
        given, reading = gradients.get(traced), [one for one in trace.calls if traced in one.inputs]
        if given is None or not all(_is_known(one, gradients) and id(one) in plain for one in reading):
            continue
        alone = _alone(reading, traced, gradients)
        if alone is not None and compare(double(given), alone, tolerance, clues=None).verdict is Verdict.MISMATCH:
            return True
    return False


def _is_known(call: TracedCall, gradients: Mapping[TracedTensor, Tensor | None]) -> bool:
    """Return whether all is known that arrives at the results of a call."""
    return call.gap is None and all(gradients.get(one) is not None for one in call.outputs if one.tensor.requires_grad)


def _alone(
    calls: Sequence[TracedCall], traced: TracedTensor, gradients: Mapping[TracedTensor, Tensor | None]
) -> Tensor | None:
    """Return the gradient of a value by PyTorch's gradients of the calls that read it; None where one has none."""
    upstream = {output: one for call in calls for output in call.outputs if (one := gradients.get(output)) is not None}
    try:
        found = [_autograd(call, upstream, [traced], 1.0)[0] for call in calls]
    except (GradcliError, RuntimeError):
        return None
    return sum(found[1:], found[0])


def is_right_for_less(
    call: TracedCall, gradients: Mapping[TracedTensor, Tensor | None], derivations: Derivations, tolerance: Tolerance
) -> bool:
    """Return whether PyTorch's gradient of a wrong call is right for the same upstream gradient, made small.

    It is linear in that, but PyTorch's own algorithm may not be: the larger the one, the fewer digits the other keeps.
    """
    upstream = {output: one for output in call.outputs if (one := gradients.get(output)) is not None}
    largest = max((float(given.abs().max()) for given in upstream.values() if given.numel()), default=0.0)
    if not (largest > 0 and math.isfinite(largest)):
        return False
    factor = SMALL * 2.0 ** -math.ceil(math.log2(largest))
    if call.gap is not None or _is_linear(call, upstream, factor):
        return False
    verdicts = _verdicts_on(call, gradients, derivations, tolerance, (1.0, factor))
    return verdicts == [Verdict.MISMATCH, Verdict.MATCH]


def _is_linear(call: TracedCall, upstream: Mapping[TracedTensor, Tensor], factor: float) -> bool:
    """Return whether PyTorch's gradient is the same to the last bit for a smaller upstream gradient."""
    wanted = [traced for traced in call.inputs if traced.tensor.requires_grad]
    try:
        whole, less = (_autograd(call, upstream, wanted, size) for size in (1.0, factor))
    except (GradcliError, RuntimeError):
        return False
    return all(map(torch.equal, whole, less))


def _verdicts_on(
    call: TracedCall,
    gradients: Mapping[TracedTensor, Tensor | None],
    derivations: Derivations,
    tolerance: Tolerance,
    factors: Sequence[float],
) -> list[Verdict]:
    """Return the verdicts on PyTorch's gradient of one call by itself, its upstream gradient times powers of two.

    No verdicts where nothing is known of it. The derivative is linear in the upstream gradient, so one does for all.
    """
    upstream = {output: one for output in call.outputs if (one := gradients.get(output)) is not None}
    if call.gap is not None:
        return []
    try:
        right = derivatives([call], upstream, derivations) if upstream else {}
        wanted = [traced for traced in call.inputs if traced in right and traced.tensor.requires_grad]
        found = [_autograd(call, upstream, wanted, factor) for factor in factors]
    except (GradcliError, RuntimeError):
        return []
    return [
        worst([compare(one, right[traced], tolerance).verdict for one, traced in zip(some, wanted, strict=True)])
        for some in found
    ]


def _autograd(
    call: TracedCall, upstream: Mapping[TracedTensor, Tensor], wanted: Sequence[TracedTensor], factor: float
) -> list[Tensor]:
    """Return PyTorch's gradients of a call for its upstream gradient times a factor, divided by that again."""
    cotangents = [upstream[output] * factor if output in upstream else None for output in call.outputs]
    local = LocalCall(call, {traced: traced.tensor.detach() for traced in call.inputs}, cotangents)
    return [double(gradient) / factor for gradient in local.autograd(wanted)]


def derivatives(
    calls: Sequence[TracedCall], upstream: Mapping[TracedTensor, Tensor], derivations: Derivations
) -> dict[TracedTensor, Tensor]:
    """Return the derivatives of some calls by what they read, for the upstream gradients of some of their results."""
    made = {traced for call in calls for traced in call.outputs}
    read = [traced for call in calls for traced in call.inputs if traced not in made]
    trace = Trace(list(dict.fromkeys(read)), list(calls), next(iter(upstream)))
    decomposition = decompose(trace, inner=differentiating(derivations))
    derivations.request(decomposition.requests())
    adjoints = Adjoints()
    for traced, given in upstream.items():
        for node, part in zip(parts(decomposition.nodes[traced]), split(double(given)), strict=True):
            adjoints.add(node, part)
    with torch.no_grad():
        return dict(pull_back(decomposition, adjoints, derivations.known).values)
