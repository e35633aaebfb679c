"""What the source of a Function says of it in words: its docstring."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradcli.derivation.notation.code import LETTERS
from gradcli.derivation.notation.function_parts import OUTPUT, OWN, FunctionParts, Lengths
from gradcli.derivation.notation.sharing import shared

INDENT = "    "
LINE = 92


def docstring(parts: FunctionParts, saved: Sequence[str]) -> list[str]:
    """Return the lines of the docstring of a class."""
    constants = [name for name in parts.parameters if name not in parts.moving]
    return [
        f'"""`{quoted(parts.program)}`.',
        "",
        f"Shapes: {_shapes(parts)}.",
        *([f"Constants, without a gradient: {', '.join(constants)}."] if constants else []),
        "",
        *(_formulas(parts) if parts.chain is None else _steps(parts)),
        "",
        f"Saved for backward: {', '.join(saved).replace(OUTPUT, 'the output') or 'nothing'}.",
        *parts.notes,
        '"""',
    ]


def _steps(parts: FunctionParts) -> list[str]:
    """Return how a chain is differentiated."""
    words = [f"Gradients: from the upstream one, {parts.upstream}, back by the chain rule, a step at a time."]
    if parts.chain and any("_backward(" in line for line in parts.chain.backward):
        words.append(
            "What ends in `_backward` is PyTorch's own kernel: what arrives times the derivative of the function."
        )
    if parts.kept:
        names = " and ".join([", ".join(parts.kept[:-1]), parts.kept[-1]] if len(parts.kept) > 1 else parts.kept)
        words += [
            f"Beside the output it returns {names}, for backward; {parts.call} returns the output alone.",
            f"A gradient of {names} arrives only where backward is differentiated: else it is None.",
        ]
    return words


def _shapes(parts: FunctionParts) -> str:
    if parts.is_elementwise:
        return "any" if len(parts.parameters) == 1 else "any, of all tensors the same"
    return ", ".join(f"{name} {shown_shape(shape)}" for name, shape in parts.parameters.items())


def _formulas(parts: FunctionParts) -> list[str]:
    """Return the gradients as formulas, and the derivative along tangents, with what they have in common named once."""
    if parts.recorded is not None:
        return [f"Gradients: from the upstream one, {parts.upstream}, back through the definitions of the calls."]
    texts = {f"{name}: ": one.formula for name, one in parts.gradients.items()}
    texts |= {"along tangents: ": parts.jvp.formula} if parts.jvp else {}
    common = shared([*texts.values()], {*parts.parameters, *parts.shapes, *parts.sizes, *OWN, *LETTERS})
    lines = [head + _short(head, text) for head, text in zip(texts, common.formulas, strict=True)]
    lines += _named([line.partition(": ")[2] for line in lines], common.parts)
    return [f"Gradients, where {parts.upstream} is the upstream one:", *(INDENT + quoted(line) for line in lines)]


def _named(shown: list[str], parts: Sequence[tuple[str, str]]) -> list[str]:
    """Return the lines of the parts that are read where they can be seen."""
    found: list[str] = []
    for name, text in reversed(parts):
        if any(re.search(rf"\b{name}\b", other) for other in shown):
            head = f"where {name} = "
            shown = [*shown, _short(head, text)]
            found = [head + shown[-1], *found]
    return found


def _short(head: str, text: str) -> str:
    """Return a formula, unless it is too long for a line."""
    return text if len(head + text) <= LINE else "see the code"


def quoted(text: str) -> str:
    """Return a program as it may stand in a docstring."""
    return " ".join(text.replace("\\", "\\\\").replace('"', "'").split())


def shown_shape(shape: Lengths) -> str:
    """Return a shape as a tuple."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
