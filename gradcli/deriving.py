"""The Python API of derivations: what `gradcli derive` does, on shapes or values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from gradcli import engine
from gradcli.errors import NotSupportedError
from gradcli.inputs.lengths import numbered
from gradcli.report import derivation as data
from gradcli.report.records import optional
from gradcli.settings import Reduction, Settings


@dataclass(frozen=True, slots=True)
class Asked:
    """What a derivation was asked by: whatever takes longer is derived when it is asked for."""

    program: Any
    settings: Settings
    values: Any

    def derived(self, **changes: Any) -> data.Derivation:
        """Return the derivation with other settings."""
        settings = replace(self.settings, **changes)
        if callable(self.program):
            return engine.derive_code(self.program, settings, self.values)
        return engine.derive_program(self.program, settings, self.values)


@dataclass(frozen=True, slots=True, repr=False)
class Derivation(data.Derivation):
    """The derivatives of a program: `print(derivation)` is what the command line writes."""

    asked: Asked | None = optional()
    """How it was asked for."""

    def to_dict(self) -> dict[str, Any]:
        """Return the derivation as strict JSON data, as the command line writes it."""
        return data.Derivation.to_dict(replace(self, asked=None))

    def function(self) -> str:
        """Return the source of a `torch.autograd.Function`, with its test; NotSupportedError if there is none."""
        assert self.asked is not None  # noqa: S101 (by `derive`, alone)
        found = self.asked.derived(to="function", order=1)
        if found.refused is not None:
            raise NotSupportedError(found.refused)
        return found.codes["function"]

    def code(self, to: str = "torch") -> str:
        """Return the source of `gradient(...)` for a library, or of a Function; NotSupportedError if there is none."""
        return self.function() if to == "function" else data.Derivation.code(self, to)

    def __str__(self) -> str:
        """Return the derivation as text, as wide as the terminal."""
        from gradcli.render.derivation import text
        from gradcli.render.style import style_for

        return text(self, style_for(None)).rstrip("\n")

    def __repr__(self) -> str:
        """Return the derivation on one line."""
        return f"<Derivation by {', '.join(one.wrt for one in self.derivatives)}: {self.verdict}>"


def derive(
    program: Any,
    inputs: Mapping[str, Any] | None = None,
    *,
    wrt: str | Sequence[str] | None = None,
    order: int = 1,
    reduce: Reduction = "none",
    grad_output: Any = None,
    constants: str | Sequence[str] = (),
    symmetric: str | Sequence[str] = (),
    positive: str | Sequence[str] = (),
    orthogonal: str | Sequence[str] = (),
    product: Literal["", "jvp", "hvp", "jacobian"] = "",
    steps: bool = False,
    stable: bool = False,
    timeout: float = 60.0,
    output: str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Derivation:
    """Derive a program's gradients as formulas and code, each compared with autograd, as `gradcli derive` does.

    Args:
        program: Text of gradcli's language; or code: a function, an `nn.Module`, a `torch.autograd.Function`, or a
            function without parameters that returns (code, inputs).
        inputs: Leaf -> its shape, a tuple of lengths or of their names, or its value: a tensor, array, number or
            nested list. Without either it is a scalar; where PyTorch refuses scalars, a capital is a matrix, a small
            letter a vector.
        wrt: The tensors to differentiate by; all leaves by default.
        order: 1, or 2 for second derivatives.
        reduce: What makes the output a scalar: "sum", "mean", "prod" or "norm".
        grad_output: The upstream gradient, for an output that is not a scalar; by default it is `g` in the formulas.
        constants: Leaves with requires_grad=False.
        symmetric: Leaves that are symmetric matrices.
        positive: Leaves whose entries are positive.
        orthogonal: Leaves that are orthogonal matrices.
        product: "jvp" for the derivative along tangents (dx is that of x), "hvp" for Hessian-vector products,
            "jacobian" for the Jacobian itself: the output's shape, then the variable's.
        steps: Whether `.steps` has how the gradients come about, a rule a step.
        stable: Whether formulas are rewritten that overflow or lose digits; `.derivatives` say what was,
            and what is still lost in single precision.
        timeout: Seconds for the whole run.
        output: Of code: which tensor of what it returns is differentiated, such as "loss" or "1".
        arguments: Of code: values of parameters that are no tensors, and of a module's constructor.

    Returns:
        The derivation: `.formula`, `.latex`, `.code("torch")`, and `.function()`; by name if there are several,
        `["x"].formula`.

    Raises:
        GradcliError: The program or an input is wrong.

    Example:
        >>> import gradcli
        >>> gradcli.derive("trace(A @ X)", {"A": (2, 3), "X": (3, 2)}, wrt="X").formula
        'A.T'
    """
    given = dict(inputs or {})
    named = {name: value for name, value in given.items() if isinstance(value, tuple) and _is_shape(value)}
    shapes, sizes = numbered(named)
    options: dict[str, Any] = {"wrt": wrt, "constants": constants, "symmetric": symmetric, "shapes": shapes}
    options |= {
        "positive": positive,
        "orthogonal": orthogonal,
        "product": product,
        "sizes": sizes,
        "steps": steps,
        "stable": stable,
        "pick": output,
        "arguments": {} if arguments is None else arguments,
    }
    settings = Settings(
        command="derive", order=order, reduce=reduce, grad_output=grad_output, timeout=timeout, **options
    )
    values = {name: value for name, value in given.items() if name not in shapes}
    asked = Asked(program, settings, values)
    found = asked.derived()
    derived = {field.name: getattr(found, field.name) for field in fields(found)}
    return Derivation(**derived, asked=asked)


def _is_shape(value: tuple[Any, ...]) -> bool:
    return all(isinstance(size, int | str) and not isinstance(size, bool) for size in value)
