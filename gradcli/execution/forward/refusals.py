"""What PyTorch raises, as an error that quotes it: the one way in which a call into PyTorch fails."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from gradcli.errors import ExecutionError, GradcliError, first_line, out_of_memory
from gradcli.progress import begin

# What follows lists signatures, on lines of their own.
LISTED = ", but expected one of:"
# All that PyTorch has been seen to raise, its Python parts too (`F.softsign(2)`: an int has no `abs`).
REFUSALS = (
    RuntimeError,
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    MemoryError,
)


@contextmanager
def refusals(what: str, where: str | None = None) -> Iterator[None]:
    """Turn what PyTorch raises into an error that quotes it; that it calls what it has deprecated is its own affair.

    `where` says more of it than `what`, for the message after a crash.
    """
    begin(where or what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    except REFUSALS as error:
        raise refused(what, error) from None


def refused(what: str, error: BaseException, hint: str | None = None) -> GradcliError:
    """Return the error that PyTorch refuses something, with the first line of what it says."""
    said = first_line(error).removesuffix(LISTED)
    return out_of_memory(error) or ExecutionError(f"PyTorch refuses {what}: {said}", hint=hint)
