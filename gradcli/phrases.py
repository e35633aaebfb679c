"""Phrases that messages and reports share: a shape, a choice of names, and the known name that was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

NEAR = 0.65  # difflib's own 0.6 takes `--nope` for `--shape`


def show_shape(shape: Sequence[int]) -> str:
    """Return a shape as `--shape` takes it: `2x3`, or `scalar`."""
    return "x".join(map(str, shape)) if shape else "scalar"


def either(names: Iterable[str]) -> str:
    """Return the names to choose from: `a, b or c`."""
    return " or ".join(", ".join(names).rsplit(", ", 1))


def every(names: Iterable[str]) -> str:
    """Return names that are all meant: `a, b and c`."""
    return " and ".join(", ".join(names).rsplit(", ", 1))


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word nearest to `word`, or None if none is near."""
    import difflib

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=NEAR)), None)


def did_you_mean(
    word: str,
    known: Iterable[str],
    otherwise: str | None = None,
    *,
    then: str | None = None,
    nearest: Callable[[str, Iterable[str]], str | None] = closest,
) -> str | None:
    """Return the hint that names the known word nearest to `word`, followed by `then`; if none is near, `otherwise`."""
    near = nearest(word, known)
    if near is None:
        return otherwise
    return f"did you mean '{near}'?" if then is None else f"did you mean '{near}'? {then}"
