"""Writes to the memory of code's tensors: into entries of one, and through a view into what it is a view of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.code.places import place_of
from gradcli.execution.code.steps import Entry, Steps, base_of, gap
from gradcli.execution.code.values import value_of
from gradcli.execution.forward import tree
from gradcli.execution.forward.aliasing import Patch, StorageView, assigned, overlap
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.followed import Followed
from gradcli.execution.forward.overlapping import SAME_MEMORY, clashes, reads_what_it_assigns
from gradcli.execution.forward.trace import Autocast, invocation
from gradcli.execution.forward.twins import is_same

OTHERWISE = "{} does not leave in memory what it computes where nothing is written in place"
Known = Mapping[int, Followed]  # by the identity of the tensors


def assign(steps: Steps, call: MadeCall, target: Tensor) -> Any:
    """Run a call that writes a value into entries of a tensor."""
    value = call.args[-1] if len(call.args) > 1 else 0
    index = call.args[1] if call.short == "__setitem__" else ...
    value = call.args[1] if call.short == "copy_" else value
    index = tree.map(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, index)
    new = steps.traced(value if isinstance(value, torch.Tensor) else torch.as_tensor(value, dtype=target.dtype))
    old, bases = steps.traced(target), bases_of(steps, [target])
    old = steps.through(*bases[0]) if bases else old
    result = call.run()
    if not target.requires_grad:
        return result
    patch = assigned(target, index, tuple(new.tensor.shape))
    made = _assigned(steps, call, [old, new], patch, value)
    steps.settle(target, made)
    for tensor, base in bases:
        write_base(steps, tensor, base, {id(target): made})
    return result


def _assigned(steps: Steps, call: MadeCall, given: Sequence[Followed], patch: Patch, value: Any) -> Followed:
    """Return what a call that has run assigned, of the old value and the new one; unknown if memory holds another."""
    (old, new), target = given, call.args[0]
    made = steps.patched(old, steps.cast(new, target.dtype), patch)
    made = steps.apply("clone", made) if made in {old, new} else made
    is_there = is_same(value_of(target).detach(), made.tensor.detach())
    has_clashed = isinstance(value, Tensor) and reads_what_it_assigns(target, patch, value)
    if is_there and not has_clashed:
        return made
    unknown = Followed(value_of(target), None, made.text)
    steps.note([gap(_said(SAME_MEMORY if has_clashed else OTHERWISE, steps, call), given, unknown)], [unknown])
    return unknown


def miswritten(steps: Steps, call: MadeCall, written: Sequence[Tensor]) -> str | None:
    """Return why a call that has run is no function of its operands, if it reads memory that it writes to."""
    return _said(SAME_MEMORY, steps, call) if clashes(call, written) else None


def miscomputed(
    steps: Steps, call: MadeCall, entered: Entry | None, written: Sequence[Tensor], faces: Known
) -> str | None:
    """Return why a call is not the op that it is entered as, if it left in memory what that does not compute."""
    return _said(OTHERWISE, steps, call) if written and entered and _differs(entered, written[0], faces) else None


def _said(words: str, steps: Steps, call: MadeCall) -> str:
    place = place_of(steps.frame)
    return words.format(f"`{call.shown}`" + (f" at {place.file}:{place.line}" if place else ""))


def _differs(entered: Entry, target: Tensor, faces: Known) -> bool:
    if Autocast.now(target.device.type) is not None:  # it converts operands where nothing is written in place
        return False
    with torch.no_grad():
        result = tree.tensors(invocation(*entered, lambda traced: traced.tensor.detach())())[0]
    written = faces[id(target)].tensor.detach()
    return not is_same(written, result.to(written.dtype))


def bases_of(steps: Steps, written: Sequence[Tensor]) -> list[tuple[Tensor, Followed]]:
    """Return the tensors that a call may write through to what they are views of, with the values of these."""
    pairs = [(tensor, base_of(tensor)) for tensor in written]
    values = [(tensor, steps.traced(base)) for tensor, base in pairs if base is not None]
    steps.values.keep(written)
    return values


def write_base(steps: Steps, tensor: Tensor, old: Followed, faces: Known) -> None:
    """Note what a write through a view made of the view's base; the view is read from there next time."""
    base, new = base_of(tensor), faces.get(id(tensor))
    if base is None or new is None:
        return
    patch = overlap(StorageView.of(base), StorageView.of(tensor))
    made = steps.patched(old, new, patch)
    steps.settle(base, steps.apply("clone", made) if made in {old, new} else made)
    new.edge = None
    steps.values.lose(tensor)
