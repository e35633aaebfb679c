"""The Python API: what the commands do, on tensors, arrays, numbers or nested lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from gradcli.commands import Command
from gradcli.engine import check_function as check_loaded
from gradcli.engine import evaluate_program
from gradcli.report.report import Report
from gradcli.settings import DataType, Reduction, Settings
from gradcli.witnesses import SYMBOLIC, WITNESSES, WitnessName


class SettingsOptions(TypedDict, total=False):
    """The fields of Settings that Python may give; a sequence of names may be one name."""

    shapes: Mapping[str, Sequence[int]]
    seed: int
    dtype: DataType
    constants: str | Sequence[str]
    reduce: Reduction
    grad_output: Any
    wrt: str | Sequence[str] | None
    witnesses: WitnessName | Sequence[WitnessName]
    points: int
    claims: Mapping[str, str]
    reference: str | None
    surrogate: str | None
    rtol: float | None
    atol: float | None
    timeout: float


def _settings(command: Command, **options: Unpack[SettingsOptions]) -> Settings:
    """Return the settings; they check themselves, and take sequences and mappings of any kind."""
    fields: Mapping[str, Any] = options
    return Settings(command=command, **fields)


def evaluate(
    program: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    wrt: str | Sequence[str] | None = None,
    reduce: Reduction = "none",
    grad_output: Any = None,
    dtype: DataType = "float64",
    constants: str | Sequence[str] = (),
    rtol: float | None = None,
    atol: float | None = None,
    timeout: float = 60.0,
) -> Report:
    """Run a program forward and backward and compare every gradient with the symbolic one, as `gradcli eval` does.

    `inputs` maps leaves to tensors, arrays, numbers or nested lists; a leaf without one is a scalar, and a prime.
    Integer and boolean tensors are constants. `wrt` names the tensors to report (default: all). `grad_output` is the
    vector v of the vector-Jacobian product, in the output's shape. Raises GradcliError for a program or input that is
    wrong; a gradient that is wrong is a verdict, not an error.
    """
    settings = _settings(
        "eval" if wrt is None else "grad",
        reduce=reduce,
        grad_output=grad_output,
        dtype=dtype,
        constants=constants,
        wrt=wrt,
        rtol=rtol,
        atol=atol,
        timeout=timeout,
    )
    return evaluate_program(program, settings, inputs)


def check(
    program: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    witnesses: WitnessName | Sequence[WitnessName] = (SYMBOLIC, *WITNESSES),
    claims: Mapping[str, str] | None = None,
    points: int = 1,
    seed: int = 0,
    wrt: str | Sequence[str] | None = None,
    reduce: Reduction = "none",
    grad_output: Any = None,
    dtype: DataType = "float64",
    constants: str | Sequence[str] = (),
    rtol: float | None = None,
    atol: float | None = None,
    timeout: float = 60.0,
) -> Report:
    """Verify every gradient of a program, as `gradcli check` does; the other arguments are those of `evaluate`.

    Autograd's gradient is compared with each of the `witnesses`, by the names that `gradcli check --help` lists.
    `claims` maps tensors to gradients derived by hand, each a program over the program's tensors and `g`, the upstream
    gradient.
    A leaf without an input is a random scalar; with several `points`, each draws its own, of seeds `seed`, `seed` + 1 …
    """
    settings = _settings(
        "check",
        seed=seed,
        reduce=reduce,
        grad_output=grad_output,
        dtype=dtype,
        constants=constants,
        wrt=wrt,
        witnesses=witnesses,
        points=points,
        claims={} if claims is None else claims,
        rtol=rtol,
        atol=atol,
        timeout=timeout,
    )
    return evaluate_program(program, settings, inputs)


def check_function(
    function: Any,
    inputs: Mapping[str, Any] | None = None,
    *,
    reference: str | None = None,
    surrogate: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    grad_output: Any = None,
    dtype: DataType = "float64",
    constants: str | Sequence[str] = (),
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    timeout: float = 60.0,
) -> Report:
    """Check a `torch.autograd.Function`, a class or "FILE.py:Class", as `gradcli custom` does, in this process.

    `inputs` maps forward's parameters to tensors, arrays or nested lists, and those that are not tensors to their
    values; a tensor without one is random, of its shape in `shapes`. `reference` is a program over the same names that
    forward should compute; without one, forward's own body is. `surrogate` is one that backward is meant to be the
    derivative of in place of forward. What backward does wrong is a verdict, not an error.
    """
    settings = _settings(
        "custom",
        shapes={} if shapes is None else shapes,
        seed=seed,
        grad_output=grad_output,
        dtype=dtype,
        constants=constants,
        reference=reference,
        surrogate=surrogate,
        rtol=rtol,
        atol=atol,
        timeout=timeout,
    )
    return check_loaded(function, settings, inputs)
