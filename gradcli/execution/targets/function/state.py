"""What a Function keeps from one call to the next, outside of `ctx`: every run of forward begins with the same.

A counter, a temperature that is lowered, a running mean: in globals of its file, on its class or on objects there.
Without this each witness would ask another function.
"""

from __future__ import annotations

import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.targets.frames import is_own

# Objects and containers that are looked into; more of them than this are no state of one Function.
MOST = 2000
METHODS = ("forward", "backward", "setup_context")


@dataclass(frozen=True, slots=True)
class Holder:
    """Something that holds values by name or place: what it is called, and what it held."""

    name: str
    owner: Any
    content: Any

    def is_changed(self) -> bool:
        """Return whether it holds anything else than it did."""
        return not _is_same(_content(self.owner), self.content)

    def changed_names(self) -> list[str]:
        """Return what in it is another thing than it was, as it is written."""
        now = _content(self.owner)
        if not isinstance(now, Mapping):
            return [self.name]
        changed = [key for key in now if now[key] is not self.content.get(key, now)]
        return [_joined(self.name, self.owner, key) for key in changed] or [self.name]

    def restore(self) -> None:
        """Let it hold what it did."""
        self.hold(self.content)

    def hold(self, content: Any) -> None:
        """Let it hold something else."""
        if isinstance(self.owner, type):
            for key, value in content.items():
                if vars(self.owner).get(key, self) is not value:
                    setattr(self.owner, key, value)
        elif not _is_same(_content(self.owner), content):
            _refill(self.owner, content)


@dataclass(frozen=True, slots=True)
class Source:
    """A source of random numbers, and its state."""

    name: str
    owner: Any
    state: Any

    def is_changed(self) -> bool:
        """Return whether numbers were drawn from it."""
        return repr(_state_of(self.owner)) != repr(self.state)

    def restore(self) -> None:
        """Let it draw the same numbers again."""
        if isinstance(self.owner, torch.Generator):
            self.owner.set_state(torch.tensor(self.state, dtype=torch.uint8))
        elif isinstance(self.owner, random.Random):
            self.owner.setstate(self.state)
        else:
            self.owner.bit_generator.state = self.state


@dataclass(slots=True)
class KeptState:
    """What forward changes that is no argument and not `ctx`: found when it first runs, restored at each run after."""

    holders: list[Holder] = field(default_factory=list)
    tensors: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """What changes, as it is written."""
    _seen: bool = False
    _goes_on: bool = False

    @contextmanager
    def as_it_was(self, function: type) -> Iterator[None]:
        """Run forward with what it kept after its first run; the first run tells what that is."""
        if self._seen:
            self._restore()
            yield
            return
        before = Shot.of(function)
        yield
        self._seen = True
        self._keep(before)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Let what forward keeps go on from run to run inside, as it does for a user."""
        self._restore()
        outer, self._goes_on = self._goes_on, True
        try:
            yield
        finally:
            self._goes_on = outer

    def _keep(self, before: Shot) -> None:
        changed = [holder for holder in before.holders if holder.is_changed()]
        written = [(name, tensor) for name, tensor, version in before.tensors if tensor._version != version]  # noqa: SLF001
        self.sources = [source for source in before.sources if source.is_changed()]
        self.names = [
            *(name for holder in changed for name in holder.changed_names()),
            *(name for name, _ in written),
            *(source.name for source in self.sources),
        ]
        self.sources = [Source(item.name, item.owner, _state_of(item.owner)) for item in self.sources]
        after = Shot()
        for holder in changed:
            after.add(holder.name, holder.owner)
        self.holders = after.holders
        tensors = [*(tensor for _, tensor in written), *(tensor for _, tensor, _ in after.tensors)]
        self.tensors = [(tensor, tensor.detach().clone()) for tensor in {id(item): item for item in tensors}.values()]

    def _restore(self) -> None:
        if self._goes_on:
            return
        for holder in self.holders:
            holder.restore()
        for source in self.sources:
            source.restore()
        for tensor, value in self.tensors:
            tensor.data.copy_(value)  # the version stays: nobody's graph is touched


@dataclass(slots=True)
class Shot:
    """All that a Function could keep something in, as it is now."""

    holders: list[Holder] = field(default_factory=list)
    tensors: list[tuple[str, Tensor, int]] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    _known: set[int] = field(default_factory=set)

    @staticmethod
    def of(function: type) -> Shot:
        """Return what a Function could keep something in."""
        shot = Shot()
        for name, owner in _roots(function):
            shot.add(name, owner)
        return shot

    @staticmethod
    def of_code(code: Any) -> Shot:
        """Return the same of a module, or of what a function reaches by name."""
        shot, plain = Shot(), getattr(code, "__func__", code)
        if isinstance(code, torch.nn.Module):
            shot.add(type(code).__name__, code)
        elif isinstance(plain, types.FunctionType) and _is_own(plain.__code__.co_filename):
            for name, value in _reached(plain):
                shot.add(name, value)
        return shot

    def add(self, name: str, value: Any) -> None:
        """Add a value, and what it holds."""
        left = deque([(name, value)])
        while left and len(self.holders) < MOST:
            name, value = left.popleft()
            if id(value) in self._known:
                continue
            self._known.add(id(value))
            if isinstance(value, Tensor):
                self.tensors += [(name, value, value._version)] if _is_plain(value) else []  # noqa: SLF001
            elif (state := _state_of(value)) is not None:
                self.sources.append(Source(name, value, state))
            elif (content := _content(value)) is not None:
                self.holders.append(Holder(name, value, content))
                items = content.items() if isinstance(content, Mapping) else enumerate(content)
                left += [(_joined(name, value, key), item) for key, item in items if not _is_dunder(key)]


def _roots(function: type) -> Iterator[tuple[str, Any]]:
    """Yield what a Function's own code can reach by name: its class, globals of its file, and what it closes over."""
    yield from ((kind.__name__, kind) for kind in function.__mro__ if _is_users(kind))
    for method in METHODS:
        code = getattr(function, method, None)
        if isinstance(code, types.FunctionType) and is_own(code.__code__.co_filename):
            yield from _reached(code)


def _reached(code: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the globals of a function's file, and what it closes over."""
    for name, value in list(code.__globals__.items()):
        if not _is_dunder(name) and not isinstance(value, types.ModuleType):
            yield name, value
    for name, cell in zip(code.__code__.co_freevars, code.__closure__ or (), strict=True):
        yield name, _of_cell(cell)


def _of_cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is not bound yet
        return None


def _state_of(value: Any) -> Any:
    """Return the state of a source of random numbers, PyTorch's, Python's or NumPy's; None of anything else."""
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if isinstance(value, random.Random):
        return value.getstate()
    if type(value).__module__.startswith("numpy.random"):
        return getattr(getattr(value, "bit_generator", None), "state", None)
    return None


def _content(value: Any) -> Any:
    """Return what something holds, in a container of its own; None if it holds nothing that is looked at."""
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list | deque):
        return list(value)
    if isinstance(value, type):
        return {key: item for key, item in vars(value).items() if not _is_dunder(key)} if _is_users(value) else None
    if isinstance(value, torch.nn.Module | types.SimpleNamespace) or _is_users(type(value)):
        return dict(vars(value)) if hasattr(value, "__dict__") else None
    return None


def _is_same(now: Any, content: Any) -> bool:
    if isinstance(now, Mapping):
        return now.keys() == content.keys() and all(now[key] is content[key] for key in now)
    return len(now) == len(content) and all(one is two for one, two in zip(now, content, strict=True))


def _refill(owner: Any, content: Any) -> None:
    if isinstance(owner, list):
        owner[:] = content
        return
    held = owner if isinstance(owner, dict | deque) else vars(owner)
    held.clear()
    extend: Callable[[Any], None] = held.update if isinstance(held, dict) else held.extend
    extend(content)


def _is_users(kind: type) -> bool:
    """Return whether a class is written in a user's own file."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return isinstance(file, str) and _is_own(file)


_is_own = lru_cache(maxsize=4096)(is_own)


def _is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor has a memory of its own that can be written to."""
    return tensor.layout is torch.strided and not tensor.is_meta and not tensor.is_inference()


def _is_dunder(key: Any) -> bool:
    return isinstance(key, str) and key.startswith("__")


def _joined(name: str, owner: Any, key: Any) -> str:
    """Return how something's item or attribute is written."""
    return f"{name}[{key!r}]" if isinstance(owner, dict | list | deque) else f"{name}.{key}"
