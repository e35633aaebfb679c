"""The same comparison for other shapes that forward takes, and which of those that backward refuses it must take."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.custom.checks.findings import NO_TIME, Findings
from gradcli.execution.custom.checks.judgement import ILL_CONDITIONED, NOT_FINITE, Judge
from gradcli.execution.targets.function.sampling import (
    LARGEST,
    broadcasting_shapes,
    draw_point,
    is_finite,
    other_shapes,
    resampled,
    spread,
)
from gradcli.execution.targets.function.subject import Values
from gradcli.execution.targets.function.trial import Applied, Trial, apply
from gradcli.phrases import show_shape
from gradcli.report.custom import Check
from gradcli.report.notes import Note, NoteKind, Notes, noted

Shapes = Mapping[str, tuple[int, ...]]
REFUSED = "backward refuses them"
# The part of the time limit after which no more shapes are begun.
SHARE = 0.6
SUMS = "for {}, the gradient of '{}' is returned with shape {}: PyTorch's engine sums it"
ADVICE = Note(NoteKind.REMEDY, "refuse such shapes in forward, or allow for them in backward")


@dataclass(frozen=True, slots=True)
class Refused:
    """Shapes that forward takes and backward does not."""

    label: str
    shapes: Shapes
    error: ExecutionError


def shapes(trial: Trial) -> Check | None:
    """Compare backward with autograd of the reference for other shapes that forward takes."""
    judge, findings, refused = Judge.of(trial), Findings(), list[Refused]()
    reason = _fixed(trial)
    if reason:
        findings.miss("other shapes", reason)
        return findings.check("other shapes")
    others = other_shapes(_shapes(trial.point))
    for changed in _in_time(trial, findings, others):
        with findings.in_time(trial, _label(changed)):
            item = _look(judge, findings, changed)
            refused += [item] if item else []
    if refused:
        _judge(judge, findings, refused)
    beside = [changed for changed in broadcasting_shapes(_shapes(trial.point)) if changed not in others]
    for changed in _in_time(trial, findings, beside):
        with findings.in_time(trial, _label(changed)):
            _look_beside(judge, findings, changed)
    return findings.check("other shapes")


def _in_time(trial: Trial, findings: Findings, changed: Sequence[Shapes]) -> Iterator[Shapes]:
    """Yield shapes as long as there is time, and note the others."""
    for shaped in changed:
        if trial.has_time(SHARE):
            yield shaped
        else:
            findings.miss(_label(shaped), NO_TIME)


def _look(judge: Judge, findings: Findings, changed: Shapes) -> Refused | None:
    """Look at shapes, and note what is wrong there; return them if backward refuses them."""
    label = _label(changed)
    try:
        point = _drawn(judge.trial, changed)
        applied = apply(judge.trial.subject, point)
    except ExecutionError:
        findings.miss(label, "forward refuses them")
        return None
    if not is_finite(applied.outputs):
        findings.miss(label, NOT_FINITE)
        return None
    error = _refusal(applied)
    if error is not None:
        return Refused(label, changed, error)
    if _is_by_chance(judge.trial, applied, changed):
        _say_beside(judge, findings, applied, point)
        return None
    wrong = judge.notes(applied, point, f"for {label}")
    if wrong and judge.has_lost_its_digits(point, applied):
        findings.miss(label, ILL_CONDITIONED)
        return None
    findings.wrong += wrong
    findings.say(() if wrong else _summed(judge.trial, applied, label))
    return None


def _is_by_chance(trial: Trial, applied: Applied, changed: Shapes) -> bool:
    """Return whether forward takes fewer axes of one of several inputs as something else: its output keeps all of its.

    A matrix that is multiplied with a vector may be a vector too: the product is a number then, and is broadcast.
    """
    fewer = any(len(shape) < trial.point[name].ndim for name, shape in changed.items())
    return len(changed) > 1 and fewer and applied.output.ndim == trial.probe.ndim > 0


def _look_beside(judge: Judge, findings: Findings, changed: Shapes) -> None:
    """Look at shapes that forward may take as broadcast, and note what is wrong there: it need not be meant to."""
    try:
        point = _drawn(judge.trial, changed)
        applied = apply(judge.trial.subject, point)
    except ExecutionError:
        return
    if _refusal(applied) is not None:
        findings.miss(_label(changed), REFUSED)
    elif is_finite(applied.outputs):
        _say_beside(judge, findings, applied, point)


def _say_beside(judge: Judge, findings: Findings, applied: Applied, point: Values) -> None:
    """Say what is wrong where forward need not be meant to take such shapes."""
    label = _label(_shapes(point))
    wrong = judge.notes(applied, point, f"forward takes {label} too, and there")
    findings.say((*wrong[0], ADVICE) if wrong else _summed(judge.trial, applied, label))


def _label(shapes: Shapes) -> str:
    return ", ".join(
        f"{name} of shape {show_shape(shape)}" if shape else f"a scalar {name}" for name, shape in shapes.items()
    )


def _summed(trial: Trial, applied: Applied, label: str) -> Notes:
    """Return a note on the first gradient that is right because PyTorch's engine sums what backward returns."""
    try:
        returned = applied.returned(spread(applied.output, 0.5, 1.5))
    except ExecutionError:  # the engine passes over what it does not need
        return ()
    for parameter, item in zip(trial.subject.parameters, returned, strict=False):
        leaf = applied.leaves.get(parameter.name)
        if isinstance(item, Tensor) and leaf is not None and item.shape != leaf.shape:
            name, shape = parameter.name, show_shape(tuple(item.shape))
            words = f"{SUMS.format(label, name, shape)} (in backward, `.sum_to_size({name}.shape)` would)"
            return noted(NoteKind.SHAPE, words, name)
    return ()


def _shapes(point: Values) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in point.items()}


def _fixed(trial: Trial) -> str | None:
    """Return why shapes must stay as they are, or None."""
    if not all(value.is_floating_point() or value.is_complex() for value in trial.point.values()):
        return "integers are indices, which go with their own shapes"
    given = [name for name in _given_constants(trial) if trial.point[name].ndim]
    return f"the value of '{given[0]}' is given, and it is a constant" if given else None


def _given_constants(trial: Trial) -> list[str]:
    return [name for name in trial.point if name in trial.given and name not in trial.wanted]


def _drawn(trial: Trial, shapes: Shapes) -> Values:
    """Return a random point of other shapes, with the numbers that are given as constants.

    Where the user gives values, it has such as these, if forward takes them: they may have to be small, or positive.
    """
    sizes: dict[str | None, tuple[int, ...]] = {**shapes}  # type: ignore[dict-item]  # its keys are only names
    settings = dataclasses.replace(
        trial.settings,
        shapes=sizes,
        init=None,
        constants=tuple(name for name, value in trial.point.items() if not value.requires_grad),
        seed=trial.settings.seed + 1,
        values={},
        values_file=None,
    )
    kept = {name: trial.point[name].detach() for name in _given_constants(trial)}
    alike = {name: resampled(trial.point[name], shapes[name], settings.seed) for name in trial.given & {*trial.wanted}}

    def fits(point: Values) -> bool:
        return is_finite(apply(trial.subject, point).outputs)

    with contextlib.suppress(ExecutionError):
        point = draw_point(list(trial.point), settings, {**kept, **alike}, fits) if alike else {}
        if point and fits(point):
            return point
    return draw_point(list(trial.point), settings, kept, fits)


def _refusal(applied: Applied) -> ExecutionError | None:
    """Return what backward raises, or None."""
    try:
        applied.gradients(spread(applied.output, 0.5, 1.5))
    except ExecutionError as error:
        return error
    return None


def _judge(judge: Judge, findings: Findings, refused: list[Refused]) -> None:
    """Note the shapes that backward refuses: an error is no wrong gradient, if they are none that it could take.

    These are those of another number of axes, those that an argument gives (a list of lengths), and those in which an
    axis has another length that has one only (the coordinates of points), as long as the others may have any.
    """
    trial = judge.trial
    own, lengths = _shapes(trial.point), _lengths(trial.point)
    only = {length for length in lengths if _is_only(trial, length)}
    listed = any(isinstance(value, list | tuple) for value in trial.subject.plain.values())
    for item in refused:
        ranked = any(len(shape) != len(own[name]) for name, shape in item.shapes.items())
        bound = not ranked and only < lengths and any(_is_changed(own, item.shapes, length) for length in only)
        if ranked or listed or bound:
            findings.miss(item.label, REFUSED)
        else:
            where = f"for {item.label}"
            findings.wrong.append(noted(NoteKind.ERROR, f"{where}, {item.error.message}", where))
    if only and only < lengths:
        _look(judge, findings, _changed(own, {length: length + 1 for length in lengths - only}))


def _lengths(point: Values) -> set[int]:
    return {size for value in point.values() for size in value.shape}


def _is_changed(own: Shapes, shapes: Shapes, length: int) -> bool:
    """Return whether an axis of a length has another one."""
    pairs = ((old, new) for name, shape in shapes.items() for old, new in zip(own[name], shape, strict=True))
    return any(old == length != new for old, new in pairs)


def _changed(shapes: Shapes, lengths: Mapping[int, int]) -> Shapes:
    """Return shapes with other lengths in place of some."""
    return {name: tuple(lengths.get(size, size) for size in shape) for name, shape in shapes.items()}


def _is_only(trial: Trial, length: int) -> bool:
    """Return whether backward takes no other length than one, where forward does."""
    found: list[bool] = []
    for other in (length + 1, 2 * length + 1):
        changed = _changed(_shapes(trial.point), {length: other})
        if any(math.prod(shape) > LARGEST for shape in changed.values()):
            continue
        try:
            found.append(_refusal(apply(trial.subject, _drawn(trial, changed))) is not None)
        except ExecutionError:
            continue
    return bool(found) and all(found)
