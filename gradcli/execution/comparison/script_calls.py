"""A backward call of a script: what it rests on and computes, caught as it runs, and then compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import ExitCode, GradcliError
from gradcli.execution.autograd import backward
from gradcli.execution.autograd.accumulated import before_backward, changed
from gradcli.execution.autograd.nodes import BackwardGraph, backward_graph
from gradcli.execution.code.gathered import gathered
from gradcli.execution.code.names import user_frames, variables
from gradcli.execution.code.script.calls import BackwardCall
from gradcli.execution.code.script.follower import ScriptFollower
from gradcli.execution.comparison.blame import Watch
from gradcli.execution.comparison.evaluation import Gradients, compare_all, tensor_report
from gradcli.execution.comparison.ties import one_side
from gradcli.execution.formulas.formulas import Formulas
from gradcli.execution.forward import tree
from gradcli.execution.forward.dtypes import DTYPES
from gradcli.execution.forward.followed import Followed
from gradcli.execution.forward.plain import copied
from gradcli.execution.forward.run import display_names
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.reference.decomposition import decompose
from gradcli.execution.reference.inner_gradient import differentiating
from gradcli.execution.run import Run, report_with
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.report import Output, Report, TensorReport
from gradcli.report.run import RunDetails
from gradcli.settings import Settings

BEGINS = noted(
    NoteKind.SCOPE,
    "made before the script was followed: what it was made of is not judged here; `--backward all` follows all of it",
)
UNKNOWN = "what made the output was not seen"


class UndecidedCallError(GradcliError):
    """A call of which nothing can be said."""

    exit_code = ExitCode.UNDECIDED


@dataclass(frozen=True, slots=True)
class SeenCall:
    """A call that has run: its trace, and what it computed."""

    call: BackwardCall
    trace: Trace
    cotangent: Tensor
    gradients: Gradients
    """By the tensors that are shown."""
    grads: Mapping[TracedTensor, Tensor | None]
    """Their `.grad` after the call."""
    begins: frozenset[TracedTensor]
    """Those that begin where the script was first followed."""
    watch: Watch
    changed: Mapping[TracedTensor, Notes]
    """What hooks have changed in the `.grad` of leaves after the gradient had arrived."""
    graph: BackwardGraph | None = None
    """Autograd's graph before the call, if it is to be drawn."""


@dataclass(frozen=True, slots=True)
class _Line:
    """The line of a script in the place of a program."""

    source: str


def see(call: BackwardCall, follower: ScriptFollower, run: Callable[[], Any], *, graph: bool = False) -> SeenCall:
    """Run a call of a script, and return what it computed; autograd's graph, too, if that is to be drawn.

    Raises UndecidedCallError, before the call has run, for one that cannot be looked at; what the call raises.
    """
    trace, cotangent = _trace(call, follower)
    wanted = [traced for traced in trace.of_interest if traced.tensor.requires_grad]
    drawn = backward_graph(trace, display_names(trace)) if graph else None  # before the call frees what it shows
    with Watch.over(trace) as watch, backward.catching(wanted) as caught:
        follower.steps.values.keep(_stepping(trace))
        before = before_backward(trace.leaves)
        result = run()
    trace = _checked(trace)
    gradients = _gradients(call, follower, wanted, caught, result)
    begins = frozenset(follower.steps.unseen).intersection(gradients)
    after = changed(before, gradients) if call.kind.endswith("backward") else {}
    return SeenCall(call, trace, cotangent, gradients, _grads(gradients, follower), begins, watch, after, drawn)


def _stepping(trace: Trace) -> list[Tensor]:
    """Return the leaves that backward may write to itself: an optimizer's step is in a hook of theirs."""
    leaves = [leaf for leaf in trace.leaves if isinstance(leaf, Followed)]
    found = [real for leaf in leaves if (real := _real(leaf, {})) is not None]
    return [real for real in found if getattr(real, "_post_accumulate_grad_hooks", None)]


def _trace(call: BackwardCall, follower: ScriptFollower) -> tuple[Trace, Tensor]:
    """Return the trace behind a call's outputs, and the cotangent of its output."""
    if call.unusual is not None:
        raise UndecidedCallError(call.unusual)
    if follower.lost is not None:
        raise UndecidedCallError(follower.lost)
    steps = follower.steps
    steps.frame = call.frame
    _name(call, follower)
    outputs = [steps.traced(output) for output in call.outputs]
    if any(output in steps.unseen for output in outputs):
        raise UndecidedCallError(UNKNOWN, hint="`--backward all` follows all of the script")
    if len(outputs) == 1:
        output, cotangent = outputs[0], _upstream(call, 0)
    else:
        output, cotangent = _combined(call, follower, outputs)
    leaves = [leaf for tensor in call.inputs or () if (leaf := steps.traced(tensor)).step is None]
    trace = gathered(output, leaves)
    known = [leaf for leaf in trace.leaves if isinstance(leaf, Followed)]
    joined = [steps.merge(known), *(steps.join(leaf, known) for leaf in known if leaf in steps.unseen)]
    if any(joined):
        trace = gathered(output, [leaf for leaf in leaves if leaf.step is None])
    _name_leaves(trace, follower)
    trace.ran = replace(trace.ran, altered=follower.observer.found, ties=tuple(follower.decided.ties))
    return trace, cotangent


def _name(call: BackwardCall, follower: ScriptFollower) -> None:
    """Give values the names of the variables that hold them where the call is made, or where that was called."""
    for frame in reversed(user_frames(call.frame)):
        for name, held in variables(frame):
            value = follower.steps.values.stale(held) if isinstance(held, Tensor) and held.requires_grad else None
            if value is not None and value.name is None:
                value.name = name


def _name_leaves(trace: Trace, follower: ScriptFollower) -> None:
    """Give leaves the names of modules' parameters and of variables that came after them."""
    for leaf in trace.leaves:
        if isinstance(leaf, Followed) and leaf.name is None and (real := _real(leaf, {})) is not None:
            follower.steps.names.give(leaf, real, follower.steps.frame)


def _upstream(call: BackwardCall, place: int) -> Tensor:
    given = call.upstream[place]
    return torch.ones_like(call.outputs[place]).detach() if given is None else given.detach().clone()


def _combined(call: BackwardCall, follower: ScriptFollower, outputs: Sequence[Followed]) -> tuple[Followed, Tensor]:
    """Return one output for several: the sum of each with its upstream gradient."""
    steps, total = follower.steps, None
    for place, output in enumerate(outputs):
        product = steps.apply("sum", steps.apply("mul", output, steps.constant(_upstream(call, place))))
        total = product if total is None else steps.apply("add", total, product)
    assert total is not None  # noqa: S101 (there is an output)
    return total, torch.ones_like(total.tensor).detach()


def _checked(trace: Trace) -> Trace:
    """Return a trace as it is after backward, which may have written to what is not copied."""
    known = [leaf for leaf in trace.leaves if isinstance(leaf, Followed) and leaf not in trace.hidden]
    again = gathered(trace.output, known)
    again.ran = trace.ran
    return again


def _gradients(
    call: BackwardCall,
    follower: ScriptFollower,
    wanted: Sequence[TracedTensor],
    caught: Mapping[TracedTensor, Tensor],
    result: Any,
) -> Gradients:
    """Return what the call computed: of all that it reaches, or on the way to the inputs that it names."""
    if call.inputs is None:
        zeros = {t: torch.zeros_like(t.tensor, requires_grad=False) for t in wanted if t not in caught}
        return {traced: caught.get(traced, zeros.get(traced)) for traced in wanted}
    returned = list(tree.leaves(result)) if result is not None else []
    by_input = dict[TracedTensor, Any](zip(map(follower.steps.traced, call.inputs), returned, strict=False))
    found = {traced: by_input.get(traced, caught.get(traced)) for traced in wanted}
    return {t: g if g is None else g.detach() for t, g in found.items() if g is not None or t in by_input}


def _grads(gradients: Gradients, follower: ScriptFollower) -> dict[TracedTensor, Tensor | None]:
    """Return the `.grad` of tensors as PyTorch leaves it: of leaves, and of what retains it."""
    held = {value: tensor for tensor, value in follower.steps.values.holders()}
    found: dict[TracedTensor, Tensor | None] = {}
    for traced in gradients:
        real = _real(traced, held) if isinstance(traced, Followed) else None
        found[traced] = None if real is None or not (real.is_leaf or real.retains_grad) else copied(real.grad)
    return found


def _real(traced: Followed, held: Mapping[Followed, Tensor]) -> Tensor | None:
    """Return the script's own tensor: autograd holds a leaf's."""
    otherwise = held.get(traced)
    return otherwise if traced.edge is None else getattr(traced.edge.node, "variable", otherwise)


def judged(seen: SeenCall, settings: Settings, derivations: Derivations) -> tuple[Run, Report]:
    """Return a call that has run as the run of a program, with its report."""
    settings = replace(settings, dtype=_dtype(seen.trace), device=str(seen.cotangent.device.type))
    run = _run(seen, settings, derivations)
    asked = None
    if settings.formulas and run.decomposition is not None:
        asked = Formulas.ask(derivations, run.decomposition, run.names, run.cotangent)
    comparisons = compare_all(run, seen.gradients, seen.watch)
    written = asked.collect() if asked else {}
    shown = [traced for traced in seen.gradients if traced.is_leaf or not settings.leaves]
    reports = [
        _placed(
            seen, traced, tensor_report(traced, run.names[traced], seen.gradients, comparisons, written.get(traced))
        )
        for traced in shown
    ]
    output = Output(run.names[run.output], tuple(run.output.tensor.shape), run.output.tensor.detach())
    details = RunDetails(seen.call.kind, seen.call.number, seen.call.place)
    return run, report_with(settings, seen.call.text, output, reports, details=details)


def _run(seen: SeenCall, settings: Settings, derivations: Derivations) -> Run:
    """Return the call as a run that was traced."""
    decomposition = decompose(seen.trace, inner=differentiating(derivations)) if settings.verify else None
    if decomposition is not None:
        derivations.request(decomposition.requests())
    names = display_names(seen.trace)
    source: Any = _Line(seen.call.text)
    return Run(source, settings, seen.trace, names, seen.trace.output, seen.cotangent, decomposition, derivations)


def _placed(seen: SeenCall, traced: TracedTensor, found: TensorReport) -> TensorReport:
    """Return the report of a tensor with its `.grad` after the call; of one that begins here, with a note."""
    passes = traced.is_leaf and found.verdict is not None and found.verdict.passes
    notes = (*found.notes, *seen.changed.get(traced, ()), *(one_side(seen.trace) if passes else ()))
    found = replace(found, grad=seen.grads.get(traced), notes=notes)
    if traced not in seen.begins or not isinstance(traced, Followed) or traced.edge is None:
        return found
    return replace(found, kind="non-leaf", grad_fn=traced.edge.node.name(), notes=(*found.notes, *BEGINS))


def _dtype(trace: Trace) -> Any:
    """Return the lowest dtype of the leaves: gradients are as precise as that."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    own = [leaf.tensor.dtype for leaf in trace.leaves if leaf not in trace.hidden and leaf.tensor.dtype in names]
    own = own or [trace.output.tensor.dtype]
    return names.get(max(own, key=lambda dtype: torch.finfo(dtype).eps), "float32")
