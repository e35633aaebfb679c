"""Why PyTorch refuses a backward of a script: which of its lines is the cause, and what to write instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradcli.execution.code.script.calls import BackwardCall
from gradcli.execution.code.script.follower import ScriptFollower
from gradcli.execution.forward.graph import age, reachable
from gradcli.execution.forward.overwriting import OVERWRITTEN, culprit
from gradcli.phrases import show_shape
from gradcli.report.custom import SourcePlace

AGAIN = "Trying to backward through the graph a second time"
NO_GRAD_FN = "does not require grad and does not have a grad_fn"
NOT_A_SCALAR = "grad can be implicitly created only for scalar outputs"
# The key in a node's metadata under which the line is that has run it.
RAN_AT = "gradcli"


def mark(outputs: Sequence[Any], place: SourcePlace | None, *, all_nodes: bool) -> None:
    """Note at the nodes of a graph which line has freed what they saved; at its outputs' nodes alone, to be quick."""
    nodes = [getattr(output, "grad_fn", None) for output in outputs]
    roots = [node for node in nodes if node is not None]
    for node in reachable(roots) if all_nodes else roots:
        _metadata(node).setdefault(RAN_AT, place)


def explanation(error: BaseException, call: BackwardCall, follower: ScriptFollower | None) -> str | None:
    """Return what there is to say of an error that a call raised, as a hint; None for an error that is not known."""
    message = str(error)
    if AGAIN in message:
        return _again(call)
    if OVERWRITTEN in message:
        return _overwritten(message, call, follower)
    if NO_GRAD_FN in message:
        return _no_grad_fn(call, follower)
    if NOT_A_SCALAR in message:
        return _not_a_scalar(call, follower)
    return None


def _again(call: BackwardCall) -> str:
    """Return which line has freed the graph, and which node holds nothing any more.

    Nodes that the call has run itself, before it failed, hold nothing either; those of the earlier one are marked.
    """
    nodes = sorted(reachable([output.grad_fn for output in call.outputs]), key=age, reverse=True)
    freed = [node for node in nodes if _is_freed(node)]
    node = next((node for node in freed if RAN_AT in _metadata(node)), next(iter(freed), None))
    first = next((place for node in nodes if (place := _metadata(node).get(RAN_AT)) is not None), None)
    first = first if node is None else _metadata(node).get(RAN_AT, first)
    what = "the graph" if node is None else f"what {node.name()} had saved"
    who = "an earlier backward" if first is None else f"the backward at {_shown(first)}"
    return (
        f"{who} has freed {what}: call that one with retain_graph=True, sum both outputs for one backward, "
        "or compute anew what is differentiated again"
    )


def _metadata(node: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = node.metadata
    return found


def _is_freed(node: Any) -> bool:
    """Return whether a node has saved tensors that are no longer there."""
    names = [name for name in dir(node) if name.startswith("_saved_") or name == "saved_tensors"]
    return any(_raises_again(node, name) for name in names)


def _raises_again(node: Any, name: str) -> bool:
    try:
        getattr(node, name)
    except RuntimeError as error:
        return AGAIN in str(error)
    return False


def _overwritten(message: str, call: BackwardCall, follower: ScriptFollower | None) -> str:
    """Return which line wrote to what backward needs."""
    remedy = "write `y2 = y + 1`, with a new name, not `y += 1`, or write after backward"
    roots = [output.grad_fn for output in call.outputs]
    write = None if follower is None else culprit(message, roots, follower.writes.found)
    if write is None or write.place is None:
        return f"a value that backward needs was overwritten: {remedy}"
    return f"`{write.text}` wrote to a value that backward needs at {_shown(write.place)}: {remedy}"


def _no_grad_fn(call: BackwardCall, follower: ScriptFollower | None) -> str:
    """Return which line cut the gradient off."""
    output = next((one for one in call.outputs if not one.requires_grad), None)
    remedy = "compute what is differentiated with differentiable operations of what requires grad"
    cut = None if follower is None or output is None else follower.history.of(output)
    if cut is None and follower is not None:
        cut = follower.history.left
        if cut is not None and cut.place is not None:
            return f"the last number that left PyTorch is at {_shown(cut.place)}: {cut.words}; {remedy}"
    if cut is None:
        return f"nothing that it was made of requires grad; set requires_grad=True on a leaf before, and {remedy}"
    return f"the gradient ends at {_shown(cut.place)}: {cut.words}; {remedy}"


def _not_a_scalar(call: BackwardCall, follower: ScriptFollower | None) -> str:
    """Return what has to be a scalar, and where it was made."""
    wrong = next((one for one, given in zip(call.outputs, call.upstream, strict=True) if given is None), None)
    if wrong is None:
        return "reduce the output to a scalar"
    value = None if follower is None else follower.steps.values.stale(wrong)
    place = value.step.place if value is not None and value.step is not None else None
    made = "" if place is None else f", made at {_shown(place)},"
    shape = show_shape(tuple(wrong.shape))
    return (
        f"the output{made} has shape {shape}: reduce it, as `.mean()` or `.sum()` do, "
        "or give the vector of the vector-Jacobian product: `gradient=torch.ones_like(output)`"
    )


def _shown(place: SourcePlace | None) -> str:
    return "an unknown line" if place is None else f"{place.file}:{place.line}"
