"""What code may write through past autograd, where it is run again: `.data`, `detach()`, a view made under `no_grad`.

To what reads it, it is a constant, and so a copy. A write to it is one to the tensor that it is a view of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from gradcli.execution.forward.aliasing import storage_of
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.twins import has_drawn, made_by, random_numbers, random_state


class Aliases:
    """The constants that stand for views of other tensors, with these views."""

    def __init__(self) -> None:
        self._views: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._begun: WeakIdKeyDictionary = WeakIdKeyDictionary()
        """The views of leaves that the code makes and has not read yet: what it writes there is their first value."""

    def know(self, copy: Tensor, view: Tensor, *, is_first: bool) -> None:
        """Note that a constant stands for a view of a tensor."""
        self._views[copy] = view
        if is_first:
            self._begun[copy] = True

    def follow(self, call: MadeCall, made: Sequence[Tensor], written: Sequence[Tensor]) -> None:
        """Note what a call has made of such constants as their views, and carry out its write to one."""
        held = [tensor for tensor in call.tensors if tensor in self._views] if len(self._views) else []
        for tensor in held:
            if any(tensor is target for target in written):
                self._write(call, tensor)
            elif any(storage_of(one) == storage_of(tensor) for one in made):
                self._view(call, made, tensor)

    def _write(self, call: MadeCall, copy: Tensor) -> None:
        view, state = self._views[copy], random_state()
        with torch.no_grad(), random_numbers(state):
            is_same = copy in self._begun or call.first is not copy
            if not is_same:
                call.run_on({}, {id(copy): view})
            if is_same or has_drawn(state):  # numbers that are drawn are what they were
                view.copy_(copy)

    def _view(self, call: MadeCall, made: Sequence[Tensor], copy: Tensor) -> None:
        with torch.no_grad():
            views = made_by(call, call.run_on({id(copy): self._views[copy]}, {}))
        for one, view in zip(made, views, strict=False):
            if one is not view and storage_of(one) == storage_of(copy):
                self.know(one, view, is_first=copy in self._begun)


def shares_memory(call: MadeCall) -> Callable[[Tensor], bool]:
    """Return whether a tensor is a view of what a call was given."""
    memory = {storage_of(tensor) for tensor in call.tensors}
    return lambda tensor: storage_of(tensor) in memory
