"""The Python API: what the commands do, on tensors, arrays, numbers or nested lists."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack

from gradcli import engine
from gradcli.commands import Command
from gradcli.errors import InputError
from gradcli.fields import quoted
from gradcli.render.shown import Report, shown
from gradcli.settings import DataType, Reduction, Settings
from gradcli.witnesses import BY_DEFAULT, TransformationName, WitnessName


class SettingsOptions(TypedDict, total=False):
    """The fields of Settings that Python may give; a sequence of names may be one name."""

    shapes: Mapping[str, Sequence[int]]
    seed: int
    dtype: DataType | Any
    constants: str | Sequence[str]
    reduce: Reduction
    grad_output: Any
    wrt: str | Sequence[str] | None
    witnesses: WitnessName | Sequence[WitnessName]
    under: TransformationName | Sequence[TransformationName]
    points: int
    claims: Mapping[str, str]
    reference: str | None
    surrogate: str | None
    rtol: float | None
    atol: float | None
    timeout: float
    pick: str | None
    arguments: Mapping[str, Any]
    mode: str | None
    max_entries: int | None
    order: int
    symmetric: str | Sequence[str]


def _settings(command: Command, **options: Unpack[SettingsOptions]) -> Settings:
    """Return the settings; they check themselves, and take sequences and mappings of any kind."""
    fields: dict[str, Any] = {**options}
    loaded = sys.modules.get("torch")  # without it, there is no dtype of its own
    if loaded is not None and isinstance(fields.get("dtype"), loaded.dtype):
        fields["dtype"] = str(fields["dtype"]).removeprefix("torch.")
    return Settings(command=command, **fields)


def evaluate(
    program: Any,
    inputs: Any = None,
    *,
    wrt: str | Sequence[str] | None = None,
    reduce: Reduction = "none",
    grad_output: Any = None,
    dtype: DataType | Any = "float64",
    constants: str | Sequence[str] = (),
    rtol: float | None = None,
    atol: float | None = None,
    timeout: float = 60.0,
    output: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    train: bool | None = None,
    max_entries: int | None = None,
) -> Report:
    """Run a program forward and backward and compare every gradient with the symbolic one, as `gradcli eval` does.

    Args:
        program: Text of gradcli's language, whose leaves are the names that it reads and never assigns; or code: a
            function, an `nn.Module` or a class of one, a function without parameters that returns (code, inputs).
        inputs: Leaf -> tensor, array, number or nested list. A leaf without one is a scalar, and a prime. Integer and
            boolean tensors are constants. Of code, its arguments: by name, or a sequence in their order.
        wrt: The tensors to report, by name; all by default.
        reduce: What makes the output a scalar: "sum", "mean", "prod" or "norm".
        grad_output: The vector v of the vector-Jacobian product, for an output that is not a scalar: a tensor or
            nested list of its shape, a number for all of it, "ones" or "random".
        dtype: Of the leaves: "float64", "float32", "float16", "bfloat16", "complex64" or "complex128";
            or one of PyTorch's own, `torch.float32`.
        constants: Leaves with requires_grad=False.
        rtol: Relative tolerance; by default that of the dtype.
        atol: Absolute tolerance; by default that of the dtype.
        timeout: Seconds for the whole run.
        output: Of code: which tensor of what it returns is differentiated, such as "loss" or "1".
        arguments: Of code: values of parameters that are no tensors, and of a module's constructor.
        train: Of code: the mode of a module; by default as it was built.
        max_entries: Of a tensor with more entries, `to_dict()` has a summary; 1000 for code, and no limit for programs.

    Returns:
        The report: `print` shows it, and `report["x"]` has the tensor x, with `.gradient` and `.symbolic`.

    Raises:
        GradcliError: The program or an input is wrong. A gradient that is wrong is a verdict, not an error.

    Example:
        >>> import gradcli
        >>> report = gradcli.evaluate("x**2 * y", {"x": 3.0, "y": 2.0})
        >>> report["x"].gradient.item(), report["x"].symbolic.formula
        (12.0, '2*x*y')
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
        pick=output,
        arguments={} if arguments is None else arguments,
        mode=_mode(train),
        max_entries=max_entries,
    )
    return shown(engine.evaluate_program(program, settings, inputs))


def check(
    program: Any,
    inputs: Any = None,
    *,
    witnesses: WitnessName | Sequence[WitnessName] = BY_DEFAULT,
    claims: Mapping[str, str] | None = None,
    points: int = 1,
    seed: int = 0,
    wrt: str | Sequence[str] | None = None,
    reduce: Reduction = "none",
    grad_output: Any = None,
    dtype: DataType | Any = "float64",
    constants: str | Sequence[str] = (),
    rtol: float | None = None,
    atol: float | None = None,
    timeout: float = 60.0,
    output: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    train: bool | None = None,
    under: TransformationName | Sequence[TransformationName] = (),
    max_entries: int | None = None,
) -> Report:
    """Verify every gradient of a program with independent witnesses, as `gradcli check` does.

    Args:
        program: Text of gradcli's language, whose leaves are the names that it reads and never assigns; or code: a
            function, an `nn.Module` or a class of one, a function without parameters that returns (code, inputs).
        inputs: Leaf -> tensor, array, number or nested list. A leaf without one is a random scalar. Integer and boolean
            tensors are constants. Of code, its arguments: by name, or a sequence in their order.
        witnesses: What autograd's gradients are compared with: "symbolic", "finite-difference", "taylor", "adjoint",
            "second-order"; all but the last by default.
        claims: Tensor -> its gradient derived by hand, as a program over the program's variables and `g`, the upstream
            gradient.
        points: At how many random points; each draws its own, of seeds `seed`, `seed` + 1, ...
        seed: Of random values.
        wrt: The tensors to report, by name; all by default.
        reduce: What makes the output a scalar: "sum", "mean", "prod" or "norm".
        grad_output: The vector v of the vector-Jacobian product, for an output that is not a scalar: a tensor or
            nested list of its shape, a number for all of it, "ones" or "random"; random by default.
        dtype: Of the leaves: "float64", "float32", "float16", "bfloat16", "complex64" or "complex128";
            or one of PyTorch's own, `torch.float32`.
        constants: Leaves with requires_grad=False.
        rtol: Relative tolerance; by default that of the dtype.
        atol: Absolute tolerance; by default that of the dtype.
        timeout: Seconds for the whole run.
        output: Of code: which tensor of what it returns is differentiated, such as "loss" or "1".
        arguments: Of code: values of parameters that are no tensors, and of a module's constructor.
        train: Of code: the mode of a module; by default as it was built.
        under: Of code: transformations under which every gradient is computed once more: "eager", "compile",
            "checkpoint", "vmap", "autocast", "channels_last".
        max_entries: Of a tensor with more entries, `to_dict()` has a summary; 1000 for code, and no limit for programs.

    Returns:
        The report, which is true if every gradient is right.

    Raises:
        GradcliError: The program or an input is wrong. A gradient that is wrong is a verdict, not an error.

    Example:
        >>> import gradcli
        >>> report = gradcli.check("mean(x**2)", {"x": [1.0, 2.0]}, claims={"x": "2*x"})
        >>> bool(report), str(report.verdict)
        (False, 'mismatch')
        >>> report["x"].note.rpartition("; ")[2]
        'the claim is the right one times 2'
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
        under=under,
        points=points,
        claims={} if claims is None else claims,
        rtol=rtol,
        atol=atol,
        timeout=timeout,
        pick=output,
        arguments={} if arguments is None else arguments,
        mode=_mode(train),
        max_entries=max_entries,
    )
    return shown(engine.evaluate_program(program, settings, inputs))


def check_function(
    function: Any,
    inputs: Mapping[str, Any] | None = None,
    *,
    reference: str | None = None,
    surrogate: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    grad_output: Any = None,
    dtype: DataType | Any = "float64",
    constants: str | Sequence[str] = (),
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    timeout: float = 60.0,
) -> Report:
    """Check a `torch.autograd.Function`, as `gradcli custom` does, in this process.

    Args:
        function: The class, or "FILE.py:Class", which is loaded here.
        inputs: Parameter of forward -> tensor, array or nested list; one that is not a tensor -> its value. A tensor
            without one is random.
        reference: What forward should compute, as a program over the same names; by default forward's own body.
        surrogate: What backward is meant to be the derivative of, where that is not forward, as a program.
        shapes: Parameter -> shape of a random tensor; a scalar by default.
        grad_output: The upstream gradient: a tensor or nested list of the output's shape, a number for all of it,
            "ones" or "random"; ones by default. Each check also uses a random one.
        dtype: Of the inputs: "float64", "float32", "float16", "bfloat16", "complex64" or "complex128";
            or one of PyTorch's own, `torch.float32`.
        constants: Inputs with requires_grad=False.
        seed: Of random values.
        rtol: Relative tolerance; by default that of the dtype.
        atol: Absolute tolerance; by default that of the dtype.
        timeout: Seconds for the whole run.

    Returns:
        The report, which is true if backward passes every check.

    Raises:
        GradcliError: The class or an input is wrong, or forward raises. What backward does wrong is a verdict.

    Example:
        >>> import gradcli, torch
        >>> class Square(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x
        ...
        ...     @staticmethod
        ...     def backward(ctx, grad_output):
        ...         (x,) = ctx.saved_tensors
        ...         return 2 * x * grad_output
        >>> gradcli.check_function(Square, {"x": torch.randn(3)}).summary()
        'match: backward is the derivative of forward, and passes every check'
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
    return shown(engine.check_function(function, settings, inputs))


def _mode(train: Any) -> Literal["train", "eval"] | None:
    """Return the setting for `train`; InputError for what is neither True nor False."""
    if train is not None and not isinstance(train, bool):
        raise InputError(f"it must be True or False, not {quoted(train)}", option="train")
    return None if train is None else "train" if train else "eval"
