"""The same comparison in another dtype: single precision for double, and double precision for any other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.custom.checks.findings import Findings
from gradcli.execution.custom.checks.judgement import Judge
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.targets.function.sampling import moved
from gradcli.execution.targets.function.trial import NoReferenceError, Trial, apply
from gradcli.report.custom import Check
from gradcli.settings import DataType
from gradcli.tolerance import Tolerance

# What a Function is run in too, and what one in double precision is not.
OTHER: Mapping[DataType, DataType] = {
    "float64": "float32",
    "complex128": "complex64",
    "float32": "float64",
    "float16": "float64",
    "bfloat16": "float64",
    "complex64": "complex128",
}
UNTRIED: Mapping[str, tuple[str, ...]] = {"float64": ("float16", "bfloat16")}
# How many units in the last place of its own dtype a gradient may be off by in double precision: a backward may cast
# to that dtype by itself.
UNITS = 2.0


def in_other_dtype(trial: Trial) -> Check:
    """Compare backward with autograd of the reference in another dtype.

    A lower dtype's tolerance hides a gradient that is off by some hundredths, which is no rounding in double precision.
    """
    dtype, findings = OTHER[trial.settings.dtype], Findings()
    settings = dataclasses.replace(trial.settings, dtype=dtype, rtol=None, atol=None)
    other = dataclasses.replace(trial, settings=settings, probe=_cast(trial.probe, dtype))
    point = {name: _cast(value, dtype) for name, value in moved(trial.point, trial.settings.seed).items()}
    try:
        with findings.in_time(trial, dtype), default_dtype(settings):
            judge = Judge(other, _tolerance(trial, dtype), {name: trial.scale(name) for name in trial.wanted})
            findings.wrong += judge.notes(apply(trial.subject, point), point, f"in {dtype}")
    except NoReferenceError as error:
        findings.miss(dtype, str(error))
    except (ExecutionError, RuntimeError):
        findings.miss(dtype, "forward refuses it")
    for untried in UNTRIED.get(trial.settings.dtype, ()):
        findings.miss(untried, "`--dtype` asks for it")
    return findings.check(f"in {dtype}")


def _tolerance(trial: Trial, dtype: DataType) -> Tolerance:
    """Return how far a gradient may be off in a dtype; where forward itself casts to a lower one, that one counts."""
    return tolerance_in(trial.settings.dtype, dtype) if trial.precision is None else trial.tolerance


def tolerance_in(own: DataType, dtype: DataType) -> Tolerance:
    """Return how far a gradient may be off in a dtype, of a Function that is meant for its own."""
    given, other = (torch.finfo(getattr(torch, name)) for name in (own, dtype))
    if given.eps <= other.eps:
        return Tolerance.of(dtype)
    return Tolerance(UNITS * given.eps, given.tiny, normwise=True)


def _cast(value: Tensor, dtype: DataType) -> Tensor:
    """Return numbers in a dtype; real numbers stay real, and integers as they are."""
    if not (value.is_floating_point() or value.is_complex()):
        return value
    target: torch.dtype = getattr(torch, dtype)
    target = target if value.is_complex() == target.is_complex else _counterpart(target)
    return value.detach().to(target).requires_grad_(value.requires_grad)


def _counterpart(dtype: torch.dtype) -> torch.dtype:
    return dtype.to_real() if dtype.is_complex else dtype.to_complex()
