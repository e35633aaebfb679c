"""Where running code is: the line of the user's that is nearest, the names of its variables, the module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType

from torch import Tensor, nn

from gradcli.execution.code.names import Names
from gradcli.execution.forward.followed import Followed
from gradcli.execution.targets.frames import is_own
from gradcli.report.custom import SourcePlace

CALL = nn.Module._call_impl.__code__  # noqa: SLF001 (what every call of a module goes through)


def user_frame() -> FrameType | None:
    """Return the innermost frame of code that is neither gradcli's, PyTorch's nor Python's own."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 (there is no public way to a frame's caller)
    while frame is not None and not _is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


@cache
def _is_own(file: str) -> bool:
    return is_own(file)


def place_of(frame: FrameType | None) -> SourcePlace | None:
    """Return the file and line at which a frame stands."""
    return None if frame is None else SourcePlace(shown_file(frame.f_code.co_filename), frame.f_lineno)


@cache
def shown_file(file: str) -> str:
    """Return a file's name relative to the current folder, if it is in it."""
    path, folder = Path(file).resolve(), Path.cwd()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def name_values(frame: FrameType | None, pairs: Iterator[tuple[Tensor, Followed]]) -> None:
    """Give values the names of the local variables that hold their tensors."""
    unnamed = {id(tensor): value for tensor, value in pairs if value.name is None}
    if frame is None or not unnamed:
        return
    for name, held in frame.f_locals.items():
        value = unnamed.get(id(held))
        if value is not None and value.name is None and not name.startswith("__"):
            value.name = name


class Modules:
    """Which module's forward runs, by its path in the module that is checked, else by the variable that holds it."""

    def __init__(self, root: nn.Module | None, names: Names) -> None:
        self._paths = None if root is None else {module: name for name, module in root.named_modules()}
        self._names = names

    def path(self, frame: FrameType | None) -> str:
        """Return the path of the innermost module whose forward runs; empty for the whole, and outside of any."""
        if self._paths is not None:
            return next((self._paths[module] for module in _running() if module in self._paths), "")
        return next(filter(None, (self._names.path_of(module, frame) for module in _running())), "")


def _running() -> Iterator[nn.Module]:
    """Yield the modules whose call has not ended, the innermost first: hooks would be seen by what compiles them."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 (there is no public way to a frame's caller)
    while frame is not None:
        if frame.f_code is CALL:
            yield frame.f_locals["self"]
        frame = frame.f_back
