"""Whose failure an error is: sympy's, which leaves a derivative undecided, or gradcli's, which is a defect of it."""

from __future__ import annotations

from types import TracebackType
from typing import TypedDict

from gradcli.errors import GradcliError

OURS, THEIRS = "gradcli.", ("sympy.", "mpmath.")
# What our own code raises where there is no derivative, or meets where numbers are too large, or nested too deep.
REFUSALS = (GradcliError, NotImplementedError, RecursionError, ArithmeticError, ValueError)


class Failure(TypedDict, total=False):
    """The fields of an answer that say why it is none."""

    error: str
    defect: str


def failure(error: Exception) -> Failure:
    """Return how an answer says that an error was raised."""
    text = f"{type(error).__name__}: {error}"
    return {"defect": text} if _is_defect(error) else {"error": text}


def _is_defect(error: Exception) -> bool:
    """Return whether an error was raised in our code, and is not one of those by which it refuses.

    The innermost frame of either decides: sympy raises anything, a TypeError for what is no number too, and calls our
    code back.
    """
    if isinstance(error, NameError) or _is_missing(error):
        return True
    return not isinstance(error, (*REFUSALS, ImportError)) and _raised_by_us(error.__traceback__)


def _is_missing(error: Exception) -> bool:
    """Return whether a module, or a name of one, is not there; one of C's that cannot be loaded lacks memory."""
    return isinstance(error, ImportError) and (error.path is None or error.path.endswith(".py"))


def _raised_by_us(trace: TracebackType | None) -> bool:
    ours = True
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        if module.startswith((OURS, *THEIRS)):
            ours = module.startswith(OURS)
        trace = trace.tb_next
    return ours
