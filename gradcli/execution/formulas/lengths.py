"""Lengths by name: a program run at lengths that no number of its own is, so that what depends on them shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from gradcli.derivation.notation.unified import Sizes, unified
from gradcli.errors import InputError
from gradcli.execution.formulas.closed import Form
from gradcli.execution.formulas.points import Point, variable, with_lengths
from gradcli.execution.forward.trace import TracedTensor
from gradcli.settings import Settings

# Names of lengths that no index has.
NAMES = "nmdhcefuvwxyz"
# Lengths that have no divisor in common with each other. Neither they nor one less have a square in them, so that the
# square roots of either stay as they are.
FIRST, SECOND = (11, 23, 7, 31, 43, 47), (31, 43, 23, 59, 67, 71)
# Leaves of more axes are run at smaller lengths.
FIRST_SMALL, SECOND_SMALL = (5, 7, 3, 11), (7, 11, 5, 13)
LARGE_RANK = 4
# What returns a number for a single variable.
OF_ONE = frozenset({"cov", "corrcoef"})


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths that have names, and two points at which they are others."""

    names: dict[int, str]
    """The length at the point itself, and its name."""
    points: tuple[Point, Point]
    sizes: tuple[dict[str, int], dict[str, int]]
    """What each length is at the two points."""

    def unified(self, texts: Sequence[str]) -> str | None:
        """Return the formula that is one of the texts at each of the points; None if they are not alike."""
        return unified(texts, self.sizes)

    def shapes(self, of: Callable[[Point], Sequence[TracedTensor]], here: Point) -> list[tuple[int | str, ...]]:
        """Return the shapes of some tensors of a point, each length as a number or as an expression of names.

        One that is neither, as of what a mask picks, is the number that it is at the point itself.
        """
        found = []
        for own, *several in zip(of(here), *(of(point) for point in self.points), strict=True):
            axes = zip(own.tensor.shape, *(traced.tensor.shape for traced in several), strict=True)
            texts = [self.unified([*map(str, others)]) or str(size) for size, *others in axes]
            found.append(tuple(int(text) if text.isdigit() else text for text in texts))
        return found

    def here(self) -> Sizes:
        """Return what each length is at the point itself."""
        return {name: length for length, name in self.names.items()}


def lengths(here: Point, given: Mapping[str, Any], taken: Collection[str]) -> Lengths | None:
    """Return the lengths that the program leaves open: as many as it runs for at once; None if there are none."""
    known = variable(here, given)
    free = [name for name in NAMES if name not in taken]
    is_large = max((len(shape) for shape in here.shapes.values()), default=0) >= LARGE_RANK
    first, second = (FIRST_SMALL, SECOND_SMALL) if is_large else (FIRST, SECOND)
    most = min(len(known), len(free), len(first))
    for count in range(most, 0, -1):
        for chosen in combinations(known, count):
            points = [_point(here, chosen, other, given, seed) for seed, other in enumerate((first, second))]
            if points[0] is not None and points[1] is not None:
                return _named(chosen, free, (points[0], points[1]), (first, second))
    return None


def named_lengths(here: Point, given: Mapping[str, Any]) -> Lengths:
    """Return the lengths that the user gives names; InputError if the program does not run for others.

    So it is if a tensor has such a name too: a formula could not tell them apart.
    """
    for leaf in here.trace.leaves:
        if leaf.name in here.settings.sizes:
            message = f"'{leaf.name}' is a tensor of the program, and a length in --shape"
            raise InputError(message, option="--shape", hint=_other_spelling(here, leaf.name))
    known = {length: name for name, length in here.settings.sizes.items()}
    is_large = max((len(shape) for shape in here.shapes.values()), default=0) >= LARGE_RANK
    others = (FIRST_SMALL, SECOND_SMALL) if is_large else (FIRST, SECOND)
    points = [_point(here, [*known], other, given, seed) for seed, other in enumerate(others)]
    if points[0] is None or points[1] is None:
        names = ", ".join(known.values())
        raise InputError(f"the program does not run for other lengths of {names}", option="--shape")
    first, second = (dict(point.settings.sizes) for point in points if point is not None)
    return Lengths(known, (points[0], points[1]), (first, second))


def turned_settings(settings: Settings) -> Settings | None:
    """Return settings with the lengths that have names the other way round; None of fewer than two."""
    lengths = [*settings.sizes.values()]
    if len(lengths) < 2:  # noqa: PLR2004 (which one is larger)
        return None
    turned = dict(zip(lengths, reversed(lengths), strict=True))
    shapes = {name: tuple(turned.get(size, size) for size in shape) for name, shape in settings.shapes.items()}
    return replace(settings, shapes=shapes, sizes={name: turned[size] for name, size in settings.sizes.items()})


def _other_spelling(here: Point, name: str) -> str:
    """Return how else to say a length in the program, by the tensor that has it."""
    length = here.settings.sizes[name]
    places = ((tensor, shape.index(length)) for tensor, shape in here.shapes.items() if length in shape)
    tensor, axis = next(places)
    return f"`{tensor}.shape[{axis}]` is the length in a program; a tensor needs a different name"


def keeps_axes(here: Point, known: Lengths, given: Mapping[str, Any]) -> bool:
    """Tell whether the output has as many axes where a length is 1: `squeeze`, and what OF_ONE names, drop one then.

    No other program is run there: its indices may be beyond so few entries, which not all of PyTorch's kernels refuse.
    """
    if not any("squeeze" in call.op.name or call.op.name in OF_ONE for call in here.trace.calls):
        return True
    for length in known.names:
        found = with_lengths(here, {length: 1}, given, here.settings.seed)
        if found is not None and found.output.tensor.ndim != here.output.tensor.ndim:
            return False
    return True


def points_of(here: Point, known: Lengths, given: Mapping[str, Any]) -> list[Point]:
    """Return the points of other lengths at which a Function for all lengths is run."""
    wide = _turned(here, known, given)
    return [point.explicit() for point in (*known.points, *([] if wide is None else [wide]))]


def _turned(here: Point, known: Lengths, given: Mapping[str, Any]) -> Point | None:
    """Return a point at which what was tall is wide; None where there is no such, or the program does not run there."""
    first = known.sizes[0]
    lengths = sorted(known.names)
    if len(lengths) < 2:  # noqa: PLR2004 (which one is larger)
        return None
    others = sorted((first[known.names[length]] for length in lengths), reverse=True)
    return with_lengths(here, dict(zip(lengths, others, strict=True)), given, here.settings.seed + 13)


def unified_form(known: Lengths, forms: Sequence[Form]) -> Form | None:
    """Return the form that is one of the forms at each of the points; None if they are not alike."""
    texts = {name: known.unified([getattr(form, name) for form in forms]) for name in ("text", "code", "raw")}
    exceptions = [form.exception or "" for form in forms]
    texts["raw"] = texts["raw"] or texts["text"]  # what it was made from may have its terms in another order
    if any(form.cases for form in forms):  # else it is said that the code has none of them
        texts["code"] = texts["code"] or texts["text"]
    if any(text is None for text in texts.values()):
        return None
    entry = known.unified([form.entry for form in forms]) or ""
    said = [form.rewritten for form in forms]
    rewritten = tuple(known.unified(several) or several[0] for several in zip(*said, strict=False))
    return Form(
        **texts,  # type: ignore[arg-type]
        entry=entry,
        rewritten=rewritten,
        exception=known.unified(exceptions) or None,
        cases=forms[0].cases,
    )


def unified_lines(
    unified: Callable[[Sequence[str]], str | None], several: Sequence[Sequence[str]]
) -> tuple[str, ...] | None:
    """Return statements that are one of the several at each of the points; None if they are not alike."""
    if len({len(lines) for lines in several}) > 1:
        return None
    found = []
    for lines in zip(*several, strict=True):
        targets, bodies = zip(*(line.split(" = ", 1) for line in lines), strict=True)
        body = unified(bodies)
        if body is None or len(set(targets)) > 1:
            return None
        found.append(f"{targets[0]} = {body}")
    return tuple(found)


def _point(
    here: Point, chosen: Sequence[int], other: Sequence[int], given: Mapping[str, Any], seed: int
) -> Point | None:
    changed = _changed(chosen, other)
    return with_lengths(here, changed, given, here.settings.seed + 11 + seed)


def _changed(chosen: Sequence[int], other: Sequence[int]) -> dict[int, int]:
    """Return the other lengths of those that are chosen: in the same order, so that what is tall stays tall."""
    return dict(zip(sorted(chosen), sorted(other[: len(chosen)]), strict=True))


def _named(
    chosen: Sequence[int], free: Sequence[str], points: tuple[Point, Point], others: tuple[Sequence[int], Sequence[int]]
) -> Lengths:
    names = dict(zip(chosen, free, strict=False))
    first, second = (
        {names[length]: changed for length, changed in _changed(chosen, other).items()} for other in others
    )
    return Lengths(names, points, (first, second))
