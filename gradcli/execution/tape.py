"""The tape: a program's definitions expanded to primitive nodes, run in double precision.

A primitive node is pointwise, indexed, implicit, or moves data; its derivative is asked for by its signature. Composite
ops run their definition, so that only primitive nodes are left. A value that no gradient reaches is a constant.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.messages import Signature
from gradcli.execution import present
from gradcli.execution.evaluate import Shake, still
from gradcli.execution.interpreter import Interpreter
from gradcli.execution.machine import BoundCall
from gradcli.execution.nodes import Edge, Node, nodes_in, plain
from gradcli.execution.present import Presented
from gradcli.execution.rearranged import rearranged
from gradcli.execution.structures import rebuild
from gradcli.language.parser import parse
from gradcli.ops.record import Kind, Op
from gradcli.ops.signature import parse_signature
from gradcli.ops.table import find
from gradcli.program import Program

# Data that is moved is numbered from here on: no value that an op writes by itself (a pad value, say) is as large.
FIRST_NUMBER = 1 << 40
STATIC = bool | int | float | str


@cache
def function(dotted: str) -> Callable[..., Any]:
    """Return the callable that a dotted name means."""
    module, _, name = dotted.rpartition(".")
    if module == "torch.Tensor":
        return getattr(torch.Tensor, name)
    return getattr(importlib.import_module(module), name)


@lru_cache(maxsize=1024)
def definition(text: str) -> Program:
    """Return a composite op's definition, parsed."""
    return parse(text, definition=True)


@cache
def defaults(signature: str) -> Mapping[str, Any]:
    """Return the values of a signature's optional parameters."""
    return {parameter.name: parameter.default for parameter in parse_signature(signature) if not parameter.required}


class Tape:
    """The machine that runs definitions; `nodes` are the primitive ones, in the order in which they were made."""

    # Definitions are ours: their loops end, and their exponents are their arguments'.
    most_rounds = 1 << 20
    largest_exponent = 1 << 20

    def __init__(self, shake: Shake = still) -> None:
        self.nodes: list[Node] = []
        self.shake = shake

    def tensor(self, value: Any) -> Tensor | None:
        """Return the tensor behind a node."""
        return value.tensor if isinstance(value, Node) else None

    def named(self, value: Any, name: str) -> None:
        """Names inside definitions mean nothing to anyone."""

    def enter(self, tensor: Tensor, *, differentiable: bool) -> Node:
        """Return a new leaf or constant."""
        node = Node(tensor, differentiable and tensor.is_floating_point())
        self.nodes.append(node)
        return node

    def add(self, one: Node, other: Node) -> Node:
        """Return the sum of two nodes."""
        op = find("add")
        assert op is not None  # noqa: S101 (the table has it)
        return self._primitive(op, {"input": one, "other": other, "alpha": 1}, one.tensor + other.tensor)

    def apply(self, op: Op, call: BoundCall, known: Any = None) -> Any:
        """Return an op's result as nodes; only ops that a gradient passes through are expanded.

        `known` is what PyTorch has computed of the very same tensors; a composite op's result is its definition's.
        """
        bound = {**defaults(op.signature), **call.bound}
        if op.kind is Kind.CONSTANT or not any(node.differentiable for node in nodes_in(bound)):
            return _made_by(self._constant(self._call(op, call, known)), op, bound)
        result = self._expand(op, call, bound, known)
        if op.kinks is not None:
            for node in nodes_in(result)[:1]:
                node.kinks = _either(node.kinks, lambda: condition(op.kinks, bound))
        return result

    def _expand(self, op: Op, call: BoundCall, bound: dict[str, Any], known: Any) -> Any:
        if op.kind is Kind.COMPOSITE:
            return Interpreter(definition(op.definition), self, dict(bound)).run()
        if op.kind is Kind.MOVEMENT:
            result = self._move(op, call, known)
            for node in nodes_in(result):
                _made_by(node, op, bound)
            return result
        return self._primitive(op, bound, self.shake(self._call(op, call, known)))

    def _call(self, op: Op, call: BoundCall, known: Any) -> Any:
        if known is not None:
            return known
        positional, keywords = plain(call.positional), plain(call.keywords)
        return function(op.torch)(*positional, **keywords)

    def _constant(self, result: Any) -> Any:
        if isinstance(result, Tensor):
            return self.enter(result, differentiable=False)
        if isinstance(result, tuple | list):
            return rebuild(result, [self._constant(item) for item in result])
        return result

    def _primitive(self, op: Op, bound: dict[str, Any], result: Tensor) -> Node:
        operands, bound = _operands(bound)
        shapes = {name: tuple(node.tensor.shape) for name, node in operands.items()}
        shown = present.of_op(op, shapes, tuple(result.shape), bound)
        numbers = tuple(
            (name, value) for name, value in sorted(bound.items()) if value is None or isinstance(value, STATIC)
        )
        wrt = tuple(name for name, node in operands.items() if node.differentiable)
        unknown = "out" if op.kind is Kind.IMPLICIT else None
        if unknown:
            shown = present.with_unknown(op, shown, tuple(result.shape))
        signature = Signature(shown.formula, tuple(shown.axes.items()), numbers, shown.out, wrt, unknown)
        tensors = {
            name: shown.views[name].apply(present.as_numbers(node.tensor, name)) for name, node in operands.items()
        }
        if unknown:
            tensors["out"] = result
        edges = tuple(Edge(operands[name], signature, name, shown, tensors) for name in wrt)
        return _made_by(self.node(result, edges), op, operands)

    def node(self, result: Tensor, edges: tuple[Edge, ...]) -> Node:
        """Return a new node that is made of others."""
        node = Node(result, differentiable=True, edges=edges)
        self.nodes.append(node)
        return node

    def _move(self, op: Op, call: BoundCall, known: Any) -> Any:
        """Return the result of an op that only moves data; where each entry comes from is seen by moving numbers."""
        result = self._call(op, call, known)
        sources = [node for node in nodes_in([call.positional, call.keywords]) if node.tensor.is_floating_point()]
        if len(sources) == 1 and (shown := rearranged(result, sources[0].tensor)) is not None:
            operands = {"input": shown.views["input"].apply(sources[0].tensor)}
            return self.node(result, (_moving_edge(sources[0], shown, operands),))
        numbered, start = {}, FIRST_NUMBER
        for node in dict.fromkeys(sources):
            count = node.tensor.numel()
            numbered[node] = torch.arange(start, start + count, dtype=torch.float64).reshape(node.tensor.shape)
            start += count
        maps = function(op.torch)(*plain(call.positional, numbered), **plain(call.keywords, numbered))
        return self._moved(result, maps, list(numbered))

    def _moved(self, result: Any, maps: Any, sources: list[Node]) -> Any:
        if not isinstance(result, Tensor):
            parts = [self._moved(part, places, sources) for part, places in zip(result, maps, strict=True)]
            return rebuild(result, parts)
        places, start, edges = maps.reshape(-1).to(torch.int64), FIRST_NUMBER, []
        for node in sources:
            count = node.tensor.numel()
            if node.differentiable:
                edges += _movement_edge(node, tuple(result.shape), places - start, count)
            start += count
        return self.node(result, tuple(edges))


def _either(one: Callable[[], Tensor] | None, other: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Return where one of two conditions holds: a definition may end in an op that has kinks of its own."""
    if one is None:
        return other

    def both() -> Tensor:
        masks = one(), other()
        same = masks[0].shape == masks[1].shape
        return masks[0] | masks[1] if same else torch.stack([mask.any() for mask in masks]).any()

    return both


def condition(text: str | None, bound: Mapping[str, Any]) -> Tensor:
    """Return where a condition over an op's arguments holds: they are constants here."""
    variables = {
        name: Node(value.tensor, differentiable=False) if isinstance(value, Node) else value
        for name, value in bound.items()
    }
    mask = Interpreter(definition(text or "False"), Tape(), variables).run()
    return mask.tensor if isinstance(mask, Node) else torch.tensor(bool(mask))


def _made_by(result: Any, op: Op, arguments: Mapping[str, Any]) -> Any:
    """Note on a node which op made it of what; formulas are read off that."""
    if isinstance(result, Node):
        result.origin = (op, arguments)
    return result


def _movement_edge(node: Node, shape: tuple[int, ...], places: Tensor, count: int) -> list[Edge]:
    """Return the edge to one source; `places` outside 0 … count-1 come from elsewhere."""
    inside = (places >= 0) & (places < count)
    operands = {"input": node.tensor.reshape(-1)}
    if inside.all():
        whole = places.numel() == count and bool((places == torch.arange(count)).all())
        formula, axes = ("input", "j") if whole else ("input[sources[j]]", "")
        operands |= {} if whole else {"sources": places}
        out = "j"
    else:
        (targets,) = torch.nonzero(inside, as_tuple=True)
        formula, axes, out = "delta(i, targets[j]) * input[sources[j]]", "", "i"
        operands |= {"targets": targets, "sources": places[targets]}
    shown = present.flat(formula, {"input": tuple(node.tensor.shape)}, shape, out)
    return [_moving_edge(node, replace(shown, axes={"input": axes}), operands)]


def _moving_edge(node: Node, shown: Presented, operands: dict[str, Tensor]) -> Edge:
    named = tuple((name, shown.axes.get(name, "")) for name in operands)
    signature = Signature(shown.formula, named, (), shown.out, ("input",))
    return Edge(node, signature, "input", shown, operands)


def _operands(bound: dict[str, Any]) -> tuple[dict[str, Node], dict[str, Any]]:
    """Return an op's tensor operands by name, and its other arguments; einsum's operands get names of their own."""
    found: dict[str, Node] = {}
    rest: dict[str, Any] = {}
    for name, value in bound.items():
        if isinstance(value, Node):
            found[name] = value
        elif name == "operands":
            items = value[0] if len(value) == 1 and isinstance(value[0], tuple | list) else value
            found |= {f"operand{position}": node for position, node in enumerate(items)}
        else:
            rest[name] = value
    return found, rest
