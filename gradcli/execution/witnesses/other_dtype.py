"""Rounding or a wrong rule: a mismatch is looked at in a different precision, at the same point.

The error of a wrong derivative is the same in float32 and float64; one of rounding is some 2^27 to 2^33 times larger.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.comparison.evaluation import autograd_gradients, compare_all, tensors_shown
from gradcli.execution.forward.dtypes import default_dtype, double
from gradcli.execution.run import Run, start
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict

# Errors this many times apart are those of rounding; ones this near to each other are not.
FAR, NEAR = 2.0**20, 2.0**6
# Of smaller derivatives, beside terms of 1, float32 has no digit.
SMALL = 2.0**-24
Known = TypeVar("Known")
OTHER = {"float64": "float32", "float32": "float64"}


def explained(run: Run, reports: Mapping[str, TensorReport], altered: Collection[str] = ()) -> dict[str, str]:
    """Return, for the mismatches among tensors by name, what their errors in a different precision say.

    Of those that were `altered` between the ops no rule is wrong.
    """
    wrong = {n: _reported(found) for n, found in reports.items() if found.verdict is Verdict.MISMATCH}
    dtype = OTHER.get(run.settings.dtype)
    if not any(wrong.values()) or dtype is None or any(leaf.tensor.is_complex() for leaf in run.trace.leaves):
        return {}
    again = _in_precision(run, dtype, _errors)
    found = {
        name: _words(error, again[name], dtype, altered=name in altered)
        for name, error in wrong.items()
        if name in again
    }
    return {name: words for name, words in found.items() if words}


def double_gradient(run: Run, name: str) -> Tensor | None:
    """Return autograd's gradient of a tensor in double precision, at the same point; None if that does not run."""
    found = _in_precision(run, "float64", _gradients)
    return found.get(name)


def _gradients(run: Run) -> dict[str, Tensor]:
    gradients = autograd_gradients(run, tensors_shown(run))
    return {run.names[traced]: gradient for traced, gradient in gradients.items() if gradient is not None}


def _in_precision(run: Run, dtype: str, of: Callable[[Run], dict[str, Known]]) -> dict[str, Known]:
    """Return what is known of the same program at the same point in a different dtype; nothing if it does not run."""
    settings = dataclasses.replace(
        run.settings,
        dtype=dtype,  # type: ignore[arg-type]
        witnesses=("symbolic",),
        claims={},
        verify=True,
        formulas=False,
    )
    point = {leaf.name or leaf.text: leaf.tensor for leaf in run.trace.leaves}
    try:
        with default_dtype(settings):
            return of(start(run.program, settings, point, run.derivations))
    except GradcliError:
        return {}


def _errors(run: Run) -> dict[str, float | None]:
    gradients = autograd_gradients(run, tensors_shown(run))
    compared = compare_all(run, gradients)
    known = {} if compared is None else compared.reference.values
    return {
        run.names[traced]: _relative((double(gradient) - known[traced]).abs(), known[traced])
        for traced, gradient in gradients.items()
        if gradient is not None and traced in known
    }


def _reported(found: TensorReport) -> float | None:
    symbolic = found.symbolic
    if symbolic is None or symbolic.value is None or symbolic.max_abs_error is None:
        return None
    return _relative(symbolic.max_abs_error, symbolic.value)


def _relative(error: Any, derivative: Any) -> float | None:
    """Return the largest error relative to the largest entry of the symbolic derivative; None where it tells nothing.

    A small derivative that is lost altogether may be lost to rounding in either precision.
    """
    largest = float(derivative.abs().max()) if derivative.numel() else 0.0
    if not largest or not math.isfinite(largest):
        return None
    relative = float(torch.as_tensor(error).max()) / largest
    return None if relative == 1.0 and largest < SMALL else relative


def _words(here: float | None, there: float | None, dtype: str, *, altered: bool) -> str | None:
    """Return what an error says that is `there` in a different dtype: rounding shrinks as the precision grows."""
    if not here or there is None or not math.isfinite(here) or not math.isfinite(there):
        return None
    coarse, fine = (here, there) if dtype == "float64" else (there, here)
    if coarse <= NEAR * fine:
        return f"{'' if altered else 'a wrong rule, '}not rounding: the error is as large in float32 as in float64"
    if coarse >= FAR * fine:
        far = f"2^{round(math.log2(coarse / fine))} times smaller" if fine else "zero"
        return f"rounding (cancellation), not a wrong rule: in float64 the error is {far}"
    return None
