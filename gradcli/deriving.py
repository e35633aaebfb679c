"""The Python API of derivations: what `gradcli derive` does, on shapes or values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from gradcli import engine
from gradcli.report import derivation as data
from gradcli.settings import Reduction, Settings


@dataclass(frozen=True, slots=True, repr=False)
class Derivation(data.Derivation):
    """The derivatives of a program: `print(derivation)` is what the command line writes."""

    def __str__(self) -> str:
        """Return the derivation as text, as wide as the terminal."""
        from gradcli.render.derivation import text
        from gradcli.render.style import style_for

        return text(self, style_for(None)).rstrip("\n")

    def __repr__(self) -> str:
        """Return the derivation on one line."""
        return f"<Derivation by {', '.join(one.wrt for one in self.derivatives)}: {self.verdict}>"


def derive(
    program: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    wrt: str | Sequence[str] | None = None,
    order: int = 1,
    reduce: Reduction = "none",
    grad_output: Any = None,
    constants: str | Sequence[str] = (),
    symmetric: str | Sequence[str] = (),
    timeout: float = 60.0,
) -> Derivation:
    """Derive a program's gradients as formulas and code, each compared with autograd, as `gradcli derive` does.

    Args:
        program: Text of gradcli's language.
        inputs: Leaf -> its shape, a tuple, or its value: a tensor, array, number or nested list. Without either it is
            a scalar.
        wrt: The tensors to differentiate by; all leaves by default.
        order: 1, or 2 for second derivatives.
        reduce: What makes the output a scalar: "sum", "mean", "prod" or "norm".
        grad_output: The upstream gradient, for an output that is not a scalar; by default it is `g` in the formulas.
        constants: Leaves with requires_grad=False.
        symmetric: Leaves that are symmetric matrices.
        timeout: Seconds for the whole run.

    Returns:
        The derivation: `.formula`, `.latex`, and `.code("torch")`; by name if there are several, `["x"].formula`.

    Raises:
        GradcliError: The program or an input is wrong.

    Example:
        >>> import gradcli
        >>> gradcli.derive("trace(A @ X)", {"A": (2, 3), "X": (3, 2)}, wrt="X").formula
        'A.T'
    """
    given = dict(inputs or {})
    shapes = {name: value for name, value in given.items() if isinstance(value, tuple) and _is_shape(value)}
    options: dict[str, Any] = {"wrt": wrt, "constants": constants, "symmetric": symmetric, "shapes": shapes}
    settings = Settings(
        command="derive", order=order, reduce=reduce, grad_output=grad_output, timeout=timeout, **options
    )
    values = {name: value for name, value in given.items() if name not in shapes}
    found = engine.derive_program(program, settings, values)
    return Derivation(**{field.name: getattr(found, field.name) for field in fields(found)})


def _is_shape(value: tuple[Any, ...]) -> bool:
    return all(isinstance(size, int) and not isinstance(size, bool) for size in value)
