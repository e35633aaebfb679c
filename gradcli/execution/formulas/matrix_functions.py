"""The calls of a program that formulas know by name: functions of matrices, and products of entries."""

from __future__ import annotations

from collections.abc import Mapping

from gradcli.derivation.formulas import MatrixFunction
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.nodes import Node

# The ops of matrices whose derivatives have closed forms; those of equations are primitive.
EQUATIONS = {"linalg.inv": "inv", "_solve": "solve"}
CALLS = {"linalg.det": "det", "logdet": "logdet", "linalg.slogdet": "slogdet", "linalg.matrix_exp": "exp"}


def matrix_functions(decomposition: Decomposition, numbers: Mapping[Node, int]) -> dict[Node, MatrixFunction]:
    """Return what the results of calls are of matrices, and those of the equations that definitions solve."""
    found: dict[Node, MatrixFunction] = {}
    for node in numbers:
        op, operands = node.origin if node.edges and node.origin is not None else (None, {})
        if op is not None and op.name in EQUATIONS:
            found[node] = MatrixFunction(EQUATIONS[op.name], tuple(numbers[one] for one in operands.values()))
    for group in decomposition.calls:
        name = CALLS.get(group.call.op.name)
        (argument, *_), outputs = group.call.inputs or (None,), group.call.outputs
        if name is not None and argument is not None and outputs:
            of = MatrixFunction(name, (numbers[decomposition.nodes[argument]],))
            found[decomposition.nodes[outputs[-1]]] = of
    return found


def products_of(decomposition: Decomposition, numbers: Mapping[Node, int]) -> dict[Node, MatrixFunction]:
    """Return what the results of calls are of the tensors whose entries they multiply."""
    found: dict[Node, MatrixFunction] = {}
    for group in decomposition.calls:
        call, of = group.call, decomposition.nodes
        if call.op.name == "prod" and call.inputs and call.inputs[0].tensor.ndim:
            (argument,), (result,), axis = call.inputs, call.outputs, call.arguments.bound.get("dim")
            place = None if axis is None else axis % argument.tensor.ndim
            found[of[result]] = MatrixFunction("prod", (numbers[of[argument]],), place)
    return found
