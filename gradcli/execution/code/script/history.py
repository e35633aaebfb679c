"""What a script did to its tensors that an error asks about: which line cut the gradient of one off."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradcli.execution.code.places import place_of, user_frame
from gradcli.execution.forward import tree
from gradcli.execution.forward.call_kinds import LEAVING
from gradcli.execution.forward.calls import MadeCall
from gradcli.report.custom import SourcePlace


@dataclass(frozen=True, slots=True)
class Cut:
    """A call whose result no gradient passes through, though one reached what it was given."""

    words: str
    place: SourcePlace | None


@dataclass(slots=True)
class History:
    """The cuts by the tensors that rest on them."""

    cuts: dict[int, tuple[weakref.ref[Tensor], Cut]] = field(default_factory=dict)
    left: Cut | None = None
    """The last number that left PyTorch."""

    def note(self, call: MadeCall, result: object) -> None:
        """Note a call that has run."""
        short = call.short
        if short == "__get__" and not call.name.endswith("data.__get__"):
            return
        made = [tensor for tensor in tree.tensors(result) if not tensor.requires_grad]
        if made or short in LEAVING:
            self._note_cut(call, made)

    def _note_cut(self, call: MadeCall, made: Sequence[Tensor]) -> None:
        cut = next((found for tensor in call.tensors if (found := self.of(tensor)) is not None), None)
        if any(tensor.requires_grad for tensor in call.tensors):
            cut = Cut(_words(call), place_of(user_frame()))
            self.left = cut if call.short in LEAVING else self.left
        if cut is None:
            return
        for tensor in made:
            if tensor.is_floating_point() or tensor.is_complex():
                self._mark(tensor, cut)

    def _mark(self, tensor: Tensor, cut: Cut) -> None:
        name = id(tensor)
        self.cuts[name] = weakref.ref(tensor, lambda _: self.cuts.pop(name, None)), cut

    def of(self, tensor: Tensor) -> Cut | None:
        """Return the call that cut off the gradient of a tensor, as far as that was seen."""
        found = self.cuts.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None


def _words(call: MadeCall) -> str:
    if call.name.endswith("data.__get__"):
        return "`.data` cuts it off"
    if call.short in {"detach", "detach_"}:
        return f"`{call.short}()` cuts it off"
    if call.short in LEAVING:
        return f"`{call.short}()` makes a number of a tensor"
    if not torch.is_grad_enabled():
        return f"`{call.short}()` runs under no_grad"
    return f"`{call.short}()` passes no gradient on"
