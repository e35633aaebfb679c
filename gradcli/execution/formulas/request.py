"""The tape as plain data, from which the symbolic side writes formulas: who reads whom, at which indices.

Only small programs are sketched. A node whose entries have no index notation here (an implicit definition, a reshape
that merges axes, a gather) is left without a definition: a formula can name it, but none leads through it.

For a tensor that has no formula in terms of the leaves, `chain_rule` writes the chain rule's last step in words of the
tensors that are made of it: `vjp(y, grad(y))` is y's vector-Jacobian product with the gradient of y, summed over all y.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradcli.escaping import shortened
from gradcli.execution.formulas.affine import decode
from gradcli.execution.forward.tracer import TracedCall, TracedTensor, replaced, traced_in
from gradcli.execution.reference import layout
from gradcli.execution.reference.decomposition import Decomposition, Group
from gradcli.execution.reference.layout import AxisView, Layout
from gradcli.execution.reference.nodes import Edge, Node, nodes_in
from gradcli.ops.record import Kind, Op

MOST_NODES = 40
LONGEST_NAME = 60
MOST_TERMS = 4

# Constants that a formula can be written for, beside comparisons, whose description is their formula.
CONSTANT_FORMULAS = {
    "sign": "where(input > 0, 1, where(input < 0, -1, 0))",
    "floor": "floor(input)",
    "ceil": "ceil(input)",
}
# Ops whose arguments alone say which entries they read, whatever the data.
SAME_SHAPE = "clone contiguous positive flip fliplr flipud rot90"
PERMUTED = "transpose t T mT H mH permute movedim"
RESHAPED = "reshape view reshape_as view_as flatten unflatten ravel squeeze unsqueeze atleast_1d atleast_2d atleast_3d"
EXPANDED = "expand expand_as broadcast_to broadcast_tensors meshgrid"
PARTS = (
    "getitem select narrow diagonal diag unbind chunk split tensor_split hsplit vsplit dsplit unsafe_chunk unsafe_split"
)
INNER = "_rows _windows _patches _split_axis"
FIXED_READS = frozenset(f"{SAME_SHAPE} {PERMUTED} {RESHAPED} {EXPANDED} {PARTS} {INNER}".split())
COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})


def sketch(
    decomposition: Decomposition, names: Mapping[TracedTensor, str], upstream: float | None
) -> dict[str, Any] | None:
    """Return the tape as JSON data, or None if it is too large, or complex; `upstream` is None where it is a tensor."""
    return draw(decomposition, names, upstream) if not decomposition.is_complex and _is_small(decomposition) else None


def draw(decomposition: Decomposition, names: Mapping[TracedTensor, str], upstream: float | None) -> dict[str, Any]:
    """Return the tape of a real program as JSON data, however large the program is."""
    drawing = _Serialiser(
        decomposition, {decomposition.nodes[traced]: name for traced, name in reversed([*names.items()])}
    )
    for group in decomposition.groups:
        drawing.calls |= {decomposition.nodes[output]: group.call for output in group.call.outputs}
    nodes = [drawing.node(node) for node in decomposition.tape.nodes]
    place = drawing.places
    return {
        "nodes": nodes,
        "groups": [_group(decomposition, group, place) for group in decomposition.groups if group.nodes],
        "output": place[decomposition.nodes[decomposition.trace.output]],
        "upstream": upstream,
        "wanted": {name: place[decomposition.nodes[traced]] for traced, name in names.items() if _has_gradient(traced)},
    }


def _is_small(decomposition: Decomposition) -> bool:
    """Tell whether few enough nodes lead to the output; one that is not reached has no formula to write."""
    reached: set[Node] = set()
    waiting = [decomposition.nodes[decomposition.trace.output]]
    while waiting and len(reached) <= MOST_NODES:
        node = waiting.pop()
        if node.edges and node not in reached:
            reached.add(node)
            waiting += [edge.source for edge in node.edges]
    return len(reached) <= MOST_NODES


def chain_rule(
    decomposition: Decomposition, names: Mapping[TracedTensor, str], upstream: float | None = None
) -> dict[TracedTensor, tuple[str, str]]:
    """Return text and LaTeX of the chain rule's last step for every tensor; 0 where the output is not made of it.

    `upstream` is what every entry of the upstream gradient is; None where it is a tensor.
    """
    output = decomposition.trace.output
    made = {traced: ["0"] for traced in names}
    reached = {output}
    for call in reversed(decomposition.trace.calls):
        used = [traced for traced in call.outputs if traced in reached and traced.tensor.requires_grad]
        for traced in _inputs(call) if used else []:
            terms = [f"vjp({clip(names[result])}, grad({clip(names[result])}))" for result in used]
            made[traced] = [*terms, *(made[traced] if traced in reached else [])][:MOST_TERMS]
            reached.add(traced)
    made[output] = ["1" if output.tensor.numel() == 1 and upstream == 1 else "grad_output"]
    return {traced: _sum(terms) for traced, terms in made.items()}


def _sum(terms: list[str]) -> tuple[str, str]:
    text = " + ".join(terms[: MOST_TERMS - 1] + (["..."] if len(terms) == MOST_TERMS else []))
    return text, text if text.isdigit() else rf"\mathtt{{{_escaped(text)}}}"


def _escaped(text: str) -> str:
    special = {"\\": r"\backslash ", "^": r"\hat{}", "~": r"\sim ", " ": r"\ "}
    special |= {character: f"\\{character}" for character in "_{}%#&$"}
    return "".join(special.get(character, character) for character in text)


def clip(name: str) -> str:
    """Return a name, its middle left out where it is long."""
    return shortened(name, LONGEST_NAME)


def _has_gradient(traced: TracedTensor) -> bool:
    return traced.tensor.requires_grad


def _group(decomposition: Decomposition, group: Group, places: Mapping[Node, int]) -> dict[str, Any]:
    inputs = [traced for traced in _inputs(group.call) if traced in decomposition.nodes]
    return {
        "nodes": [places[node] for node in group.nodes],
        "inputs": [places[decomposition.nodes[traced]] for traced in inputs],
        "outputs": [places[decomposition.nodes[output]] for output in group.call.outputs],
    }


def _inputs(call: TracedCall) -> list[TracedTensor]:
    return list(dict.fromkeys(traced_in([call.arguments.positional, call.arguments.keywords])))


@dataclass(slots=True)
class _Serialiser:
    """What is known while a tape is drawn: the names of nodes, the calls that made them, and their numbers."""

    decomposition: Decomposition
    names: dict[Node, str]
    calls: dict[Node, TracedCall] = field(default_factory=dict)
    places: dict[Node, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Number the nodes."""
        self.places = {node: place for place, node in enumerate(self.decomposition.tape.nodes)}

    def node(self, node: Node) -> dict[str, Any]:
        """Return one node: its shape, its name if it has one, and its definition if that has an index notation."""
        drawn: dict[str, Any] = {"shape": list(node.tensor.shape), "name": self.names.get(node)}
        drawn["inputs"] = [self.places[edge.source] for edge in node.edges]
        # A part of a complex value has no origin: formulas are written of real values.
        if node.edges and node.origin is not None and node.edges[0].request.unknown is None:
            drawn |= self._movement(node) if node.origin[0].kind is Kind.MOVEMENT else self._primitive(node)
        elif not node.edges:
            drawn |= self._constant(node)
        return drawn

    def _primitive(self, node: Node) -> dict[str, Any]:
        edge = node.edges[0]
        _, operands = node.origin
        return self._defined(edge.layout, dict(edge.request.numbers), edge.request.wrt, operands)

    def _defined(
        self, shown: Layout, numbers: Mapping[str, Any], wrt: tuple[str, ...], operands: Mapping[str, Node]
    ) -> dict[str, Any]:
        views = {name: _axes(shown.views[name]) for name in operands}
        result = _axes(shown.result)
        if result is None or any(view is None for view in views.values()):
            return {}
        return {
            "formula": shown.formula,
            "axes": list(shown.axes.items()),
            "numbers": sorted(numbers.items()),
            "out": shown.out,
            "wrt": wrt,
            "result": result,
            "operands": {name: {"node": self.places[node], "axes": views[name]} for name, node in operands.items()},
        }

    def _movement(self, node: Node) -> dict[str, Any]:
        op, arguments = node.origin
        (edge, *others) = node.edges
        if others or edge.request.formula.startswith("delta") or not _is_fixed(op, arguments):
            return {}
        source, shape = tuple(edge.source.tensor.shape), tuple(node.tensor.shape)
        found = decode(_map(edge, edge.source.tensor), shape, source)
        if found is None:
            return {}
        return {"read": {"node": self.places[edge.source], "places": [[p.base, p.step, p.axis] for p in found]}}

    def _constant(self, node: Node) -> dict[str, Any]:
        """Return the definition of a constant that is a pointwise formula of other values."""
        op, bound = node.origin or self._made_by(node)
        if op is None:
            return {}
        if op.name == "amax" and node not in self.calls and _are_detached(bound):
            # Definitions shift exponentials by a detached maximum, to keep them in range: no value depends on it.
            return {"shift": True}
        formula = _constant_formula(op)
        operands = {name: value for name, value in bound.items() if isinstance(value, Node)}
        if formula is None or any(node not in self.places for node in operands.values()):
            return {}
        shapes = {name: tuple(value.tensor.shape) for name, value in operands.items()}
        shown = layout.pointwise(formula, shapes, tuple(node.tensor.shape))
        numbers = {name: value for name, value in bound.items() if isinstance(value, bool | int | float | str)}
        return self._defined(shown, numbers, (), operands)

    def _made_by(self, node: Node) -> tuple[Op | None, Mapping[str, Any]]:
        call = self.calls.get(node)
        if call is None:
            return None, {}
        bound: Mapping[str, Any] = replaced(call.arguments.bound, self.decomposition.nodes.__getitem__)
        return call.op, bound


def _is_fixed(op: Op, arguments: Mapping[str, Any]) -> bool:
    """Tell whether it is the program, and not the data, that says which entries are read."""
    return op.name in FIXED_READS and all(node.tensor.is_floating_point() for node in nodes_in(arguments))


def _map(edge: Edge, source: Tensor) -> Tensor:
    if "sources" in edge.operands:
        return edge.operands["sources"]
    places = torch.arange(source.numel()).reshape(source.shape)
    return edge.layout.result.undo(edge.layout.views["input"].apply(places))


def _are_detached(arguments: Mapping[str, Any]) -> bool:
    return all(node.origin is not None and node.origin[0].name == "detach" for node in nodes_in(arguments))


def _constant_formula(op: Op) -> str | None:
    if op.kind is Kind.POINTWISE or op.name in COMPARISONS:
        return op.definition
    return CONSTANT_FORMULAS.get(op.name)


def _axes(view: AxisView) -> list[list[int]] | None:
    """Return, for each axis that a view presents, the original axes that it stands for; those of length 1 are left out.

    An axis of length 1 is read at index 0, whatever it is called.
    """
    waiting = [axis for axis in view.permutation if view.original[axis] != 1]
    found: list[list[int]] = []
    for size in view.shape:
        group: list[int] = []
        product = 1
        while product < size and waiting:
            group.append(waiting.pop(0))
            product *= view.original[group[-1]]
        if product != size:
            return None
        found.append(group)
    return None if waiting else found
