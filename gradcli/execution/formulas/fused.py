"""PyTorch's own kernel of a call's backward, as the table names it: what takes a formula many passes over memory."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any

from gradcli.derivation.notation.backends import TORCH
from gradcli.derivation.notation.expressions import Emitter
from gradcli.derivation.notation.function_parts import OUTPUT
from gradcli.derivation.notation.function_words import INDENT
from gradcli.derivation.notation.parsed import CONSTANTS, names_read, parsed
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.ops.signature import defaults
from gradcli.python_trees import expression_tree

# In the table: the gradient that arrives, and the result.
GRADIENT, RESULT = "g", "out"


def fused(call: TracedCall, operands: Mapping[TracedTensor, str], *, is_stable: bool) -> dict[TracedTensor, str]:
    """Return what a call adds to the gradients of operands, by a kernel or as published; else nothing.

    `is_stable` asks for all digits.
    """
    given = {**defaults(call.op.signature), **call.arguments.bound}
    words = {name: _text(value, operands) for name, value in given.items()}
    words |= {GRADIENT: GRADIENT, RESULT: OUTPUT}
    published = {**call.op.published, **(call.op.stable if is_stable else {})}
    texts = published if len(call.inputs) == len(call.arguments.bound) else {}
    first = next(iter(call.arguments.bound), None)
    if call.op.fused is not None and first is not None:
        texts[first] = call.op.fused.call
    named = {given[name]: _put(text, words) for name, text in texts.items()}
    return {one: text for one, text in named.items() if one in operands and text is not None}


def _put(text: str, words: Mapping[str, str | None]) -> str | None:
    """Return a formula of parameters as one of what they stand for; None where one has no text."""
    tree = expression_tree(text)
    known = {name: word for name, word in words.items() if word is not None}
    read = [name for name in names_read(tree) if name not in CONSTANTS]
    return ast.unparse(_Named(known).visit(tree)) if {*read} <= {*known} else None


def _text(value: Any, operands: Mapping[TracedTensor, str]) -> str | None:
    """Return an argument as it stands in a formula; None where it cannot."""
    if isinstance(value, TracedTensor):
        return operands.get(value)
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return repr(value) if is_number or isinstance(value, str) else None


class _Named(ast.NodeTransformer):
    """Puts texts in the place of names, but not of a function's."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return what stands in the place of a name."""
        return expression_tree(self.texts[node.id]) if node.id in self.texts else node


def helper(kernel: str, formula: str) -> str:
    """Return the function that calls a kernel which cannot be differentiated, or has the formula where it has to be.

    PyTorch's own backward chooses in the same way. The formula is one of `g` and `x`.
    """
    code = Emitter(TORCH, {}, "x").expression(parsed(formula), ())
    return "\n".join(
        [
            f"def _{kernel}(g, x):",
            f'{INDENT}"""Return g times the derivative, by PyTorch\'s kernel unless it is to be differentiated."""',
            f"{INDENT}if torch.is_grad_enabled():",
            f"{INDENT * 2}return {code}",
            f"{INDENT}return torch.ops.aten.{kernel}(g, x)",
        ]
    )
