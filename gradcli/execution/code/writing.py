"""Writes to the memory of code's tensors: into entries of one, and through a view into what it is a view of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.code.steps import Steps, base_of
from gradcli.execution.forward import tree
from gradcli.execution.forward.aliasing import StorageView, assigned, overlap
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.followed import Followed

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
    made = steps.patched(old, steps.cast(new, target.dtype), patch)
    made = steps.apply("clone", made) if made in {old, new} else made
    steps.settle(target, made)
    for tensor, base in bases:
        write_base(steps, tensor, base, {id(target): made})
    return result


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
