"""Which write PyTorch means where it says that a value which backward needs was modified by an inplace operation.

Autograd counts the writes to each memory. A node that saved a tensor fails where the count is no longer what it was
then: so the node tells the memory, and the count that PyTorch expected tells the write, which was the next one.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from gradcli.execution.forward import tree
from gradcli.execution.forward.aliasing import storage_of
from gradcli.execution.forward.call_kinds import SET_DATA
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.graph import age, reachable
from gradcli.execution.forward.twins import versions
from gradcli.report.custom import SourcePlace

OVERWRITTEN = "has been modified by an inplace operation"
COUNTED = re.compile(r"\[[\w.]+ \[([\d, ]*)\]\].*?is at version (\d+); expected version (\d+)")
# What a node saves, as it is kept; and as it is handed out, a Function's all at once.
KEPT, SAVED, OF_FUNCTION = "_raw_saved_", "_saved_", "saved_tensors"
MOST_KEPT = 2_000
# How a tensor's memory is written to without its history; `.data` counts the writes to it apart.
DATA = "through `.data`"
UNRECORDED = "under `no_grad`"
# What is named like a write, and writes to no memory.
FLAGGING = frozenset({"requires_grad_", "rename_", "share_memory_"})
HIDING = {"data.__get__": DATA, "detach": "through `detach()`"}
HIDING_NAMES = frozenset({"__get__", "detach"})


@dataclass(frozen=True, slots=True)
class Write:
    """A write to memory, and how often the memory had been written to after it."""

    memory: int
    version: int
    text: str
    place: SourcePlace | None
    past: str | None = None
    """How it wrote so that autograd does not see it: through `.data` or `detach()`, or under `no_grad`."""


@dataclass(slots=True)
class Writes:
    """The writes of code that runs, the latest last."""

    found: deque[Write] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    _past: WeakIdKeyDictionary = field(default_factory=WeakIdKeyDictionary)
    """What was taken out of autograd's sight, of what is no leaf, and views of it."""

    def note(
        self,
        call: MadeCall,
        result: Any,
        place: Callable[[], SourcePlace | None],
        is_begun: Callable[[Tensor], bool] = lambda tensor: not tensor.is_leaf,
    ) -> None:
        """Note what a call that has run is named for writing to, and what it takes out of autograd's sight.

        `is_begun` tells tensors that had a value for autograd before; what is written to a new leaf is its first one.
        """
        self._mark(call, result, is_begun)
        is_set = call.name == SET_DATA
        writes = (call.is_in_place and call.short not in FLAGGING) or call.short == "__setitem__" or is_set
        first = tree.tensors(call.args[:1]) if writes else []
        written = [*first, *call.outs]
        where = place() if written else None
        for tensor, version in zip(written, versions(written), strict=True):
            past = DATA if is_set and is_begun(tensor) else self._past.get(tensor)
            if past is None and not torch.is_grad_enabled() and _is_followed(tensor, is_begun):
                past = UNRECORDED
            self.found.append(Write(storage_of(tensor), version, "data" if is_set else call.short, where, past))

    def _mark(self, call: MadeCall, result: Any, is_begun: Callable[[Tensor], bool]) -> None:
        first = call.first
        if first is None or not (len(self._past) or call.short in HIDING_NAMES or not torch.is_grad_enabled()):
            return
        past = self._past.get(first)
        if past is None and _is_followed(first, is_begun):
            unrecorded = None if torch.is_grad_enabled() else UNRECORDED
            past = HIDING.get(call.name.removeprefix("torch.Tensor."), unrecorded)
        if past is not None:
            for tensor in tree.tensors(result):
                if tensor is not first and storage_of(tensor) == storage_of(first):
                    self._past[tensor] = past


def _is_followed(tensor: Tensor, is_begun: Callable[[Tensor], bool]) -> bool:
    """Return whether autograd follows a tensor; PyTorch does not say of a view that `no_grad` made and wrote to."""
    try:
        return tensor.requires_grad and is_begun(tensor)
    except RuntimeError:
        return False


def culprit(message: str, roots: Iterable[Any], writes: Sequence[Write]) -> Write | None:
    """Return the write that PyTorch's message means, in the graph behind some nodes; None if it was not seen."""
    counted = COUNTED.search(message)
    if counted is None:
        return None
    shape, now, expected = (tuple(int(n) for n in part.split(",") if n.strip()) for part in counted.groups())
    writes = [one for one in writes if one.past != DATA]
    nodes = sorted(reachable(roots), key=age, reverse=True)  # the engine runs the last made first
    saved = (tensor for node in nodes for tensor in _overwritten(node, message))
    fitting = (storage_of(one) for one in saved if tuple(one.shape) == shape and versions([one]) == [*now])
    memory = next(fitting, None)
    memory = _of_count(writes, *now, *expected) if memory is None else memory
    of_memory = [one for one in writes if one.memory == memory and one.version == expected[0] + 1]
    return of_memory[-1] if of_memory else None


def _of_count(writes: Sequence[Write], now: int, expected: int) -> int | None:
    """Return the one memory whose writes are so many; None if there are several.

    Behind a write through a view the graph does not show the node that fails.
    """
    last = {one.memory: one.version for one in writes}
    found = {one.memory for one in writes if one.version == expected + 1 and last[one.memory] == now}
    return found.pop() if len(found) == 1 else None


def _overwritten(node: Any, message: str) -> Iterator[Tensor]:
    """Yield what a node saves by a name by which it hands nothing out any more, with that message."""
    for attribute in dir(node):
        name = SAVED + attribute.removeprefix(KEPT)
        if attribute.startswith(KEPT) and _fails(node, name if hasattr(type(node), name) else OF_FUNCTION, message):
            kept = getattr(node, attribute)
            yield from (one.data for one in (kept if isinstance(kept, tuple) else (kept,)))


def _fails(node: Any, attribute: str, message: str) -> bool:
    try:
        getattr(node, attribute)
    except RuntimeError as error:
        said = str(error).partition(" Hint: ")[0]
        return OVERWRITTEN in said and said in message
    return False
