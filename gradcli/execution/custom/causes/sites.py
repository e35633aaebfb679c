"""The calls that a backward makes, as they stand in its source, and backward run again with one of them changed."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from gradcli.errors import GradcliError
from gradcli.execution.targets.frames import is_own
from gradcli.execution.targets.function.trial import Applied, copied

# Longer source text is cut.
WIDEST = 60
Locals = Mapping[str, Any]
# What to call in place of a call: from the function, its arguments and the variables there.
CallChange = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any], Locals], Any]


@dataclass(frozen=True, slots=True)
class Site:
    """One call of backward: its arguments and result, how it is written, where, and the variables there."""

    number: int
    function: str
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    result: Any
    text: str
    line: str
    names: Mapping[str, Tensor]

    @property
    def makes(self) -> bool:
        """Return whether it makes a tensor of numbers, and changes none."""
        return isinstance(self.result, Tensor) and self.result.is_floating_point() and not self.changes

    @property
    def changes(self) -> bool:
        """Return whether it changes its first operand in place."""
        return not self.args or self.result is self.args[0] or self.result is None


class Watching(TorchFunctionMode):
    """Lists the calls of a backward."""

    def __init__(self) -> None:
        super().__init__()
        self.sites: list[Site] = []
        self._begun = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call."""
        number, keywords, frame = self._begun, dict(kwargs or {}), _frame()
        self._begun += 1
        result = func(*args, **keywords)
        if frame is not None:
            place = f" ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
            names = {name: value for name, value in frame.f_locals.items() if isinstance(value, Tensor)}
            site = Site(number, _short(func), tuple(args), keywords, result, _text(frame), place, names)
            self.sites.append(site)
        return result


class Changed(TorchFunctionMode):
    """Runs some of the calls, by number, otherwise."""

    def __init__(self, changes: Mapping[int, CallChange], known: Locals) -> None:
        super().__init__()
        self._changes, self._known, self._begun, self._failed = changes, known, 0, False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call."""
        change = self._changes.get(self._begun)
        self._begun += 1
        # After one that raises, contexts are left by calls, which must run as they are.
        if change is None or self._failed:
            return func(*args, **(kwargs or {}))
        frame, self._failed = _frame(), True
        names = {**self._known, **({} if frame is None else frame.f_locals)}
        result = change(func, tuple(args), dict(kwargs or {}), names)
        self._failed = False
        return result


def _short(function: Callable[..., Any]) -> str:
    """Return a function's name, `T` for the getter of an attribute."""
    name = resolve_name(function) or "?"
    return name.split(".")[-2] if name.endswith("__get__") else name.rpartition(".")[2]


def watched(applied: Applied, cotangent: Tensor) -> list[Site]:
    """Return the calls that backward makes for an upstream gradient; GradcliError if it raises."""
    watch, upstream = Watching(), copied(cotangent)
    with watch:
        applied.called(upstream)
    return watch.sites


def run_with(applied: Applied, cotangent: Tensor, place: int, changed: Changed) -> Tensor | None:
    """Return the gradient at a place of those that backward returns with one call changed; None if it gives none."""
    upstream = copied(cotangent)
    try:
        with changed:
            found = applied.called(upstream)
    except GradcliError:
        return None
    item = found[place] if place < len(found) else None
    return item.detach() if isinstance(item, Tensor) else None


def spelled(sites: list[Site]) -> dict[int, str]:
    """Return what each tensor in a backward is called, by its identity: as the call that made it, or a variable."""
    names: dict[int, str] = {}
    for site in sites:
        names |= {id(value): name for name, value in site.names.items() if id(value) not in names}
        if isinstance(site.result, Tensor) and site.text:
            names.setdefault(id(site.result), site.text)
    return names


def _frame() -> FrameType | None:
    """Return the frame of the backward, or what it calls of the user's, that makes a call; None outside of it."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 (what inspect does, without reading files)
    while frame is not None and not is_own(frame.f_code.co_filename):
        frame = None if frame.f_code is Applied.called.__code__ else frame.f_back
    return frame


def _text(frame: FrameType) -> str:
    """Return the source of the expression that a frame is in; an empty text where it is not known."""
    line, last, begin, end = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
    if line is None or last is None or begin is None or end is None:
        return ""
    lines = [linecache.getline(frame.f_code.co_filename, number).encode() for number in range(line, last + 1)]
    if not lines or not all(lines):
        return ""
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    text = " ".join(b" ".join(lines).decode(errors="replace").split())
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def tensors_of(arguments: tuple[Any, ...]) -> Iterator[tuple[int, Tensor]]:
    """Yield the floating-point tensors among the arguments of a call, with their places."""
    for place, item in enumerate(arguments):
        if isinstance(item, Tensor) and item.is_floating_point() and item.layout is torch.strided:
            yield place, item
