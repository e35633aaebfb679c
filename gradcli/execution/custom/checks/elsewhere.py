"""The same comparison elsewhere: at other points, for other shapes, strides, dtypes and upstream gradients."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.custom.causes.regions import region
from gradcli.execution.custom.checks.findings import NO_TIME, Findings
from gradcli.execution.custom.checks.judgement import NOT_FINITE, Judge
from gradcli.execution.targets.function.constants import constants_of, scales_of
from gradcli.execution.targets.function.sampling import (
    expanded,
    moved,
    offset,
    other_strides,
    sliced,
    strided,
)
from gradcli.execution.targets.function.trial import Trial, apply
from gradcli.execution.targets.function.wide import ENTRIES, promised, spots
from gradcli.report.custom import Check
from gradcli.report.notes import NoteKind, noted

POINTS = 2
# How many times as large or small upstream gradients are made.
SCALES = (1e3, 1e-3, 1e-6)
# The part of the time limit after which no more points are begun.
SHARE = 0.4
MANY = "forward and backward compare with more numbers than are tried"


def other_points(trial: Trial) -> Check:
    """Compare backward with autograd of the reference at points near the one of the report, and far from it."""
    judge, findings = Judge.of(trial), Findings()
    for seed in range(trial.settings.seed + 1, trial.settings.seed + 1 + POINTS):
        near = moved(trial.point, seed)
        try:
            applied = apply(trial.subject, near)
        except ExecutionError:  # it may ask for a constant's very values
            findings.miss(f"a point near (seed {seed})", "forward refuses it")
            continue
        findings.wrong += judge.notes(applied, near, f"at a point near (seed {seed})")
    single = all(trial.point[name].numel() == 1 for name in trial.wanted)
    constants = constants_of(trial)
    for number in constants.left:
        findings.miss(f"{ENTRIES}{number:g}", MANY)
    for spot in spots(trial.point, constants.numbers, scales_of(trial)):
        label = spot.label
        if spot.point is None:
            findings.miss(label, f"{trial.settings.dtype} does not hold them or their powers")
            continue
        if not trial.has_time(SHARE):
            findings.miss(label, NO_TIME)
            continue
        with findings.in_time(trial, label):
            together = judge.look(findings, label, spot.point)
            # Where all of them may not be changed, one input is; and numbers, which tie if all are.
            others = spot.others if single or not together else ()
            if not any([together, *(judge.look(findings, label, other) for other in others)]):
                findings.miss(label, NOT_FINITE)
    equal = _dense(expanded(trial.point))
    if equal is not None:
        judge.look(findings, "inputs that are equal along their first axis", equal)
    _look_at_promises(judge, findings)
    if findings.wrong:
        regions = (region(trial, name) for name in trial.wanted)
        findings.cause = next((words for words in regions if words), None)
    return findings.check("other points")


def _look_at_promises(judge: Judge, findings: Findings) -> None:
    """Look at other integers and truth values; what is wrong there is told, and not held against backward.

    They may be a permutation, or a mask that leaves something in each row, by what the caller promises.
    """
    for words, point in promised(judge.trial.point):
        there = Findings()
        with there.in_time(judge.trial, words):
            judge.look(there, words, point)
        if there.wrong:
            told = f"where {words}, backward is not the derivative: give such values if they are meant"
            findings.say(noted(NoteKind.SCOPE, told, words))


def upstream(trial: Trial) -> Check:
    """Compare backward with autograd of the reference for upstream gradients with zeros, large and small ones.

    Of an output that is not used there are zeros, or None with `set_materialize_grads(False)`.
    """
    judge, findings = Judge.of(trial), Findings()
    for where, cotangent in _cotangents(trial.probe):
        findings.wrong += judge.notes(trial.apply(), trial.point, where, cotangent)
    for used, cotangent in _of_one(trial):
        where = f"where output {used} alone is used"
        findings.wrong += judge.notes(trial.apply(), trial.point, where, cotangent, used)
    return findings.check("zeros in grad_output")


def _of_one(trial: Trial) -> Iterator[tuple[int, Tensor]]:
    """Yield each of several outputs with an upstream gradient that is zero for the others."""
    sizes = [trial.apply().outputs[place].numel() for place in trial.places]
    for used, part in zip(trial.places, torch.arange(sum(sizes)).split(sizes), strict=True):
        if len(sizes) > 1:
            alone = torch.zeros_like(trial.probe).reshape(-1)
            alone[part] = trial.probe.reshape(-1)[part]
            yield used, alone.reshape(trial.probe.shape)


def _cotangents(probe: Tensor) -> Iterator[tuple[str, Tensor]]:
    place = torch.arange(probe.numel(), device=probe.device).reshape(probe.shape)
    yield "for a grad_output of zeros", torch.zeros_like(probe)
    yield "for a grad_output with zeros", torch.where(place % 2 == 0, torch.zeros_like(probe), probe)
    yield "for a grad_output that is zero but for one entry", torch.where(place == 0, probe, torch.zeros_like(probe))
    for factor in SCALES:
        yield f"for a grad_output {factor:g} times as large", factor * probe


def strides(trial: Trial) -> Check:
    """Compare backward with autograd of the reference for inputs and upstream gradients that are not contiguous.

    So for slices: they begin somewhere in their storage.
    """
    judge, findings = Judge.of(trial), Findings()
    try:
        applied = apply(trial.subject, other_strides(trial.point))
    except ExecutionError:
        findings.miss("inputs that are not contiguous", "forward refuses them")
    else:
        findings.wrong += judge.notes(applied, other_strides(trial.point), "for inputs that are not contiguous")
    part = sliced(trial.point)
    findings.wrong += judge.notes(apply(trial.subject, part), part, "for inputs that are slices of longer tensors")
    constant = trial.probe.new_full((), 0.75).expand(trial.probe.shape)
    applied = trial.apply()
    where = "for a grad_output that is expanded, as sum() makes it"
    findings.wrong += judge.notes(applied, trial.point, where, constant)
    findings.wrong += judge.notes(
        trial.apply(), trial.point, "for a grad_output that is not contiguous", strided(trial.probe)
    )
    findings.wrong += judge.notes(
        trial.apply(), trial.point, "for a grad_output that is a slice of a longer tensor", offset(trial.probe)
    )
    wide = expanded(trial.point)
    if wide is not None:
        _look_at_expanded(judge, findings, wide)
    return findings.check("non-contiguous tensors")


def _look_at_expanded(judge: Judge, findings: Findings, wide: dict[str, Tensor]) -> None:
    """Look at expanded inputs; where dense ones of their values are wrong too, "other points" says so."""
    there, alike = Findings(missed=findings.missed), Findings()
    if not judge.look(there, "inputs that are expanded", wide):
        findings.miss("expanded inputs", "forward refuses them")
    dense = _dense(wide) if there.wrong else None
    if dense is not None:
        judge.look(alike, "the same", dense)
    findings.wrong += [] if alike.wrong else there.wrong


def _dense(point: dict[str, Tensor] | None) -> dict[str, Tensor] | None:
    """Return the values of a point in memory of their own."""
    if point is None:
        return None
    return {
        name: value.detach().clone(memory_format=torch.contiguous_format).requires_grad_(value.requires_grad)
        for name, value in point.items()
    }
