"""What a Function keeps from one call to the next, outside of `ctx`: every run of forward begins with the same.

A counter, a temperature that is lowered, a running mean: in globals of its file, on its class or on objects there.
Without this each witness would ask another function.
"""

from __future__ import annotations

import functools
import random
import types
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.targets.frames import is_own
from gradcli.execution.targets.function.contents import (
    Namespace,
    content_of,
    hold,
    identity,
    is_followed,
    is_own_file,
    is_same,
    is_users,
    joined,
    parts,
    reached,
)

# Objects and containers that are looked into; more of them than this are no state of one Function.
MOST = 2000
CODE = (types.FunctionType, types.MethodType, functools.partial)
METHODS = ("forward", "backward", "setup_context")


@dataclass(frozen=True, slots=True)
class Holder:
    """Something that holds values by name or place: what it is called, and what it held."""

    name: str
    owner: Any
    content: Any

    def is_changed(self) -> bool:
        """Return whether it holds anything else than it did."""
        return not is_same(content_of(self.owner), self.content)

    def changed_names(self) -> list[str]:
        """Return what in it is another thing than it was, as it is written."""
        now = content_of(self.owner)
        if not isinstance(now, Mapping):
            return [self.name]
        changed = [key for key in now if now[key] is not self.content.get(key, now)]
        return [joined(self.name, self.owner, key) for key in changed] or [self.name]

    def restore(self) -> None:
        """Let it hold what it did."""
        self.hold(self.content)

    def hold(self, content: Any) -> None:
        """Let it hold something else."""
        hold(self.owner, content)

    def narrowed(self) -> Any:
        """Return what is to be kept of it: all of a container, and of a file's names those that changed."""
        return self.owner.narrowed(self.content) if isinstance(self.owner, Namespace) else self.owner


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
            after.add(holder.name, holder.narrowed())
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
    hooks: list[tuple[str, Any]] = field(default_factory=list)
    """Functions that a module holds, which are not looked into before `add_code_of`."""
    is_of_module: bool = False
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
        """Return the same of a module, or of what a function or another callable reaches by name."""
        shot, plain = Shot(), getattr(code, "__func__", code)
        if isinstance(code, torch.nn.Module):
            shot.is_of_module = True
            shot.add(type(code).__name__, code)
        elif isinstance(plain, types.FunctionType) and is_own_file(plain.__code__.co_filename):
            shot.add(plain.__name__, code)
            for name, value in reached(plain):
                shot.add(name, value)
        else:
            shot.add(type(code).__name__, code)
            shot.add(type(code).__name__, type(code))
        return shot

    def add_code_of(self, module: torch.nn.Module) -> None:
        """Add what a module's code reaches by name: its hooks, and the methods of the user's classes in it."""
        self.is_of_module = False
        for name, value in self.hooks:
            self.add(name, value)
        for kind in {type(part): None for part in module.modules()}:
            own = [item for item in vars(kind).values() if isinstance(item, types.FunctionType)]
            if any(map(is_followed, own)):
                self.add(kind.__name__, kind)

    def add(self, name: str, value: Any) -> None:
        """Add a value, and what it holds."""
        left = deque([(name, value)])
        while left and len(self.holders) < MOST:
            name, value = left.popleft()
            if identity(value) in self._known:
                continue
            if self.is_of_module and isinstance(value, CODE):
                self.hooks.append((name, value))
                continue
            self._known.add(identity(value))
            if isinstance(value, Tensor):
                self.tensors += [(name, value, value._version)] if _is_plain(value) else []  # noqa: SLF001
            elif (state := _state_of(value)) is not None:
                self.sources.append(Source(name, value, state))
            else:
                content = content_of(value)
                self.holders += [] if content is None else [Holder(name, value, content)]
                left += parts(name, value, content)


def _roots(function: type) -> Iterator[tuple[str, Any]]:
    """Yield what a Function's own code can reach by name: its class, globals of its file, and what it closes over."""
    yield from ((kind.__name__, kind) for kind in function.__mro__ if is_users(kind))
    for method in METHODS:
        code = getattr(function, method, None)
        if isinstance(code, types.FunctionType) and is_own(code.__code__.co_filename):
            yield from reached(code)


def _state_of(value: Any) -> Any:
    """Return the state of a source of random numbers, PyTorch's, Python's or NumPy's; None of anything else."""
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if isinstance(value, random.Random):
        return value.getstate()
    if type(value).__module__.startswith("numpy.random"):
        return getattr(getattr(value, "bit_generator", None), "state", None)
    return None


def _is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor has a memory of its own that can be written to."""
    return tensor.layout is torch.strided and not tensor.is_meta and not tensor.is_inference()
