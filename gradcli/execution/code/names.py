"""What code calls its tensors and modules: by a variable, a container's entry, or their path in a module."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from torch import Tensor, nn

from gradcli.execution.forward.followed import Followed
from gradcli.execution.targets.frames import is_own

MOST_ENTRIES = 1000


def user_frames(frame: FrameType | None) -> list[FrameType]:
    """Return a frame and those that called it, as far as they are the user's: the outermost first."""
    found: list[FrameType] = []
    while frame is not None:
        if is_own(frame.f_code.co_filename):
            found.append(frame)
        frame = frame.f_back
    return found[::-1]


def variables(frame: FrameType) -> Iterator[tuple[str, Any]]:
    """Yield the variables of a frame, but for those that Python makes itself."""
    yield from _shown(frame.f_locals)


def _shown(scope: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, value) for name, value in list(scope.items()) if not name.startswith("__"))


class Names:
    """The names of leaves and modules, which outer variables give rather than inner ones, and globals last."""

    def __init__(self) -> None:
        self._parameters: dict[int, tuple[weakref.ref[Tensor], str]] = {}
        self._paths: weakref.WeakKeyDictionary[nn.Module, str] = weakref.WeakKeyDictionary()

    def of(self, leaf: Tensor, frame: FrameType | None) -> str | None:
        """Return what a leaf is called from a frame on outward; None if nothing there holds it."""
        known = self._parameters.get(id(leaf))
        if known is not None and known[0]() is leaf:
            return known[1]
        frames = user_frames(frame)
        if isinstance(leaf, nn.Parameter):
            self._learn(frames)
            known = self._parameters.get(id(leaf))
            if known is not None and known[0]() is leaf:
                return known[1]
        scopes = _scopes(frames)
        return next((name for scope in scopes for name, tensor in _tensors(scope) if tensor is leaf), None)

    def give(self, leaf: Followed, tensor: Tensor, frame: FrameType | None) -> None:
        """Let a leaf be called as its tensor is; a parameter belongs to the module that holds it."""
        leaf.name = self.of(tensor, frame)
        if leaf.name is not None and isinstance(tensor, nn.Parameter):
            leaf.owner = leaf.name.rpartition(".")[0]

    def path_of(self, module: nn.Module, frame: FrameType | None) -> str:
        """Return what a module is called, as `of` does; empty if no variable there holds it."""
        if module not in self._paths:
            self._learn(user_frames(frame))
        return self._paths.setdefault(module, "")

    def _learn(self, frames: list[FrameType]) -> None:
        """Note all modules that variables hold, and their parameters; the outermost variable names them.

        What is still being built has no name of its own yet.
        """
        for scope in reversed(_scopes([frame for frame in frames if frame.f_code.co_name != "__init__"])):
            for prefix, root in reversed(list(_modules(scope))):
                self._paths |= {module: name for name, module in root.named_modules(prefix=prefix)}
                for name, parameter in root.named_parameters(prefix):
                    self._parameters[id(parameter)] = weakref.ref(parameter), name


def _scopes(frames: Sequence[FrameType]) -> list[Mapping[str, Any]]:
    """Return the variables of frames, then the globals that these see beside them."""
    local = [frame.f_locals for frame in frames]
    seen = {id(frame.f_globals): frame.f_globals for frame in frames}
    seen = {key: names for key, names in seen.items() if all(names is not one for one in local)}
    return [*local, *seen.values()]


def _modules(scope: Mapping[str, Any]) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that the variables of a scope hold, by name."""
    return ((name, value) for name, value in _held(scope) if isinstance(value, nn.Module))


def _tensors(scope: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    return ((name, value) for name, value in _held(scope) if isinstance(value, Tensor))


def _held(scope: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what the variables of a scope hold: themselves first, then the entries and attributes of each."""
    own = list(_shown(scope))
    yield from own
    for name, value in own:
        yield from _entries(name, value)


def _entries(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list | tuple):
        yield from ((f"{name}[{place}]", item) for place, item in enumerate(value[:MOST_ENTRIES]))
    elif isinstance(value, Mapping):
        yield from ((f"{name}[{key!r}]", item) for key, item in list(value.items())[:MOST_ENTRIES])
    elif not isinstance(value, type | nn.Module) and _is_plain(value):
        yield from ((f"{name}.{key}", item) for key, item in list(vars(value).items())[:MOST_ENTRIES])


def _is_plain(value: Any) -> bool:
    """Return whether a value is an object of a class that is not PyTorch's, with attributes of its own."""
    return hasattr(value, "__dict__") and not type(value).__module__.startswith(("torch", "builtins", "types"))
