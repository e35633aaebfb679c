"""Exponentials that are summed: exp(x) is written as softmax(x) times the sum, so that the sum cancels where it can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr, Indexed, Integer, Symbol

from gradcli.derivation.formulas import FormulaNode
from gradcli.symbolic.write.printer import NotWritableError
from gradcli.symbolic.write.scope import Indices, NoFormulaError, Scope, Template
from gradcli.symbolic.write.standing import by_text
from gradcli.symbolic.write.tensor_printer import TensorNotation

LONGEST_ARGUMENT = 160
EXPONENTIAL, SUM = "exp(input)", "input[..., k]"


@dataclass(frozen=True, slots=True)
class Softmax:
    """A node exp(x), the node that sums it along one axis, and the node x."""

    exponential: int
    total: int
    input: int
    axis: int


def find_softmaxes(nodes: Sequence[FormulaNode]) -> list[Softmax]:
    """Return all sums of exponentials along one axis."""
    softmaxes = []
    for total, node in enumerate(nodes):
        if node.definition is None or node.definition.request.formula != SUM:
            continue
        summed = node.definition.operand("input")
        exponential = nodes[summed.node].definition
        if exponential is not None and exponential.request.formula == EXPONENTIAL and len(summed.axes[-1]) == 1:
            source = exponential.operand("input").node
            softmaxes.append(Softmax(summed.node, total, source, summed.axes[-1][0]))
    return softmaxes


def stand_ins(
    scope: Scope, nodes: Sequence[FormulaNode], found: Softmax, argument: Template
) -> tuple[Template, Template]:
    """Return the entries of exp(x) and of its sum, in terms of the softmax and of a sum without a name."""
    shape = nodes[found.exponential].shape
    kept = tuple(size for axis, size in enumerate(shape) if axis != found.axis)
    text, axis = _text(scope, argument), found.axis - len(shape)
    ratio = scope.tensor(found.exponential, "p", f"softmax({text}, dim={axis})", shape)
    whole = scope.tensor(found.total, "z", "", kept)
    scope.nameless[f"z{found.total:05d}"] = f"logsumexp({text}, dim={axis})"
    beside = [index for axis, index in enumerate(ratio.symbols) if axis != found.axis]
    exponential = Template(ratio.symbols, ratio.body * whole.at(beside))
    symbols = scope.fresh(nodes[found.total].shape)
    return exponential, Template(symbols, whole.at(_kept(nodes[found.total], symbols, found.axis, len(shape))))


def _kept(node: FormulaNode, symbols: Indices, axis: int, rank: int) -> list[Expr]:
    """Return the index of the sum along each axis of what is summed, but the summed one."""
    indices: dict[int, Expr] = {}
    assert node.definition is not None  # noqa: S101 (it was found by its definition)
    summed = node.definition.operand("input")
    for source, result in zip(summed.axes[:-1], node.definition.result, strict=True):
        indices |= {old: symbols[new] for old, new in zip(source, result, strict=True)}
    return [indices.get(other, Integer(0)) for other in range(rank) if other != axis]


def _text(scope: Scope, argument: Template) -> str:
    """Return the formula of what is exponentiated; NoFormulaError if it has none, or reads a sum without a name."""
    body = _with_logarithms(scope, argument.body)
    try:
        text = TensorNotation(scope, argument.symbols).with_all_axes(body).text
    except NotWritableError:
        raise NoFormulaError from None
    if len(text) > LONGEST_ARGUMENT or has_nameless(scope, body):
        raise NoFormulaError
    return text


def _with_logarithms(scope: Scope, body: Expr) -> Expr:
    """Return a formula with logsumexp(x) for the logarithm of a sum of exponentials that has no name."""

    def logarithm(part: Any) -> Expr:
        key, indices = _key(part.args[0]), getattr(part.args[0], "indices", ())
        return by_text(scope, scope.nameless[key], scope.shapes[key]).at(indices)

    return body.replace(lambda part: isinstance(part, sympy.log) and _key(part.args[0]) in scope.nameless, logarithm)


def _key(body: Any) -> str:
    """Return what a tensor is called here; nothing for what is no tensor."""
    return str(body.base.label.name) if isinstance(body, Indexed) else getattr(body, "name", "")


def has_nameless(scope: Scope, body: Expr) -> bool:
    """Tell whether a formula reads a sum that has no name."""
    return any(isinstance(symbol, Symbol) and symbol.name in scope.nameless for symbol in body.free_symbols)
