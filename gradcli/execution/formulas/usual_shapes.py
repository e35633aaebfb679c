"""Shapes of leaves that have none, where the program does not run on scalars: by their names, as in print.

Capitals are matrices, small letters vectors, and the names of Greek letters scalars, where the program runs so; else
the nearest to it. Lengths are the same only where they have to be. The convention is that of matrixcalculus.org.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations, islice, product
from typing import Any

from gradcli.errors import GradcliError
from gradcli.escaping import LETTERS
from gradcli.execution.formulas.draws import DRAWS
from gradcli.execution.formulas.own_values import free, valued
from gradcli.execution.formulas.points import Point, point
from gradcli.execution.forward.leaves import make_leaves
from gradcli.execution.forward.source import Source
from gradcli.inputs.lengths import NUMBERS
from gradcli.language.program import Program
from gradcli.settings import Settings, Shape

SCALARS = LETTERS | {"lam", "eps"}
# What it costs to be of other rank than the name says, by what it says; and to have an output that is not a scalar.
COSTS = {0: (0.0, 2.0, 3.0), 1: (1.0, 0.0, 2.0), 2: (3.0, 2.0, 0.0)}
NOT_SCALAR = 1.5
# How many ranks and lengths are tried, of how many leaves, and how many axes may have lengths of their own.
MOST, MOST_LEAVES, MOST_AXES = 400, 8, 8
NAMES = "nmkpqrst"
Axis = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Search:
    """What is sought for: ranks and lengths of some leaves of a program."""

    program: Program
    settings: Settings
    given: Mapping[str, Any]
    leaves: tuple[str, ...]
    known: tuple[int, ...]
    """The lengths of other leaves, which have shapes or values."""

    def at(self, lengths: Mapping[Axis, int], ranks: Mapping[str, int]) -> Point | None:
        """Return the program run on these shapes; None if it does not run, or takes the trace of what is not square."""
        shapes: dict[str | None, Shape] = {
            name: tuple(lengths[name, axis] for axis in range(rank)) for name, rank in ranks.items()
        }
        settings = replace(self.settings, shapes={**self.settings.shapes, **shapes})
        for draw in DRAWS:
            with suppress(GradcliError):
                found = point(self.program, settings, self.given, settings.seed, draw)
                return found if _is_usual(found) else None
        return None

    @property
    def fresh(self) -> list[int]:
        """Return lengths that no leaf has."""
        return [number for number in NUMBERS if number not in self.known]


def with_usual_shapes(program: Source, settings: Settings, given: Mapping[str, Any]) -> Settings | None:
    """Return settings with shapes for those leaves that have none; None if it runs on scalars, or on no such shapes."""
    if not isinstance(program, Program) or None in settings.shapes:
        return None
    has = valued(program, settings, given)
    leaves = tuple(name for name in free(program) if name not in {*settings.shapes, *has})
    if not leaves:
        return None
    values = make_leaves([name for name in free(program) if name in has], settings, given)
    shapes = (*settings.shapes.values(), *(value.shape for value in values.values()))
    search = _Search(program, settings, given, leaves, tuple(dict.fromkeys(size for one in shapes for size in one)))
    if search.at({}, dict.fromkeys(search.leaves, 0)) is not None:
        return None
    found = _nearest(search)
    return None if found is None else _named(search, _apart(search, *found))


def _is_usual(here: Point) -> bool:
    """Tell whether all traces are of square matrices: PyTorch takes others too."""
    traces = (call.inputs[0].tensor.shape for call in here.trace.calls if call.op.name == "trace")
    return all(rows == columns for rows, columns in traces)


def _nearest(search: _Search) -> tuple[dict[Axis, int], dict[str, int]] | None:
    """Return lengths and ranks as the names say, or nearly so, on which the program runs."""
    best: tuple[float, dict[Axis, int], dict[str, int]] | None = None
    for cost, ranks, lengths in islice(_choices(search), MOST):
        if best is not None and best[0] <= cost:
            break
        there = search.at(lengths, ranks)
        if there is not None:
            whole = cost + NOT_SCALAR * (there.output.tensor.ndim > 0)
            best = min((whole, lengths, ranks), best or (whole, lengths, ranks), key=lambda one: one[0])
    return None if best is None else best[1:]


def _choices(search: _Search) -> Iterator[tuple[float, dict[str, int], dict[Axis, int]]]:
    """Yield ranks and lengths, and what they cost: the cheapest first."""
    said = [0 if name in SCALARS else 2 if name[0].isupper() else 1 for name in search.leaves]
    for cost, ranks in sorted(_ranks(said) if len(said) <= MOST_LEAVES else []):
        axes = [(name, axis) for name, rank in zip(search.leaves, ranks, strict=True) for axis in range(rank)]
        for lengths in product((*search.fresh[:1], *search.known), repeat=len(axes)):
            yield cost, dict(zip(search.leaves, ranks, strict=True)), dict(zip(axes, lengths, strict=True))


def _ranks(said: Sequence[int]) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Yield ranks of leaves, and what they cost by what their names say."""
    for ranks in product(range(3), repeat=len(said)):
        yield sum(COSTS[own][rank] for own, rank in zip(said, ranks, strict=True)), ranks


def _apart(search: _Search, lengths: dict[Axis, int], ranks: Mapping[str, int]) -> dict[str | None, Shape]:
    """Return the shapes with lengths told apart that need not be the same: the fewest axes at a time."""
    first, *others = search.fresh or (None,)
    left, found = [axis for axis, length in lengths.items() if length == first][:MOST_AXES], dict(lengths)
    for size in range(1, len(left)):
        for chosen in combinations(left, size):
            if not others or not {*chosen} <= {*left}:
                continue
            changed = {**found, **dict.fromkeys(chosen, others[0])}
            if search.at(changed, ranks) is not None:
                found, others = changed, others[1:]
                left = [axis for axis in left if axis not in chosen]
    return {name: tuple(found[name, axis] for axis in range(rank)) for name, rank in ranks.items()}


def _named(search: _Search, shapes: Mapping[str | None, Shape]) -> Settings:
    """Return the settings with these shapes, whose lengths have names; `--steps` shows numbers."""
    settings, known = search.settings, search.known
    taken = {*free(search.program), *settings.sizes}
    new = dict.fromkeys(size for shape in shapes.values() for size in shape if size not in known)
    names = dict(zip((name for name in NAMES if name not in taken), new, strict=False))
    sizes = {} if settings.steps else {**settings.sizes, **names}
    return replace(settings, shapes={**settings.shapes, **shapes}, sizes=sizes)


def note(settings: Settings, usual: Settings) -> str:
    """Return in words which shapes were chosen."""
    names = ", ".join(name for name in usual.shapes if name is not None and name not in settings.shapes)
    usually = "capitals are matrices, small letters vectors, Greek letters scalars, as far as the program runs so"
    return f"no shape is given for {names}: {usually}; `--shape NAME=nxm` gives another"
