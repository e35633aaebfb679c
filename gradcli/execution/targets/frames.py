"""What a user's code raised, said in the user's terms: the file, the line, and what PyTorch or Python says."""

from __future__ import annotations

import inspect
import linecache
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gradcli.errors import ExecutionError, InputError, Span, first_line
from gradcli.report.custom import SourcePlace

# Frames of these folders are not the user's.
FOREIGN = tuple(
    str(Path(folder).resolve()) + "/"
    for folder in (Path(__file__).parents[2], Path(torch.__file__).parent, sysconfig.get_path("stdlib"))
)


def refusal(what: str, error: BaseException) -> ExecutionError:
    """Return the error that says what the user's code raised, and at which line of it."""
    file, line = place(error)
    said = first_line(error)
    if not file:
        return ExecutionError(f"PyTorch refuses {what}: {said}", said=said)
    source, where = linecache.getline(file, line).strip(), f"({Path(file).name}:{line})"
    message, said = f"{what} {raised(error)} {where}", f"{said} {where}".lstrip()
    return ExecutionError(message, source=source or None, span=Span(0, len(source)), said=said)


def still_in(what: str, error: BaseException) -> str:
    """Return in words where the user's code was when it was stopped."""
    file, line = place(error)
    return f"; it was still in {what} ({Path(file).name}:{line})" if file else ""


def raised(error: BaseException) -> str:
    """Return what was raised, in words: `raises ValueError: text`; PyTorch's text up to its first line break."""
    text = first_line(error)
    return f"raises {type(error).__name__}: {text}" if text else f"raises {type(error).__name__}"


def place(error: BaseException) -> tuple[str, int]:
    """Return the file and line of the user's own code nearest to where an error was raised; an empty name if none."""
    found, trace = ("", 0), error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if is_own(file):
            found = file, trace.tb_lineno
        trace = trace.tb_next
    return found


def defined_at(method: Callable[..., Any]) -> SourcePlace | None:
    """Return where a method of the user's is written: its `def`, below all decorators; None if that is not known."""
    code = getattr(inspect.unwrap(method), "__code__", None)
    if code is None or not is_own(code.co_filename):
        return None
    file, first = Path(code.co_filename).resolve(), code.co_firstlineno
    lines = linecache.getlines(code.co_filename)[first - 1 :]
    below = next((place for place, line in enumerate(lines) if line.lstrip().startswith(("def ", "async def "))), 0)
    folder = Path.cwd()
    return SourcePlace(str(file.relative_to(folder) if file.is_relative_to(folder) else file), first + below)


def is_own(file: str) -> bool:
    """Return whether a file is the user's: neither gradcli's, PyTorch's nor Python's."""
    if file.startswith("<"):
        return False
    return not str(Path(file).resolve()).startswith(FOREIGN)


def syntax_refusal(error: SyntaxError) -> InputError:
    """Return the error that points at what Python cannot read."""
    name, line, source = Path(error.filename or "?").name, error.lineno or 0, error.text or ""
    start = max((error.offset or 1) - 1, 0)
    end = error.end_offset - 1 if error.end_offset and error.end_lineno == error.lineno else start + 1
    return InputError(f"{name}:{line}: {error.msg}", source=source.rstrip("\n"), span=Span(start, max(end, start + 1)))
