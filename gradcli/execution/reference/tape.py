"""The tape: a program's definitions expanded to primitive nodes, run in double precision.

A primitive node is pointwise, indexed, implicit, or moves data; its derivative is asked for by its signature. Composite
ops run their definition, so that only primitive nodes are left. A value that no gradient reaches is a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest
from gradcli.errors import LimitError, NotSupportedError
from gradcli.execution.forward import tree
from gradcli.execution.forward.callables import function
from gradcli.execution.forward.interpreter import Interpreter
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.memory import limits_in_force
from gradcli.execution.reference import layout, movement, supports
from gradcli.execution.reference.definitions import defined, definition, operands_of
from gradcli.execution.reference.layout import Layout
from gradcli.execution.reference.movement import Origin
from gradcli.execution.reference.nodes import (
    COMPLEX,
    NODES,
    ComplexNode,
    Edge,
    Node,
    nodes_in,
    paired,
    parts,
    plain,
    real_operands,
)
from gradcli.execution.reference.steps import Definition, Step, Way, computed, made_by
from gradcli.execution.reference.systems.solve import LastSystem
from gradcli.execution.reference.tensor_eval import Perturbation, identity
from gradcli.language.program import Call, Expression
from gradcli.ops.record import Kind, Op
from gradcli.ops.signature import defaults
from gradcli.ops.table import find

# All loops of the definitions together may run so many times as many rounds as those of one.
MOST_LOOPS = 8
STATIC = bool | int | float | str


class Tape:
    """The machine that runs definitions; `nodes` are the primitive ones, in the order in which they were made.

    `steps` are the ops that they come to; no entry of a tensor has decided which, where the tape `is_straight`.
    """

    largest_exponent = 1 << 20  # definitions are ours: their exponents are their arguments'
    seed = 0

    def __init__(self, perturb: Perturbation = identity) -> None:
        self.nodes, self.perturb = list[Node](), perturb
        self.steps: list[Step] = []
        self.is_straight = True
        self.memo: dict[Any, Any] = {}
        self.last_system = LastSystem()
        self.most_rounds, self._rounds = limits_in_force().operations, 0

    def begin_loop(self, rounds: int) -> None:
        """Refuse a loop of a definition's that takes too long, by itself or with those before it."""
        self._rounds += rounds
        for count, most, whose in (
            (rounds, self.most_rounds, "its definition takes"),
            (self._rounds, MOST_LOOPS * self.most_rounds, "the definitions of all calls take"),
        ):
            if count > most:
                words = f"{whose} {count:,} rounds of a loop, more than the limit of {most:,} (`--max-operations`)"
                raise LimitError(words)

    def tensor(self, value: Any) -> Tensor | None:
        """Return the tensor behind a node."""
        return value.tensor if isinstance(value, NODES) else None

    def check_items(self, count: int) -> None:
        """Definitions are ours, and make no long lists."""

    def named(self, value: Any, name: str) -> None:
        """Names inside definitions mean nothing to anyone."""

    def leaf(self, value: Any, name: str) -> Any:
        """Definitions make no leaves."""
        raise NotImplementedError

    def unmade(self, numbers: Any) -> Any:
        """Definitions make no leaves."""
        raise NotImplementedError

    def hide(self, values: Sequence[Any]) -> None:
        """Nothing of a definition is shown."""

    def gradient(
        self, call: Call, outputs: Sequence[Any], inputs: Sequence[Any], upstream: Sequence[Any], *, allow_unused: bool
    ) -> tuple[Any, ...]:
        """Definitions differentiate nothing."""
        raise NotImplementedError

    def refill(self, value: Any, numbers: Any) -> None:
        """Definitions make no leaves."""
        raise NotImplementedError

    def overwrites(self, value: Any, call: BoundCall, others: Mapping[str, Any]) -> None:
        """Definitions change nothing in place."""
        raise NotImplementedError

    def check_elements(self, count: int, node: Expression) -> None:
        """Definitions draw nothing."""
        raise NotImplementedError

    def decides(self, tensor: Tensor) -> None:  # noqa: ARG002 (whichever it is)
        """Take note that the entries of a tensor decide what comes next."""
        self.is_straight = False

    def enter(self, tensor: Tensor, *, differentiable: bool) -> Any:
        """Return a new leaf or constant: a node, or a pair of them for a complex tensor."""
        if tensor.is_complex():
            return paired(tensor, lambda part, _: self.enter(part, differentiable=differentiable))
        node = Node(tensor, differentiable and tensor.is_floating_point())
        self.nodes.append(node)
        return node

    def add(self, one: Node, other: Node) -> Node:
        """Return the sum of two nodes."""
        op = find("add")
        assert op is not None  # noqa: S101 (the table has it)
        bound = {"input": one, "other": other, "alpha": 1}
        made: Node = self._primitive(op, bound, one.tensor + other.tensor)
        return made

    def apply(self, op: Op, call: BoundCall, known: Any = None) -> Any:
        """Return an op's result as nodes; only ops that a gradient passes through are expanded.

        `known` is what PyTorch has computed of the very same tensors; a composite op's result is its definition's.
        """
        bound = {**defaults(op.signature), **call.bound}
        leaves = tree.leaves(bound)
        op = defined(op) if any(isinstance(leaf, COMPLEX) for leaf in leaves) else op
        if op.kind is Kind.CONSTANT or not any(isinstance(leaf, NODES) and leaf.differentiable for leaf in leaves):
            return self.constant(op, call, bound, known)
        result = self._expand(op, call, bound, known)
        if op.kinks is not None:
            self.steps.append(Step(op, call, bound, result, Way.KINKS))
            note_kinks(op, bound, result)
        return result

    def constant(self, op: Op, call: BoundCall, bound: Mapping[str, Any], known: Any) -> Any:
        """Return the result of an op that no gradient passes through."""
        result = self.entered(op, bound, self._computed(op, call, known))
        self.steps.append(Step(op, call, bound, result, Way.CONSTANT, known is not None))
        return result

    def entered(self, op: Op, bound: Mapping[str, Any], found: Any) -> Any:
        """Return what an op has made of constants as constants; what is not a tensor stays what it is."""
        result = tree.map(lambda one: self.enter(one, differentiable=False) if isinstance(one, Tensor) else one, found)
        return supports.with_support(made_by(result, op, bound), op, bound)

    def _expand(self, op: Op, call: BoundCall, bound: dict[str, Any], known: Any) -> Any:
        if op.kind is Kind.COMPOSITE:
            return Interpreter(definition(op.definition), self, dict(bound)).run()
        if op.kind is Kind.MOVEMENT:
            return self.moved(op, call, bound, known)
        result = self._primitive(op, bound, self.perturb(self._computed(op, call, known)))
        self.steps.append(Step(op, call, bound, result, Way.PRIMITIVE, known is not None))
        return result

    def moved(self, op: Op, call: BoundCall, bound: Mapping[str, Any], known: Any) -> Any:
        """Return the result of an op that moves data."""
        result = self._move(op, call, known)
        self.steps.append(Step(op, call, bound, result, Way.MOVED, known is not None))
        for place, node in enumerate(nodes_in(result)):
            moved_by(node, op, call, bound, place)
        return result

    def _computed(self, op: Op, call: BoundCall, known: Any) -> Any:
        return known if known is not None else computed(op, plain(call.positional), plain(call.keywords))

    def _primitive(self, op: Op, bound: dict[str, Any], result: Tensor) -> Any:
        operands, bound = operands_of(self._entered(bound))
        shapes = {name: tuple(node.tensor.shape) for name, node in operands.items()}
        shown = layout.layout_of(op, shapes, tuple(result.shape), bound)
        reads_complex = any(isinstance(node, ComplexNode) for node in operands.values())
        # An equation is in the layout, whose letters are the same for the same pattern.
        static = {} if op.kind is Kind.EINSUM else bound
        numbers = tuple(
            (name, value) for name, value in sorted(static.items()) if value is None or isinstance(value, STATIC)
        )
        if op.kind is Kind.IMPLICIT and reads_complex:
            msg = f"the equation that defines {op.name} is one of real numbers"
            raise NotSupportedError(msg)
        operands, shown = real_operands(operands, shown)
        if result.is_complex():
            return paired(result, lambda part, name: self._defined_by(op, operands, shown, numbers, part, name))
        return self._defined_by(op, operands, shown, numbers, result, "real" if reads_complex else None)

    def _defined_by(  # noqa: PLR0917 (a definition's parts)
        self,
        op: Op,
        operands: dict[str, Node],
        shown: Layout,
        numbers: tuple[tuple[str, Any], ...],
        result: Tensor,
        part: str | None,
    ) -> Node:
        """Return a node for a result, or for a part of a complex one, of operands that are real."""
        wrt = tuple(name for name, node in operands.items() if node.differentiable)
        unknown = "out" if op.kind is Kind.IMPLICIT else None
        if unknown:
            shown = layout.with_unknown(op, shown, tuple(result.shape))
        axes = tuple(shown.axes.items())
        signature = DerivativeRequest(shown.formula, axes, numbers, shown.out, wrt, unknown, part=part)
        made = self.defined(Definition(signature, shown, wrt), operands, result)
        made.of_parts = (op, operands) if part else None
        return made if part else made_by(made, op, operands)

    def defined(self, definition: Definition, operands: Mapping[str, Node], result: Tensor) -> Node:
        """Return a primitive node by what it is, with its values."""
        return self.node(result, definition.edges(operands, result, self.last_system))

    def _entered(self, bound: dict[str, Any]) -> dict[str, Any]:
        """Return arguments with complex numbers as constants."""
        return {
            name: self.enter(torch.tensor(value), differentiable=False) if isinstance(value, complex) else value
            for name, value in bound.items()
        }

    def node(self, result: Tensor, edges: tuple[Edge, ...]) -> Node:
        """Return a new node, whose edges lead to what it depends on."""
        node = Node(result, differentiable=True, edges=edges)
        self.nodes.append(node)
        return node

    def _move(self, op: Op, call: BoundCall, known: Any) -> Any:
        """Return the result of an op that only moves data."""
        result = self._computed(op, call, known)
        arguments = [call.positional, call.keywords]
        sources = [node for node in nodes_in(arguments) if movement.holds_numbers(node)]
        edges = movement.viewing_edges(tree.tensors(result), sources)
        if edges is not None:
            known = iter(edges)
            return tree.map(lambda one: self.node(one, (next(known),)), result)
        sources = list(dict.fromkeys(sources))
        found = movement.origins(function(op.torch), call.positional, call.keywords, sources)
        return tree.map(lambda whole, origins: self._moved(whole, origins, sources), result, found)

    def _moved(
        self, result: Tensor, origins: Sequence[Origin | None], sources: Sequence[Node | ComplexNode]
    ) -> Node | ComplexNode:
        """Return one tensor of what was moved, as nodes that are computed from the sources."""

        def node(part: Tensor, name: str) -> Node:
            return self.node(part, movement.moved_edges(origins, sources, name))

        return paired(result, node) if result.is_complex() else node(result, "real")


def note_kinks(op: Op, bound: Mapping[str, Any], result: Any) -> None:
    """Note on the nodes of a result, the first if there are several, where its op has kinks."""
    for node in [part for value in nodes_in(result)[:1] for part in parts(value)]:
        node.kinks = _either(node.kinks, lambda: condition(op.kinks, bound))


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
    tape = Tape()
    variables = {
        name: tape.enter(value.tensor, differentiable=False) if isinstance(value, NODES) else value
        for name, value in bound.items()
    }
    mask = Interpreter(definition(text or "False"), tape, variables).run()
    return mask.tensor if isinstance(mask, Node) else torch.tensor(bool(mask))


def moved_by(node: Any, op: Op, call: BoundCall, bound: Mapping[str, Any], place: int) -> None:
    """Note on one of the results of an op that moves data which it is, and where it is made of data."""
    if isinstance(node, ComplexNode):
        node.real.of_parts = node.imag.of_parts = (op, bound)
    elif made_by(node, op, bound) is node:
        node.support = partial(supports.of_moved, op, call, place)
