"""Solutions by the factors of a matrix, as solutions by the matrix: what has the factors is how they are computed.

`cholesky_solve(y, cholesky(K))` is inv(K) @ y, and has its gradient, symmetric as that of a Cholesky factor is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from gradcli.execution.formulas.half_solves import HALF, with_whole_solves
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.ops.record import Kind

CHOLESKY = frozenset({"cholesky", "linalg.cholesky", "linalg.cholesky_ex"})
LU = frozenset({"linalg.lu_factor", "linalg.lu_factor_ex"})
# Of each call: the parameter that takes the factors, what makes these, and its definition by the matrix in their place.
SOLVED = {
    "cholesky_solve": ("L", CHOLESKY, "linalg.solve((L + mT(L))/2, B)"),
    "cholesky_inverse": ("L", CHOLESKY, "linalg.inv((L + mT(L))/2)"),
    "linalg.lu_solve": ("LU", LU, "linalg.solve({matrix}, B, left=left)"),
    "lu_solve": ("LU_data", LU, "linalg.solve(LU_data, b)"),
}


def solves(trace: Trace) -> bool:
    """Tell whether a call solves by factors."""
    return any(call.op.name in SOLVED or call.op.name == HALF for call in trace.calls)


def by_matrices(trace: Trace, kept: Collection[TracedTensor]) -> Trace:
    """Return a trace whose calls solve by the matrices that were factored; not if the factors are to be `kept`."""
    trace = with_whole_solves(trace, kept)
    if not solves(trace):
        return trace
    made = {output: call for call in trace.calls for output in call.outputs}
    return replace(trace, calls=[_by_matrix(call, made, kept) for call in trace.calls])


def symmetric_leaves(trace: Trace) -> frozenset[str]:
    """Return the names of the symmetric leaves that matrices are made of which are solved by their Cholesky factors."""
    trace = with_whole_solves(trace)
    if not solves(trace):
        return frozenset()
    made = {output: call for call in trace.calls for output in call.outputs}
    several = [matrix for call in trace.calls if (matrix := _matrix(call, made)) is not None]
    leaves = {leaf for matrix in several if _is_symmetric(matrix) for leaf in _made_of(matrix, made)}
    return frozenset(leaf.name for leaf in leaves if leaf.name and _is_symmetric(leaf))


def _by_matrix(call: TracedCall, made: Mapping[TracedTensor, TracedCall], kept: Collection[TracedTensor]) -> TracedCall:
    matrix = _matrix(call, made)
    if matrix is None:
        return call
    parameter, makers, definition = SOLVED[call.op.name]
    factor = call.arguments.bound[parameter]
    if factor in kept or (makers is CHOLESKY and not _is_symmetric(matrix)):
        return call
    written = definition.format(matrix="mT(LU)" if call.arguments.bound.get("adjoint") else "LU")
    op = replace(call.op, kind=Kind.COMPOSITE, definition=written)
    return replace(call, op=op, arguments=_instead(call.arguments, factor, matrix))


def _matrix(call: TracedCall, made: Mapping[TracedTensor, TracedCall]) -> TracedTensor | None:
    """Return the matrix that a call solves by the factors of; None if it is not known."""
    parameter, makers, _ = SOLVED.get(call.op.name, ("", frozenset(), ""))
    factor = call.arguments.bound.get(parameter)
    maker = made.get(factor) if isinstance(factor, TracedTensor) else None
    if maker is None or maker.op.name not in makers:
        return None
    upper = [one.arguments.bound.get("upper", False) for one in (call, maker)]
    matrix = maker.arguments.bound.get("A", maker.arguments.bound.get("input"))
    return matrix if isinstance(matrix, TracedTensor) and upper[0] == upper[1] else None


def _is_symmetric(traced: TracedTensor) -> bool:
    values = traced.tensor.detach()
    return values.ndim > 1 and values.shape[-1] == values.shape[-2] and torch.equal(values, values.mT)


def _made_of(traced: TracedTensor, made: Mapping[TracedTensor, TracedCall]) -> Iterator[TracedTensor]:
    """Yield the leaves that a tensor is made of."""
    if traced.is_leaf:
        yield traced
    for one in made[traced].inputs if traced in made else ():
        yield from _made_of(one, made)


def _instead(arguments: BoundCall, factor: TracedTensor, matrix: TracedTensor) -> BoundCall:
    """Return arguments with the matrix in the place of its factors."""

    def put(value: Any) -> Any:
        return matrix if value is factor else value

    positional = [put(value) for value in arguments.positional]
    keywords, bound = (
        {name: put(value) for name, value in given.items()} for given in (arguments.keywords, arguments.bound)
    )
    return BoundCall(arguments.node, positional, keywords, bound)
