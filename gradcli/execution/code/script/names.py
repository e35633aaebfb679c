"""What a script calls its tensors: by a variable, by a container's entry, by a module's parameter."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from torch import Tensor, nn

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
    yield from ((name, value) for name, value in list(frame.f_locals.items()) if not name.startswith("__"))


class Names:
    """The names of leaves, which outer variables give rather than inner ones."""

    def __init__(self) -> None:
        self._parameters: dict[int, tuple[weakref.ref[Tensor], str]] = {}

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
        return next((name for one in frames for name, tensor in _tensors(one) if tensor is leaf), None)

    def _learn(self, frames: list[FrameType]) -> None:
        """Note the parameters of all modules that variables hold; the outermost variable names them.

        What is still being built has no name of its own yet.
        """
        for frame in (frame for frame in frames[::-1] if frame.f_code.co_name != "__init__"):
            for prefix, module in reversed(list(_modules(frame))):
                for name, parameter in module.named_parameters(prefix):
                    self._parameters[id(parameter)] = weakref.ref(parameter), name


def _modules(frame: FrameType) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that the variables of a frame hold, by name."""
    return ((name, value) for name, value in _held(frame) if isinstance(value, nn.Module))


def _tensors(frame: FrameType) -> Iterator[tuple[str, Tensor]]:
    return ((name, value) for name, value in _held(frame) if isinstance(value, Tensor))


def _held(frame: FrameType) -> Iterator[tuple[str, Any]]:
    """Yield what the variables of a frame hold: themselves first, then the entries and attributes of each."""
    own = list(variables(frame))
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
