"""What PyTorch raises, as an error that quotes it: the one way in which a call into PyTorch fails."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

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
# What PyTorch says where it has an op, or its derivative, but not for numbers of this type.
OF_TYPES = re.compile(r"dtype|(?:scalar|input) type|complex|float|\bhalf\b|not implemented for '", re.IGNORECASE)
# What a Jacobian of complex numbers is refused with: PyTorch leaves it to its user which one is meant.
REAL = {
    "inputs to be real": "write a complex leaf as `torch.complex(a, b)` of two real ones, with `--dtype float64`; "
    "`gradcli eval` gives gradients by complex leaves",
    "outputs to be real": "take the output's `.real`, `.imag` or `.abs()`",
}
NO_FORWARD = ("forward AD", "forward mode AD")
NO_BACKWARD = re.compile(r"^(?:the )?derivative for \S+ is not implemented")
OF_INTEGERS = re.compile(
    r"(?:got:?|found|for) .*\b(?:long|int|short|byte|char|bool)\b|supports floating", re.IGNORECASE
)
LOWER = frozenset({torch.float16, torch.bfloat16})


@contextmanager
def refusals(what: str, where: str | None = None, dtypes: Iterable[torch.dtype] = ()) -> Iterator[None]:
    """Turn what PyTorch raises into an error that quotes it; that it calls what it has deprecated is its own affair.

    `where` says more of it than `what`, for the message after a crash; `dtypes` are what is computed with.
    """
    begin(where or what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    except REFUSALS as error:
        raise refused(what, error, advice(first_line(error), dtypes)) from None


def refused(what: str, error: BaseException, hint: str | None = None) -> GradcliError:
    """Return the error that PyTorch refuses something, with the first line of what it says."""
    said = first_line(error).removesuffix(LISTED)
    return out_of_memory(error) or ExecutionError(f"PyTorch refuses {what}: {said}", hint=hint)


def says_pytorch(error: GradcliError) -> bool:
    """Tell whether it is PyTorch that refuses, and so Python's own run would have come to an error there."""
    return "PyTorch refuses" in error.message or "PyTorch says" in error.message


def advice(said: str, dtypes: Iterable[torch.dtype]) -> str | None:
    """Return what to do where PyTorch has no such derivative, or not for numbers of these types; else None."""
    types = set(dtypes)
    if any(words in said for words in NO_FORWARD):
        return "PyTorch has no forward mode of it: `gradcli jacobian` goes backward, row by row"
    for words, hint in REAL.items():
        if words in said:
            return hint
    if NO_BACKWARD.search(said):
        return "PyTorch has no such derivative: ops that have one can compute the same"
    if not OF_TYPES.search(said):
        return None
    if any(dtype.is_complex for dtype in types):
        return "`--dtype float64` runs it on real numbers; `.real` and `.abs()` make a complex tensor real"
    if types & LOWER:
        return "`--dtype float32` and `--dtype float64` have it"
    if any(not dtype.is_floating_point for dtype in types) and OF_INTEGERS.search(said):
        return "write the integers as floats, `1.` in place of `1`, or multiply them by `1.`"
    return None
