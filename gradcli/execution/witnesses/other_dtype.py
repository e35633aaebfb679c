"""Rounding or a wrong rule: a mismatch is looked at in a different precision, at the same point.

The error of a wrong derivative is the same in float32 and float64; one of rounding is some 2^27 to 2^33 times larger.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from gradcli.errors import GradcliError
from gradcli.execution.comparison.evaluation import evaluate_run
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.run import Run, start
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict

# Errors this many times apart are those of rounding; ones this near to each other are not.
FAR, NEAR = 2.0**20, 2.0**6
OTHER = {"float64": "float32", "float32": "float64"}


def explained(run: Run, reports: Mapping[str, TensorReport]) -> dict[str, str]:
    """Return, for the mismatches among tensors by name, what their errors in a different precision say."""
    wrong = {n: found for n, found in reports.items() if found.verdict is Verdict.MISMATCH and _error(found)}
    dtype = OTHER.get(run.settings.dtype)
    if not wrong or dtype is None or any(leaf.tensor.is_complex() for leaf in run.trace.leaves):
        return {}
    again = _in_precision(run, dtype)
    found = {
        name: _words(_error(tensor), _error(again[name]), dtype) for name, tensor in wrong.items() if name in again
    }
    return {name: words for name, words in found.items() if words}


def _in_precision(run: Run, dtype: str) -> dict[str, TensorReport]:
    """Return the reports of the same program at the same point in a different dtype; none if it does not run."""
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
            other = start(run.program, settings, point, run.derivations)
            return {found.name: found for found in evaluate_run(other).reports.values()}
    except GradcliError:
        return {}


def _error(found: TensorReport) -> float | None:
    """Return the largest error relative to the largest entry of the symbolic derivative."""
    symbolic = found.symbolic
    if symbolic is None or symbolic.value is None or symbolic.max_abs_error is None or not symbolic.value.numel():
        return None
    largest = float(symbolic.value.abs().max())
    return symbolic.max_abs_error / largest if largest and math.isfinite(largest) else None


def _words(here: float | None, there: float | None, dtype: str) -> str | None:
    """Return what an error says that is `there` in a different dtype: rounding shrinks as the precision grows."""
    if not here or there is None or not math.isfinite(here) or not math.isfinite(there):
        return None
    coarse, fine = (here, there) if dtype == "float64" else (there, here)
    if coarse <= NEAR * fine:
        return "a wrong rule, not rounding: the error is as large in float32 as in float64"
    if coarse >= FAR * fine:
        far = f"2^{round(math.log2(coarse / fine))} times smaller" if fine else "zero"
        return f"rounding (cancellation), not a wrong rule: in float64 the error is {far}"
    return None
