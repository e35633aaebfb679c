"""How to avoid a NaN or an infinity that an op makes: what to write in place of an operand, or of the whole call."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from gradcli.python_trees import expression_tree


@dataclass(frozen=True, slots=True)
class Remedy:
    """One rewriting, which is tried at the point before a report shows it."""

    reason: str
    rewriting: str
    """A program over {x}, the operand; for the whole call over {x} and {y}, its first two."""
    operand: int | None = 0
    """Which operand it stands in place of, in the order of the signature; None for the call itself."""

    def over(self, **names: str) -> str:
        """Return the program over operands of these names, which may be expressions."""
        binds = any(operator in self.rewriting for operator in ("**", "-{", "- {", "}."))
        return self.rewriting.format(**{k: _operand(name) if binds else name for k, name in names.items()})


def _operand(text: str) -> str:
    """Return an expression that may stand beside any operator: in brackets, unless it is a name, a call or a number."""
    try:
        node = expression_tree(text)
    except SyntaxError:
        return f"({text})"
    return text if isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript) else f"({text})"


CLAMP = (Remedy("keep it positive", "clamp({x}, min=1e-12)"),)
ROOT = (Remedy("add a small number under the root", "{x} + 1e-12"), *CLAMP)
INSIDE = (Remedy("keep it inside the domain", "clamp({x}, -1 + 1e-7, 1 - 1e-7)"),)
ABOVE = (Remedy("keep it above -1", "clamp({x}, min=-1 + 1e-12)"),)
DIVISOR = (Remedy("keep the divisor away from 0", "where({x} != 0, {x}, 1)", operand=1),)
LARGE = (Remedy("keep exp from overflowing, as softmax and logsumexp do by themselves", "clamp({x}, max=80)"),)
NORM = (Remedy("add a small number under the root", "sqrt(sum({x}**2) + 1e-12)", operand=None),)
LENGTH = (Remedy("add a small number under the root", "sqrt({x}**2 + {y}**2 + 1e-12)", operand=None),)
BIASED = "divide by the number of entries n, not by n - 1, which is 0"
VARIANCE = (Remedy(BIASED, "var({x}, correction=0)", operand=None),)
SPREAD = (
    Remedy("add a small number under the root", "sqrt(var({x}) + 1e-12)", operand=None),
    Remedy(BIASED, "sqrt(var({x}, correction=0) + 1e-12)", operand=None),
)
# What may help if the op's record knows no better.
SAFE = (
    Remedy("make the argument safe before the op", "where({x} != 0, {x}, 1)"),
    Remedy("keep it finite", "clamp({x}, -1e9, 1e9)"),
)
# What a part of a program may be that takes exp of {x}, or of {x} and {y}, in place of which it does not overflow.
STABLE = "compute it in a form that does not overflow"
BY_AXIS = (
    "softmax({x}, dim=%d)",
    "log_softmax({x}, dim=%d)",
    "logsumexp({x}, dim=%d)",
    "logsumexp({x}, dim=%d, keepdim=True)",
)
OF_ONE = ("sigmoid({x})", "softplus({x})", "tanh({x})", "sigmoid(-{x})", "logsigmoid({x})", "softplus(-{x})")
OF_ALL = ("logsumexp({x}.flatten(), dim=0)", "softmax({x}.flatten(), dim=0).view_as({x})")
OF_TWO = ("exp({x} - {y})", "logaddexp({x}, {y})", "sigmoid({x} - {y})")
# What exp may be taken of instead, where a factor of all its results cancels.
SHIFT = "subtract the maximum, which cancels"
SHIFTED = "{x} - amax({x}, dim=%d, keepdim=True)"
SHIFTED_BY_ALL = "{x} - amax({x})"


# Of how many entries of a vector the logarithm of its softmax is tried.
MOST_ENTRIES = 8


def stable_forms(shape: Sequence[int]) -> list[Remedy]:
    """Return what may stand in place of a part of a program that takes exp of a tensor of some shape."""
    axes = [-1 - axis for axis in range(len(shape))]
    texts = [*OF_ONE, *(text % axis for axis in axes for text in BY_AXIS), *(OF_ALL if shape else ())]
    entries = range(min(shape[0], MOST_ENTRIES) if len(shape) == 1 else 0)
    texts += [f"log_softmax({{x}}, dim=-1)[{entry}]" for entry in entries]
    return [Remedy(STABLE, text, operand=None) for text in texts]


def shifts(rank: int) -> list[Remedy]:
    """Return what exp may be taken of in place of a tensor of some rank."""
    axes = [-1 - axis for axis in range(rank)]
    return [Remedy(SHIFT, text) for text in (*(SHIFTED % axis for axis in axes), SHIFTED_BY_ALL)]
