"""What the tensors of running code hold: each value by its tensor, kept as it was when the memory is written to."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.forward.aliasing import storage_of
from gradcli.execution.forward.followed import Followed, same_edge
from gradcli.execution.forward.kinds import dense
from gradcli.execution.forward.twins import versions


@dataclass(slots=True)
class _Known:
    tensor: weakref.ref[Tensor]
    value: Followed
    version: int


class Values:
    """The values of tensors by identity; what is known of a tensor goes with it."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._held: dict[int, weakref.WeakSet[Followed]] = {}
        self._kept: weakref.WeakSet[Followed] = weakref.WeakSet()
        """Those that were copied; `.data` writes to memory, and its tensor's version does not tell."""
        self._by_edge: weakref.WeakValueDictionary[tuple[int, int], Followed] = weakref.WeakValueDictionary()

    def know(self, tensor: Tensor, value: Followed) -> None:
        """Note what a tensor holds now."""
        name = id(tensor)

        def forget(_: object) -> None:
            self._known.pop(name, None)

        self._known[name] = _Known(weakref.ref(tensor, forget), value, version_of(tensor))
        self.hold(value)

    def hold(self, value: Followed) -> None:
        """Keep a value as it is, whatever is written to its memory."""
        self._held.setdefault(storage_of(value.tensor), weakref.WeakSet()).add(value)
        value.version = version_of(value.tensor)
        if value.edge is not None and self.at(value.edge.node, value.edge.output_nr) is None:
            self._by_edge[id(value.edge.node), value.edge.output_nr] = value

    def fresh(self, tensor: Tensor, edge: object) -> Followed | None:
        """Return what a tensor is known to hold, unless that has changed or autograd knows it elsewhere by now."""
        known = self._known.get(id(tensor))
        if known is None or known.version != version_of(tensor) or known.value in self._kept:
            return None
        return known.value if same_edge(known.value.edge, edge) else None  # type: ignore[arg-type]

    def is_unchanged(self, tensor: Tensor, value: Followed) -> bool:
        """Return whether a tensor holds what it is known to, though it is not known to be fresh; it is then."""
        was_kept = value in self._kept
        if not (was_kept or value.version == version_of(tensor)) or not torch.equal(value.tensor, dense(tensor)):
            return False
        if was_kept:
            self._kept.discard(value)
            value.tensor = value_of(tensor)
        self.know(tensor, value)
        return True

    def stale(self, tensor: Tensor) -> Followed | None:
        """Return what a tensor held when it was last known."""
        known = self._known.get(id(tensor))
        return None if known is None else known.value

    def holders(self) -> list[tuple[Tensor, Followed]]:
        """Return the tensors that are alive, with what each is known to hold."""
        found = [(known.tensor(), known.value) for known in list(self._known.values())]
        return [(tensor, value) for tensor, value in found if tensor is not None]

    def lose(self, tensor: Tensor) -> None:
        """Forget what a tensor holds."""
        self._known.pop(id(tensor), None)

    def at(self, node: object, place: int) -> Followed | None:
        """Return the value whose gradient arrives at an input of a node of autograd's graph."""
        found = self._by_edge.get((id(node), place))
        # One that has lost its edge keeps no node alive, so that another node may be where that one was.
        return found if found is not None and found.edge is not None and found.edge.node is node else None

    def keep(self, tensors: Sequence[Tensor]) -> None:
        """Copy all values that rest on the memory of some tensors, which is about to be written to."""
        for tensor in tensors:
            for value in self._held.pop(storage_of(tensor), ()):
                value.tensor = value.tensor.detach().clone().requires_grad_(value.tensor.requires_grad)
                value.version = 0
                self._kept.add(value)

    def prune(self) -> None:
        """Forget the memory that no value rests on any more."""
        self._held = {name: values for name, values in self._held.items() if values}

    def forget(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._held.clear()
        self._by_edge.clear()


def version_of(tensor: Tensor) -> int:
    """Return how often the memory of a tensor was written to."""
    return versions([tensor])[0]


def value_of(tensor: Tensor) -> Tensor:
    """Return a tensor without its history, on the same memory if it is dense, which still says if it requires grad."""
    plain = dense(tensor)
    return plain.requires_grad_() if tensor.requires_grad else plain
