"""Whether forward refuses an input for its kind of number: integers where it wants real numbers, or the reverse."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.targets.function.sampling import draw_point
from gradcli.execution.targets.function.subject import Subject
from gradcli.settings import Settings

Fits = Callable[[dict[str, Tensor]], bool]


def hint_of_kind(subject: Subject, settings: Settings, given: Mapping[str, Any], fits: Fits) -> str | None:
    """Return in words how an input is given as the other kind of number, if forward takes it then; else None.

    `fits` runs forward at a point, and raises where forward does.
    """
    for hint, changed, values in _changes(subject, settings, given):
        try:
            draw_point(subject.tensors, changed, values, fits)
        except GradcliError:
            continue
        return hint
    return None


def _changes(
    subject: Subject, settings: Settings, given: Mapping[str, Any]
) -> Iterator[tuple[str, Settings, Mapping[str, Any]]]:
    """Yield a hint, and the settings and values that it leads to."""
    valued = {**settings.values, **given}
    whole = [name for name in subject.tensors if _is_whole(valued.get(name))]
    free = [name for name in whole if name not in settings.constants]
    for names in (*([name] for name in free), *([free] if len(free) > 1 else [])):
        options = " ".join(f"--constant {name}" for name in names)
        changed = dataclasses.replace(settings, constants=(*settings.constants, *names))
        yield (
            f"`{options}` keeps the integers that are given: as an input of forward they become real numbers",
            (changed),
            given,
        )
    for name in whole:
        if name in settings.constants:
            values = {**given, name: _real(valued[name])}
            yield f"write numbers with a point, as 1.0, in the value of '{name}': it holds integers", settings, values


def _is_whole(value: Any) -> bool:
    """Return whether a value from Python or an option has only integers."""
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_whole, value))
    return isinstance(value, int) and not isinstance(value, bool)


def _real(value: Any) -> Any:
    return [_real(item) for item in value] if isinstance(value, list | tuple) else float(value)
