"""The Python API: what the commands do, on tensors, arrays, numbers or nested lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from gradcli.engine import check_function as check_loaded
from gradcli.engine import evaluate_program
from gradcli.errors import InputError
from gradcli.report.report import Report
from gradcli.settings import DataType, Reduction, Settings
from gradcli.witnesses import WitnessName


def evaluate(
    program: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    wrt: str | Sequence[str] | None = None,
    reduce: str = "none",
    grad_output: Any = None,
    dtype: str = "float64",
    constants: Sequence[str] = (),
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
    names = (wrt,) if isinstance(wrt, str) else None if wrt is None else tuple(wrt)
    settings = Settings(
        command="eval" if names is None else "grad",
        reduce=reduce,  # type: ignore[arg-type]  # checked by the table of reductions
        grad_output=grad_output,
        dtype=dtype,  # type: ignore[arg-type]
        constants=tuple(constants),
        wrt=names,
        rtol=rtol,
        atol=atol,
        timeout=timeout,
    )
    _check(settings)
    return evaluate_program(program, settings, inputs)


def check(
    program: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    witnesses: Sequence[str] = get_args(WitnessName),
    claims: Mapping[str, str] | None = None,
    points: int = 1,
    seed: int = 0,
    wrt: str | Sequence[str] | None = None,
    reduce: str = "none",
    grad_output: Any = None,
    dtype: str = "float64",
    constants: Sequence[str] = (),
    rtol: float | None = None,
    atol: float | None = None,
    timeout: float = 60.0,
) -> Report:
    """Verify every gradient of a program, as `gradcli check` does; the other arguments are those of `evaluate`.

    Autograd's gradient is compared with each of the `witnesses`: "symbolic", "finite-difference", "taylor". `claims`
    maps tensors to gradients derived by hand, each a program over the program's tensors and `g`, the upstream gradient.
    A leaf without an input is a random scalar; with several `points`, each draws its own, of seeds `seed`, `seed` + 1 …
    """
    settings = Settings(
        command="check",
        seed=seed,
        reduce=reduce,  # type: ignore[arg-type]  # as above
        grad_output=grad_output,
        dtype=dtype,  # type: ignore[arg-type]
        constants=tuple(constants),
        wrt=(wrt,) if isinstance(wrt, str) else None if wrt is None else tuple(wrt),
        witnesses=tuple(witnesses),
        points=points,
        claims=dict(claims or {}),
        rtol=rtol,
        atol=atol,
        timeout=timeout,
    )
    _check(settings)
    return evaluate_program(program, settings, inputs)


def check_function(
    function: Any,
    inputs: Mapping[str, Any] | None = None,
    *,
    reference: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    grad_output: Any = None,
    dtype: str = "float64",
    constants: Sequence[str] = (),
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    timeout: float = 60.0,
) -> Report:
    """Check a `torch.autograd.Function`, a class or "FILE.py:Class", as `gradcli custom` does, in this process.

    `inputs` maps forward's parameters to tensors, arrays or nested lists, and those that are no tensors to their
    values; a tensor without one is random, of its shape in `shapes`. `reference` is a program over the same names that
    forward should compute; without one, forward's own body is. What backward does wrong is a verdict, not an error.
    """
    settings = Settings(
        command="custom",
        shapes={name: tuple(shape) for name, shape in (shapes or {}).items()},
        seed=seed,
        grad_output=grad_output,
        dtype=dtype,  # type: ignore[arg-type]  # as above
        constants=tuple(constants),
        reference=reference,
        rtol=rtol,
        atol=atol,
        timeout=timeout,
    )
    _check(settings)
    return check_loaded(function, settings, inputs)


def _check(settings: Settings) -> None:
    given: list[tuple[str, str, Any]] = [("dtype", settings.dtype, DataType), ("reduce", settings.reduce, Reduction)]
    given += [("a witness", witness, WitnessName) for witness in settings.witnesses]
    for name, value, kind in given:
        if value not in get_args(kind):
            msg = f"{name} is '{value}', and must be one of {', '.join(get_args(kind))}"
            raise InputError(msg)
    if settings.points < 1:
        msg = f"points is {settings.points}, and must be at least 1"
        raise InputError(msg)
