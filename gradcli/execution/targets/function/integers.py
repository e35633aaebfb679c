"""Whether forward refuses an input for its kind of number: integers where it wants real numbers, or the reverse."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.targets.function.sampling import draw_point
from gradcli.execution.targets.function.subject import Subject
from gradcli.settings import Settings

Fits = Callable[[dict[str, Tensor]], bool]


def taken_as_integers(subject: Subject, settings: Settings, given: Mapping[str, Any], fits: Fits) -> tuple[str, ...]:
    """Return the inputs given as integers that forward takes as such alone: labels, indices; none if that is not why.

    `fits` runs forward at a point, and raises where forward does.
    """
    valued = {**settings.values, **given}
    free = [name for name in subject.tensors if is_whole(valued.get(name)) and name not in settings.constants]
    for names in (*([name] for name in free), *([free] if len(free) > 1 else [])):
        if _runs(subject, with_constants(settings, names), given, fits):
            return tuple(names)
    return ()


def hint_of_kind(subject: Subject, settings: Settings, given: Mapping[str, Any], fits: Fits) -> str | None:
    """Return in words how integers are given as real numbers, if forward takes an input so; else None."""
    for name, values in _made_real(subject, settings, given):
        if _runs(subject, settings, values, fits):
            return f"write numbers with a point, as 1.0, in the value of '{name}': it holds integers"
    return None


def with_constants(settings: Settings, names: Iterable[str]) -> Settings:
    """Return the settings with further constants."""
    return dataclasses.replace(settings, constants=(*settings.constants, *names))


def _made_real(
    subject: Subject, settings: Settings, given: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each constant given as integers, and the values with real numbers in its place."""
    valued = {**settings.values, **given}
    for name in subject.tensors:
        if name in settings.constants and is_whole(valued.get(name)):
            yield name, {**given, name: _real(valued[name])}


def _runs(subject: Subject, settings: Settings, given: Mapping[str, Any], fits: Fits) -> bool:
    try:
        draw_point(subject.tensors, settings, given, fits)
    except GradcliError:
        return False
    return True


def is_whole(value: Any) -> bool:
    """Return whether a value from Python or an option has only integers."""
    if isinstance(value, list | tuple):
        return bool(value) and all(map(is_whole, value))
    return isinstance(value, int) and not isinstance(value, bool)


def _real(value: Any) -> Any:
    return [_real(item) for item in value] if isinstance(value, list | tuple) else float(value)
