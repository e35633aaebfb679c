"""Arguments of forward of which nothing says whether they are tensors: what to write if one is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.targets.function.sampling import draw_point
from gradcli.execution.targets.function.subject import Subject
from gradcli.settings import Settings

# What forward is tried with: a size, a dimension.
TRIED = (2, 1, 0)
EXAMPLE = 3

Fits = Callable[[Subject, dict[str, Tensor]], bool]


def hint_of_constant(name: str, value: Tensor) -> str | None:
    """Return how an input of whole numbers is given, such as labels, that is not differentiated; None of any other."""
    is_whole = value.is_floating_point() and bool((value == value.round()).all())
    return f"if '{name}' is a constant, such as labels: `--constant {name}`" if is_whole else None


def hint_of_argument(subject: Subject, settings: Settings, name: str) -> str | None:
    """Return how an argument is given that is no tensor; None for one that is known to be a tensor."""
    if not any(parameter.name == name and parameter.untold for parameter in subject.parameters):
        return None
    value = settings.values.get(name, EXAMPLE)
    if isinstance(value, list):
        return None
    return f"if '{name}' is not a tensor: `--argument {name}={value}`"


def hint_of_number(subject: Subject, settings: Settings, given: Mapping[str, Any], fits: Fits) -> str | None:
    """Return how an argument is given, if forward takes it as a number where it raises for a tensor; else None.

    `fits` runs forward at a point, and raises where forward does.
    """
    for name in subject.tensors:
        others = tuple(other for other in subject.tensors if other != name)
        if not others or name in given or hint_of_argument(subject, settings, name) is None:
            continue
        kept = replace(settings, values={other: value for other, value in settings.values.items() if other != name})
        for value in (settings.values.get(name), *TRIED):
            changed = replace(subject, plain={**subject.plain, name: value}, tensors=others)
            if value is not None and _runs(changed, kept, given, fits):
                return f"if '{name}' is not a tensor: `--argument {name}={value}`"
    return None


def _runs(subject: Subject, settings: Settings, given: Mapping[str, Any], fits: Fits) -> bool:
    try:
        draw_point(subject.tensors, settings, given, lambda point: fits(subject, point))
    except GradcliError:
        return False
    return True
