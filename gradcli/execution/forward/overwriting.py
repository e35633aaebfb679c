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

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from gradcli.execution.forward import tree
from gradcli.execution.forward.aliasing import storage_of
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.graph import age, reachable
from gradcli.execution.forward.twins import versions
from gradcli.report.custom import SourcePlace

OVERWRITTEN = "has been modified by an inplace operation"
COUNTED = re.compile(r"\[[\w.]+ \[([\d, ]*)\]\].*?is at version (\d+); expected version (\d+)")
# What a node saves, as it is kept; and as it is handed out, a Function's all at once.
KEPT, SAVED, OF_FUNCTION = "_raw_saved_", "_saved_", "saved_tensors"
MOST_KEPT = 2_000
# What gives a tensor's memory without its history; `.data` counts the writes to it apart.
DATA = "`.data`"
# What is named like a write, and writes to no memory.
FLAGGING = frozenset({"requires_grad_", "rename_", "share_memory_"})
HIDING = {"data.__get__": DATA, "detach": "`detach()`"}


@dataclass(frozen=True, slots=True)
class Write:
    """A write to memory, and how often the memory had been written to after it."""

    memory: int
    version: int
    text: str
    place: SourcePlace | None
    past: str | None = None
    """What it wrote through that autograd does not see it by: `.data`, `detach()`."""


@dataclass(slots=True)
class Writes:
    """The writes of code that runs, the latest last."""

    found: deque[Write] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    _past: WeakIdKeyDictionary = field(default_factory=WeakIdKeyDictionary)
    """What was taken out of autograd's sight, of what is no leaf, and views of it."""

    def note(self, call: MadeCall, result: Any, place: Callable[[], SourcePlace | None]) -> None:
        """Note what a call that has run is named for writing to, and what it takes out of autograd's sight."""
        self._mark(call, result)
        writes = (call.is_in_place and call.short not in FLAGGING) or call.short == "__setitem__"
        first = tree.tensors(call.args[:1]) if writes else []
        written = [*first, *call.outs]
        where = place() if written else None
        for tensor, version in zip(written, versions(written), strict=True):
            past = self._past.get(tensor) if len(self._past) else None
            self.found.append(Write(storage_of(tensor), version, call.short, where, past))

    def _mark(self, call: MadeCall, result: Any) -> None:
        first = call.first
        if first is None or not (len(self._past) or call.short in {"__get__", "detach"}):
            return
        is_seen = first.requires_grad and not first.is_leaf
        past = HIDING.get(call.name.removeprefix("torch.Tensor.")) if is_seen else self._past.get(first)
        if past is not None:
            for tensor in tree.tensors(result):
                if tensor is not first and storage_of(tensor) == storage_of(first):
                    self._past[tensor] = past


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
