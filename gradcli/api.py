"""The Python API: what the commands do, on tensors, arrays, numbers or nested lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from gradcli.errors import InputError, NotSupportedError
from gradcli.report import Report
from gradcli.session import evaluate_program
from gradcli.settings import DataType, Reduction, Settings


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
    program: str, inputs: Mapping[str, Any] | None = None, *, witnesses: Sequence[str] = ("symbolic",), **options: Any
) -> Report:
    """Verify every gradient of a program; takes what `evaluate` takes, and which `witnesses` to compare autograd with.

    Raises NotSupportedError for a witness other than "symbolic".
    """
    unknown = [witness for witness in witnesses if witness != "symbolic"]
    if unknown:
        msg = f"the witness '{unknown[0]}' is not supported yet; 'symbolic' is"
        raise NotSupportedError(msg)
    return evaluate(program, inputs, **options)


def _check(settings: Settings) -> None:
    for name, value, kind in (("dtype", settings.dtype, DataType), ("reduce", settings.reduce, Reduction)):
        if value not in get_args(kind):
            msg = f"{name} is '{value}', and must be one of {', '.join(get_args(kind))}"
            raise InputError(msg)
