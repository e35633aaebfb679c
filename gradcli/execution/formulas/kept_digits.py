"""What code loses in single precision where entries are tiny or large, beside the same code in double precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import NotSupportedError
from gradcli.execution.formulas.closed import Form, Target
from gradcli.execution.formulas.executed import executed
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.verified import arguments, code_at, fitted
from gradcli.execution.forward.refusals import REFUSALS

# The entries that one leaf has, the others being as they are: first tiny ones, then larger and larger.
SIZES = (1e-8, 1e-4, 1e-2, 10.0, 30.0, 100.0, 1e4, 1e20)
# How much of a value may be lost, and how many times as much as its own last digits change it.
MOST, TIMES = 1e-3, 100.0
LAST = float(torch.finfo(torch.float32).eps)
LARGEST = float(torch.finfo(torch.float32).max) / 100
OVERFLOWS, CANCELS = "overflows", "loses digits"
Arguments = Mapping[str, Tensor]


def what_is_lost(point: Point, forms: Mapping[Target, Form]) -> dict[Target, tuple[str, ...]]:
    """Return in words where the code of each derivative is wrong in single precision, if anywhere."""
    return {target: words for target, form in forms.items() if (words := tuple(_lost(point, target, form)))}


def _lost(point: Point, target: Target, form: Form) -> Iterator[str]:
    moving = target.is_moving
    given = arguments(point, moving=moving)
    try:
        code = code_at(point, "torch", [fitted(point, target, form.code)], moving=moving)
    except NotSupportedError:
        return
    for leaf in point.wanted:
        places: dict[str, list[float]] = {}
        for size in (sign * size for size in SIZES for sign in (1, -1)):
            kind = _fault(code, given, leaf.name or leaf.text, size)
            if kind is not None:
                places.setdefault(kind, []).append(size)
        for kind, sizes in places.items():
            yield f"in single precision it {kind} where {leaf.name or leaf.text} is {_shown(sizes)}"


def _shown(sizes: list[float]) -> str:
    """Return the sizes as text: both signs of one as one."""
    both = [size for size in sizes if size > 0 and -size in sizes]
    texts = [f"±{size:g}" if size in both else f"{size:g}" for size in sizes if -size not in both]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def _fault(code: str, given: Arguments, name: str, size: float) -> str | None:
    """Return what happens where all entries of a leaf are of one size; None if the code keeps its digits there."""
    narrow = {key: _narrowed(value) for key, value in {**given, name: torch.full_like(given[name], size)}.items()}
    wide = {key: value.double() if value.is_floating_point() else value for key, value in narrow.items()}
    moved = {key: value * (1 + LAST) if value.is_floating_point() else value for key, value in wide.items()}
    try:
        found, exact, again = (executed(code, "torch", values)[0].double() for values in (narrow, wide, moved))
    except REFUSALS:
        return None
    is_known = exact.isfinite() & (exact.abs() < LARGEST) & again.isfinite()
    if bool((is_known & ~found.isfinite()).any()):
        return OVERFLOWS
    largest = float(exact[is_known].abs().max()) if bool(is_known.any()) else 0.0
    is_off = (found - exact).abs() > MOST * exact.abs() + TIMES * (again - exact).abs() + LAST * largest * MOST
    return CANCELS if bool((is_known & is_off & (exact.abs() > TINY)).any()) else None


TINY = float(torch.finfo(torch.float32).tiny) / LAST


def _narrowed(value: Any) -> Any:
    return value.float() if value.is_floating_point() else value
