"""The errors that users see, and the exit codes of the command line."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self


class ExitCode(IntEnum):
    """Exit status of every command; a run with several checks takes the first of 4, 2, 1, 3, 0."""

    OK = 0
    MISMATCH = 1
    USAGE = 2
    UNDECIDED = 3
    INTERNAL = 4
    INTERRUPTED = 130


# A run with several checks exits with the first of these that occurs.
BY_SEVERITY = (ExitCode.INTERNAL, ExitCode.USAGE, ExitCode.MISMATCH, ExitCode.UNDECIDED, ExitCode.OK)


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of characters (not bytes) in a source text."""

    start: int
    end: int


class GradcliError(Exception):
    """Something that the user can fix: what is wrong, where, and how to fix it.

    `span` refers to `source`; both are None for an error that no text caused. `option` is the option that is wrong,
    called as its user calls it (`--rtol`, `rtol`); the message begins with it, and `text` is the rest.
    """

    exit_code = ExitCode.USAGE

    def __init__(
        self,
        text: str,
        *,
        span: Span | None = None,
        source: str | None = None,
        hint: str | None = None,
        option: str | None = None,
    ) -> None:
        self.message = text if option is None else f"{option}: {text}"
        super().__init__(self.message)
        self.text = text
        self.span = span
        self.source = source
        self.hint = hint
        self.option = option

    def __str__(self) -> str:
        """Return the message and the hint: all that a traceback shows."""
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"

    @property
    def reason(self) -> str:
        """Return the message without the verdict that it may begin with."""
        return self.message

    def about(self, option: str) -> Self:
        """Return the same error about an option of a different name."""
        return type(self)(self.text, span=self.span, source=self.source, hint=self.hint, option=option)


class ProgramError(GradcliError):
    """The text is not a program of gradcli's language."""


class LimitError(GradcliError):
    """An input is larger than a limit; the message names the option that raises the limit."""


class InputError(GradcliError):
    """An option, a shape, a value or a file is wrong."""


class SeveralFunctionsError(InputError):
    """A file has several Functions, and none is named; `functions` maps each to the names of its arguments."""

    def __init__(self, text: str, *, functions: Mapping[str, Sequence[str]], **details: Any) -> None:
        super().__init__(text, **details)
        self.functions = functions


class ExecutionError(GradcliError):
    """PyTorch refused an operation; the message quotes PyTorch, and `said` is the quotation, where that is wanted."""

    def __init__(self, text: str, *, said: str | None = None, **details: Any) -> None:
        super().__init__(text, **details)
        self.said = said


class NotSupportedError(GradcliError):
    """The input is sound PyTorch that gradcli does not support yet."""


class UnfollowedError(GradcliError):
    """The user's code runs, and gradcli cannot follow it: nothing can be said of its gradients."""

    exit_code = ExitCode.UNDECIDED


class InternalError(GradcliError):
    """Something went wrong inside gradcli or on output; never the user's fault."""

    exit_code = ExitCode.INTERNAL


class InterruptionError(BaseException):
    """What ends a run from outside of it; no `except Exception` takes it for a failure of what was running.

    Its argument, if it has one, is the error that it stands for, which the caller gets.
    """


# What a system runs short of, and what gives more of it.
SHORT = {
    errno.EMFILE: "this process may open no more files: `ulimit -n` shows how many, and raises the limit",
    errno.ENFILE: "the system has no more open files to give: fewer processes need fewer",
    errno.EAGAIN: "no more processes may be started: `ulimit -u` shows how many, and raises the limit",
    errno.ENOMEM: "there is not enough memory: smaller shapes, or fewer processes, need less",
    errno.ENOSPC: "the disk is full",
}


def first_line(error: BaseException | str) -> str:
    """Return the first line of a message: PyTorch's often go on with what only its developers can use."""
    return str(error).strip().partition("\n")[0]


ALLOCATION = re.compile(
    r"(?:allocate (?:memory|tensor)|out of memory).*?(?:(\d{4,}) bytes|$)", re.IGNORECASE | re.DOTALL
)


# What the loader of libraries says of those that it has no memory for.
MAPPING = re.compile(
    r"failed to map segment|cannot allocate memory|cannot create shared object descriptor", re.IGNORECASE
)


def out_of_memory(error: BaseException) -> LimitError | None:
    """Return the error that there is not enough memory, if that is what Python or PyTorch says; else None."""
    allocation = ALLOCATION.search(str(error)) if isinstance(error, RuntimeError) else None
    if allocation is None and not isinstance(error, MemoryError):
        return None
    asked = f": {int(allocation[1]) / 2**30:.3g} GiB are asked for at once" if allocation and allocation[1] else ""
    return LimitError(f"there is not enough memory{asked}", hint="smaller shapes need less")


@contextmanager
def boundary() -> Iterator[None]:
    """Let nothing out but errors of ours: of memory that there is not, and of defects of gradcli.

    What a timer of the caller's raises goes to the caller as it is.
    """
    try:
        yield
    except GradcliError:
        raise
    except InterruptionError as error:
        if not error.args:
            raise
        raise error.args[0] from None
    except Exception as error:
        raise out_of_memory(error) or internal(error) from error


def internal(error: BaseException) -> InternalError:
    """Return the error that gradcli has a defect, which raised another error, or that the system gives no more."""
    if isinstance(error, OSError) and error.errno in SHORT:
        return InternalError(f"the operating system reports: {error}", hint=SHORT[error.errno])
    text = " ".join(str(error).split())[:300]
    raised = f"{type(error).__name__}: {text}" if text else type(error).__name__
    hint = "`ulimit -v` shows how much there may be; PyTorch itself takes some 800 MiB"
    if isinstance(error, ImportError) and MAPPING.search(text):
        return InternalError(f"there is not enough memory to load PyTorch: {text}", hint=hint)
    return defect(raised) if _may_grow() else InternalError(f"there is not enough memory: {raised}", hint=hint)


def _may_grow() -> bool:
    """Tell whether there is memory for anything else: where there is none, libraries raise errors of any kind."""
    try:
        import mmap

        mmap.mmap(-1, 128 << 20).close()  # libraries are of that size
    except (ImportError, MemoryError, OSError):
        return False
    return True


def defect(raised: str) -> InternalError:
    """Return the error that gradcli has a defect, by the name and the text of what it raised."""
    return InternalError(
        f"internal error: {raised}",
        hint="this is a defect of gradcli: please report it, with the output of `gradcli info`",
    )
