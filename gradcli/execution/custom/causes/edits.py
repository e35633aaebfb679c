"""A wrong backward with one expression in it changed: what makes it right, here and elsewhere, is the likely cause."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.comparison.causes import show_number
from gradcli.execution.custom.causes.changes import (
    MOST_NAMES,
    Edit,
    Spot,
    alone,
    combined,
    negated,
    other_numbers,
    rearranged,
    spots,
    variables,
    with_terms,
    without,
)
from gradcli.execution.custom.causes.elsewhere import probed
from gradcli.execution.custom.causes.sites import Changed, Locals, Site, run_with, watched
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.recording import Recording
from gradcli.execution.targets.function.trial import Applied, Trial
from gradcli.tolerance import CLOSENESS, is_close

# A backward of more calls is not looked into, and so many changes are tried.
MOST_SITES, MOST_EDITS, MOST_ENTRIES = 60, 6000, 4096
# A number that is a fraction but for rounding has a denominator up to this.
LARGEST_DENOMINATOR = 16


@dataclass(frozen=True, slots=True)
class Place:
    """A Function applied somewhere, an upstream gradient, the right gradient there, and what forward makes."""

    applied: Applied
    cotangent: Tensor
    right: Tensor
    made: Mapping[str, Tensor]

    def gradient(self, position: int, edit: Edit) -> Tensor | None:
        """Return what backward gives there with an edit, as an argument's gradient; None if that is none."""
        found = run_with(self.applied, self.cotangent, position, Changed(edit.changes, self.made))
        if found is None or found.shape != self.right.shape or not found.is_floating_point():
            return None
        return double(found) if bool(found.isfinite().all()) else None

    def is_right(self, position: int, edit: Edit) -> bool:
        """Return whether backward is right there with an edit."""
        found = self.gradient(position, edit)
        return found is not None and is_close(found, self.right)


def edited(trial: Trial, name: str) -> str | None:
    """Return in words the one change in backward that makes the gradient of an input right everywhere; or None."""
    places = [
        Place(applied, cotangent, double(right[name].detach()), _made(recording))
        for applied, cotangent, right, recording in probed(trial)
    ]
    if not places or places[0].right.is_complex() or places[0].right.numel() > MOST_ENTRIES:
        return None
    position = [parameter.name for parameter in trial.subject.parameters].index(name)
    try:
        sites = watched(places[0].applied, places[0].cotangent)
    except GradcliError:
        return None
    found = (edit for edits in _edits(places[0], position, sites) for edit in edits)
    for edit in islice(found, MOST_EDITS if len(sites) <= MOST_SITES else 0):
        if all(place.is_right(position, edit) for place in places):
            return edit.words
    return None


def _made(recording: Recording) -> dict[str, Tensor]:
    """Return what forward makes, by how it is written."""
    made = [traced for call in recording.trace.calls for traced in call.outputs if traced.tensor.is_floating_point()]
    return {
        traced.text: traced.tensor.detach() for traced in made[-MOST_NAMES:] if traced.tensor.numel() <= MOST_ENTRIES
    }


def _edits(place: Place, position: int, sites: Sequence[Site]) -> Iterator[Iterable[Edit]]:
    """Yield groups of edits, the simplest first."""
    values = list(spots(sites))
    made = {f"'{name}'": (value, partial(_get, name)) for name, value in place.made.items()}
    yield map(negated, values)
    yield (edit for spot in values for edit in _by_numbers(place, position, spot))
    yield (edit for site in sites for edit in rearranged(site))
    yield (edit for site in sites for edit in other_numbers(site))
    yield (edit for spot in values for edit in alone(spot))
    yield (edit for site in sites for edit in without(site))
    yield (edit for spot in values for edit in combined(spot, variables(spot.site.names)))
    yield (edit for spot in values for edit in combined(spot, made))
    yield (edit for spot in values for edit in with_terms(spot, variables(spot.site.names)))


def _get(name: str, names: Locals) -> Tensor:
    value: Tensor = names[name]
    return value


def _by_numbers(place: Place, position: int, spot: Spot) -> Iterator[Edit]:
    """Yield a value times a number, and plus one: which, a gradient that is linear in it says."""
    for start, change, words in NUMBERS:
        ends = [place.gradient(position, spot.edit("", partial(change, number))) for number in (start, start + 1)]
        if ends[0] is None or ends[1] is None:
            continue
        slope = ends[1] - ends[0]
        square = float((slope * slope).sum())
        number = start + float((slope * (place.right - ends[0])).sum()) / square if square else math.inf
        if math.isfinite(number):
            number = _simple(number)
            said = words.format(spot.what, show_number(number)) if number else f"without {spot.what}"
            yield spot.edit(said, partial(change, number))


def _times(number: float, value: Any, _: Locals) -> Any:
    return value * number


def _plus(number: float, value: Any, _: Locals) -> Any:
    return value + number


NUMBERS: tuple[tuple[float, Callable[[float, Any, Locals], Any], str], ...] = (
    (1.0, _times, "with {} times {}"),
    (0.0, _plus, "with {1} added to {0}"),
)


def _simple(number: float) -> float:
    """Return a number, or the fraction that it is but for rounding."""
    for denominator in range(1, LARGEST_DENOMINATOR + 1):
        near = round(number * denominator) / denominator
        if abs(near - number) <= CLOSENESS * max(1.0, abs(number)):
            return near
    return number
