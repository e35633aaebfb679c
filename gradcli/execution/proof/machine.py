"""The machine that runs ops of the table on circuits: each call by the definition of its op, entry by entry."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import GradcliError, NotSupportedError
from gradcli.execution.forward import tree
from gradcli.execution.forward.callables import function
from gradcli.execution.forward.interpreter import Interpreter
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.proof import inverses
from gradcli.execution.proof.circuit import Circuit, Entries, Pair, UnprovableError
from gradcli.execution.proof.constants import CONSTANTS, OF_FLOATS, OF_SHAPES, with_fields
from gradcli.execution.proof.formulas import Formula, Node
from gradcli.execution.proof.fourier import EXACT
from gradcli.execution.proof.labels import named, parsed, sizes_of
from gradcli.execution.proof.rows import Rows
from gradcli.execution.reference import layout
from gradcli.execution.reference.definitions import defined, definition
from gradcli.language.program import Ellipsis, Expression, Program
from gradcli.limits import Limits
from gradcli.ops.record import Kind, Op
from gradcli.ops.signature import defaults


def entries_in(value: Any) -> list[Entries]:
    """Return what is of a circuit among nested arguments."""
    return [leaf for leaf in tree.leaves(value) if isinstance(leaf, Entries)]


class CircuitMachine:
    """Runs definitions on entries of a circuit; what depends on no leaf is run by PyTorch in double precision."""

    largest_exponent = 1 << 20
    seed = 0
    most_rounds = Limits().operations

    def __init__(self, circuit: Circuit, *, picks: bool = False) -> None:
        self.circuit = circuit
        self.memo: dict[Any, Any] = {}
        self.rows = Rows(circuit, picks=picks)
        self._running: set[str] = set()
        self.used: set[Kind] = set()
        """The kinds of the ops that were run on entries."""
        self.multilinear: set[str] = set()
        """The kernels that were taken to be linear."""
        self.detaches = False
        """Whether `detach` cuts a gradient off; else it only moves entries."""
        self.by_hand: set[str] = set()
        """The kernels whose formula is written by hand."""

    def tensor(self, value: Any) -> Tensor | None:
        """Return a tensor of the same shape: one without numbers, so that nothing can be decided by them."""
        if isinstance(value, Entries):
            return torch.empty(value.shape, dtype=value.codes.dtype, device="meta")
        return value if isinstance(value, Tensor) else None

    def decides(self, tensor: Tensor) -> None:
        """Nothing does: `tensor` has no numbers."""

    def begin_loop(self, rounds: int) -> None:
        """Loops of definitions are bounded by their operands' sizes, which are small here."""

    def check_items(self, count: int) -> None:
        """As `begin_loop`."""

    def check_elements(self, count: int, node: Expression) -> None:
        """As `begin_loop`."""

    def named(self, value: Any, name: str) -> None:
        """Names do not matter here."""

    def leaf(self, value: Any, name: str) -> Any:  # noqa: ARG002
        """Refuse a leaf that the program makes."""
        raise UnprovableError("the program makes a leaf of its own")

    def unmade(self, numbers: Any) -> Any:  # noqa: ARG002
        """As `leaf`."""
        raise UnprovableError("the program makes a leaf of its own")

    def refill(self, value: Any, numbers: Any) -> None:  # noqa: ARG002
        """As `leaf`."""
        raise UnprovableError("the program makes a leaf of its own")

    def hide(self, values: Sequence[Any]) -> None:
        """A proof shows no values."""

    def gradient(self, *_: Any, **options: Any) -> tuple[Any, ...]:
        """Refuse a program that computes with a gradient of its own."""
        del options
        raise UnprovableError("the program computes with a gradient of its own")

    def overwrites(self, value: Any, call: BoundCall, others: Mapping[str, Any]) -> None:
        """PyTorch has refused what there is to refuse."""

    def apply(self, op: Op, call: BoundCall) -> Any:
        """Return an op's result; UnprovableError where its definition is not one that a circuit can hold."""
        bound = {**defaults(op.signature), **call.bound}
        given = entries_in(bound)
        if not given:
            return EXACT[op.name](self.circuit, *bound.values()) if op.name in EXACT else self._run(op, call)
        if is_complex(bound):
            op = defined(op)
        if op.name == "detach":
            return self.detached(given[0])
        if op.name in OF_SHAPES:
            return self._run(op, call)
        return False if op.name in OF_FLOATS else with_fields(op, self._by_definition(op, call, bound))

    def _by_definition(self, op: Op, call: BoundCall, bound: dict[str, Any]) -> Any:
        """Return an op's result on entries, entry by entry."""
        of_rows = self.rows.apply(op.name, {name: self.entries(value) for name, value in bound.items()})
        if of_rows is not None:
            self.used.add(Kind.COMPOSITE)
            return of_rows
        text = op.formula or CONSTANTS.get(op.name)
        if op.kind is Kind.CONSTANT and text is None:
            return self._without_values(op, call)
        self.used.add(op.kind)
        match op.kind:
            case Kind.POINTWISE | Kind.CONSTANT:
                return self.pointwise(text or op.definition, bound)
            case Kind.COMPOSITE:
                return self._composed(op, call, bound)
            case Kind.MOVEMENT:
                return self.moved(function(op.torch), call.positional, call.keywords)
            case Kind.INDEXED | Kind.EINSUM:
                return self._indexed(op, call, bound)
        if op.name in inverses.NAMES:
            return inverses.run(self.circuit, op.name, *entries_in(list(map(self.entries, bound.values()))))
        raise UnprovableError(f"{op.name} is defined by an equation that its result solves")

    def _composed(self, op: Op, call: BoundCall, bound: dict[str, Any]) -> Any:
        """Return the result of a program; what that takes from PyTorch, as it runs the op itself, has no values."""
        if op.signature in self._running:
            return self._without_values(op, call)
        self._running.add(op.signature)
        try:
            return Interpreter(definition(op.definition), self, dict(bound)).run()
        finally:
            self._running.discard(op.signature)

    def _without_values(self, op: Op, call: BoundCall) -> Any:
        """Return an op's result on tensors without values: numbers that shapes decide, and entries that are unknown.

        UnprovableError where it looks at a value.
        """
        gap = f"{op.name} of what depends on a leaf has no formula"
        blank = tree.map(self._blank, [call.positional, call.keywords])
        try:
            result = function(op.torch)(*blank[0], **blank[1])
        except (GradcliError, RuntimeError, NotImplementedError):
            raise UnprovableError(gap) from None
        self.used.add(Kind.COMPOSITE)  # sizes matter
        return tree.map(lambda leaf: self._unknown(leaf, gap), result)

    def _blank(self, leaf: Any) -> Any:
        return self.tensor(leaf) if isinstance(leaf, Entries) else leaf

    def _unknown(self, leaf: Any, gap: str) -> Any:
        """Return entries that have no value, for a tensor that has none: what depends on them is not decided."""
        if not isinstance(leaf, Tensor) or not leaf.is_meta:
            return _double(leaf) if isinstance(leaf, Tensor) else leaf
        node = self.circuit.node("unknown", gap)
        return Entries(Circuit.codes([node] * leaf.numel(), leaf.shape))

    def _run(self, op: Op, call: BoundCall) -> Any:
        """Return PyTorch's result of an op that no leaf's value matters to."""
        zeros = tree.map(_zeros, [call.positional, call.keywords])
        try:
            result = function(op.torch)(*zeros[0], **zeros[1])
        except NotSupportedError as error:
            raise UnprovableError(error.message) from None
        return tree.map(lambda leaf: _double(leaf) if isinstance(leaf, Tensor) else leaf, result)

    def detached(self, entries: Entries) -> Entries:
        """Return entries that no gradient passes."""
        nodes = [self.circuit.node("detach", node) for node in self.circuit.decoded(entries.codes)]
        return Entries(Circuit.codes(nodes, entries.shape))

    def entries(self, value: Any) -> Any:
        """Return a tensor of numbers as entries; whatever else it is as it is."""
        if not isinstance(value, Tensor):
            return value
        numbers = _double(value.detach().clone())  # PyTorch's zeros without storage get one
        numbers = numbers.resolve_conj() if numbers.is_complex() else numbers.to(torch.float64)
        return Entries(self.circuit.mixed_codes(self.circuit.values(numbers), value.shape))

    def pointwise(self, text: str, bound: Mapping[str, Any]) -> Entries:
        """Return a formula of every entry, with the operands broadcast."""
        operands = {name: self.entries(value) for name, value in bound.items()}
        tensors = {name: value.codes for name, value in operands.items() if isinstance(value, Entries)}
        expanded = torch.broadcast_tensors(*tensors.values())
        columns = [self.circuit.values(codes) for codes in expanded]
        nodes = []
        for row in zip(*columns, strict=True):
            names = {**operands, **dict(zip(tensors, map(as_value, row), strict=True))}
            rule = Formula(self.circuit, names)
            nodes.append(rule.node(rule.evaluate(parsed(text))))
        return Entries(self.circuit.mixed_codes(nodes, expanded[0].shape))

    def moved(self, call: Any, positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        """Return what a call makes that only moves entries: PyTorch's own call on codes."""
        arguments = tree.map(_codes, [list(positional), dict(keywords)])
        try:
            result = call(*arguments[0], **arguments[1])
        except IndexError:  # codes are no indices, nor a mask
            raise UnprovableError("which entries are picked depends on a leaf's values") from None
        return tree.map(lambda leaf: Entries(leaf) if _is_numbers(leaf) else leaf, result)

    def _indexed(self, op: Op, call: BoundCall, bound: dict[str, Any]) -> Entries:
        """Return what index notation defines: every entry of the result, summed over the labels that it lacks."""
        operands = {name: self.entries(value) for name, value in named(bound).items()}
        like = function(op.torch)(*tree.map(_zeros, call.positional), **tree.map(_zeros, call.keywords))
        shapes = {name: tuple(value.shape) for name, value in operands.items()}
        static = {
            name: value for name, value in bound.items() if not entries_in(value) and not isinstance(value, Tensor)
        }
        shown = layout.layout_of(op, shapes, tuple(like.shape), static)
        presented = {name: shown.views[name].apply(value.codes) for name, value in operands.items()}
        sizes, written = sizes_of(op, shown, presented, like)
        nodes = {name: self._by_place(codes) for name, codes in presented.items()}
        summed = sorted(set(sizes) - set(shown.out))

        def entry(place: dict[str, int]) -> Any:
            def read(name: str, items: Sequence[Any]) -> Any:
                letters = "".join(shown.axes[name] if isinstance(item, Ellipsis) else item.name for item in items)
                return as_value(nodes[name][tuple(place[letter] for letter in letters)])

            names = {**static, **place}
            names |= {
                name: as_value(nodes[name][tuple(place[letter] for letter in shown.axes[name])])
                for name in presented
                if name not in written
            }
            rule = Formula(self.circuit, names, read)
            return rule.node(rule.evaluate(parsed(shown.formula)))

        out = []
        for place in itertools.product(*(range(sizes[letter]) for letter in shown.out)):
            fixed = dict(zip(shown.out, place, strict=True))
            ranges = itertools.product(*(range(sizes[letter]) for letter in summed))
            out.append(self.sum([entry({**fixed, **dict(zip(summed, rest, strict=True))}) for rest in ranges]))
        codes = self.circuit.mixed_codes(out, shown.result.shape)
        return Entries(shown.result.undo(codes).reshape(like.shape))

    def _by_place(self, codes: Tensor) -> dict[tuple[int, ...], int | Pair]:
        places = itertools.product(*map(range, codes.shape))
        return dict(zip(places, self.circuit.values(codes), strict=True))

    def sum(self, terms: Sequence[Any]) -> Any:
        """Return the node of a sum, or the pair."""
        if any(isinstance(term, Pair) for term in terms):
            return Formula(self.circuit, {}).complexes.apply("sum", terms)
        zero = self.circuit.number(0)
        return self.circuit.node("sum", *(term for term in terms if term != zero))


def is_complex(value: Any) -> bool:
    """Return whether a complex number, or a tensor of some, is among nested arguments."""
    leaves = [leaf.codes if isinstance(leaf, Entries) else leaf for leaf in tree.leaves(value)]
    return any(leaf.is_complex() if isinstance(leaf, Tensor) else isinstance(leaf, complex) for leaf in leaves)


def as_value(value: int | Pair) -> Node | Pair:
    """Return an entry as formulas have it: nodes are told from numbers."""
    return value if isinstance(value, Pair) else Node(value)


def _zeros(leaf: Any) -> Any:
    return torch.zeros(leaf.shape, dtype=leaf.codes.dtype) if isinstance(leaf, Entries) else leaf


def _double(tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        return tensor.to(torch.complex128)
    return tensor.to(torch.float64) if tensor.is_floating_point() else tensor


def _codes(leaf: Any) -> Any:
    return leaf.codes if isinstance(leaf, Entries) else _double(leaf) if isinstance(leaf, Tensor) else leaf


def _is_numbers(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and (leaf.is_floating_point() or leaf.is_complex())


def run(program: Program, machine: CircuitMachine, variables: dict[str, Any]) -> Any:
    """Return the output of a program on entries."""
    return Interpreter(program, machine, variables).run()
