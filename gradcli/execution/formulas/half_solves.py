"""Products of what the triangle of a matrix solves, as those of what the matrix solves.

Of the lower factor L of K, `a = inv(L) @ y`: the sum of a**2, and a.T @ a, are y.T @ inv(K) @ y, and inv(L.T) @ a is
inv(K) @ y.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.ops.table import find

HALF = "linalg.solve_triangular"
CHOLESKY = frozenset({"cholesky", "linalg.cholesky", "linalg.cholesky_ex"})
TRANSPOSED = frozenset({"T", "mT"})
# What reads a column as a vector.
READING = frozenset({"getitem", "squeeze", "flatten", "reshape", "view"})
NORMS = frozenset({"norm", "linalg.norm", "linalg.vector_norm", "linalg.matrix_norm"})
MATRIX = 2


def with_whole_solves(trace: Trace, kept: Collection[TracedTensor] = ()) -> Trace:
    """Return a trace whose calls solve by a matrix where they solve by its factor twice; not through what is `kept`."""
    if not any(call.op.name == HALF for call in trace.calls):
        return trace
    halves = _Halves({output: call for call in trace.calls for output in call.outputs}, kept)
    return replace(trace, calls=[one for call in trace.calls for one in halves.instead(call)])


@dataclass(frozen=True, slots=True)
class _Half:
    """What inv(L) @ B is of: the factor and B."""

    factor: TracedTensor
    of: TracedTensor


@dataclass(frozen=True, slots=True)
class _Halves:
    made: Mapping[TracedTensor, TracedCall]
    kept: Collection[TracedTensor]

    def instead(self, call: TracedCall) -> list[TracedCall]:
        """Return the calls that come to what a call does."""
        with torch.enable_grad():
            found = self._twice(call) or self._summed(call) or self._gram(call)
        return [call] if found is None else found

    def _twice(self, call: TracedCall) -> list[TracedCall] | None:
        """Return inv(K) @ B for inv(L.T) @ inv(L) @ B."""
        given = _solved(call, upper=True)
        factor = None if given is None else self._transposed(given[0])
        half = None if given is None else self._half(given[1])
        if half is None or half.factor is not factor:
            return None
        return [_call(call, "cholesky_solve", call.result, B=half.of, L=half.factor)]

    def _summed(self, call: TracedCall) -> list[TracedCall] | None:
        """Return the sum of C*(inv(K) @ B) for that of (inv(L) @ C)*(inv(L) @ B), and so for a product of vectors."""
        several = self._summed_up(call)
        if several is None:
            return None
        halves = self._both(*(self._column(one) for one in several))
        if halves is None:
            return None
        one, other = halves
        solved = _call(call, "cholesky_solve", None, B=other.of, L=other.factor)
        product = _call(call, "mul", None, input=one.of, other=solved.result)
        return [solved, product, _call(call, "sum", call.result, input=product.result)]

    def _summed_up(self, call: TracedCall) -> tuple[Any, Any] | None:
        """Return what a call multiplies entry by entry, and sums: it may be a product of vectors, or a squared norm."""
        bound = call.arguments.bound
        if call.op.name == "sum":
            return None if bound.get("dim") is not None or bound.get("keepdim") else self._factors(bound["input"])
        if call.op.name in {"dot", "matmul"}:
            both = (bound["input"], bound["tensor" if call.op.name == "dot" else "other"])
            return both if all(one.tensor.ndim == 1 for one in both) else None
        one, other = self._factors(call.result) or (None, None)
        norm = self._maker(one) if one is other else None
        return None if norm is None or not _is_plain_norm(norm) else (norm.inputs[0], norm.inputs[0])

    def _gram(self, call: TracedCall) -> list[TracedCall] | None:
        """Return C.T @ inv(K) @ B for (inv(L) @ C).T @ inv(L) @ B."""
        bound = call.arguments.bound
        left = self._transposed(bound["input"]) if call.op.name == "matmul" else None
        halves = None if left is None else self._both(self._half(left), self._half(bound["other"]))
        if halves is None:
            return None
        one, other = halves
        turned = _call(call, "mT", None, input=one.of)
        solved = _call(call, "cholesky_solve", None, B=other.of, L=other.factor)
        return [turned, solved, _call(call, "matmul", call.result, input=turned.result, other=solved.result)]

    def _half(self, traced: Any) -> _Half | None:
        call = self._maker(traced)
        given = None if call is None else _solved(call, upper=False)
        maker = None if given is None else self._maker(given[0])
        if given is None or maker is None or maker.op.name not in CHOLESKY or maker.arguments.bound.get("upper"):
            return None
        return _Half(*given)

    def _both(self, one: _Half | None, other: _Half | None) -> tuple[_Half, _Half] | None:
        """Return two solutions by the same factor; None of others."""
        if one is None or other is None or one.factor is not other.factor:
            return None
        return (one, other) if one.of.tensor.shape == other.of.tensor.shape else None

    def _column(self, traced: Any) -> _Half | None:
        """Return the solution that a tensor is, or is the only column of."""
        half, call = self._half(traced), self._maker(traced)
        if half is not None or call is None or call.op.name not in READING:
            return half
        whole = call.arguments.bound["input"]
        is_all = isinstance(whole, TracedTensor) and whole.tensor.numel() == traced.tensor.numel() == len(whole.tensor)
        return self._column(whole) if is_all and torch.equal(whole.tensor.flatten(), traced.tensor.flatten()) else None

    def _factors(self, traced: Any) -> tuple[Any, Any] | None:
        """Return the factors of a product, or of a square, entry by entry."""
        call = self._maker(traced)
        match call and (call.op.name, call.arguments.bound):
            case "mul", {"input": one, "other": other}:
                return one, other
            case ("pow", {"input": one, "exponent": 2}) | ("square", {"input": one}):
                return one, one
        return None

    def _transposed(self, traced: Any) -> TracedTensor | None:
        """Return the matrix that a matrix is the transpose of."""
        call = self._maker(traced)
        is_turned = call is not None and (call.op.name in TRANSPOSED or self._is_swap(call))
        return call.arguments.bound["input"] if call is not None and is_turned else None

    def _is_swap(self, call: TracedCall) -> bool:
        axes = {call.arguments.bound.get("dim0"), call.arguments.bound.get("dim1")}
        return call.op.name == "transpose" and axes in ({0, 1}, {-1, -2}) and call.result.tensor.ndim == MATRIX

    def _maker(self, traced: Any) -> TracedCall | None:
        """Return the call that made a tensor; None of one that is differentiated by."""
        return self.made.get(traced) if isinstance(traced, TracedTensor) and traced not in self.kept else None


def _is_plain_norm(call: TracedCall) -> bool:
    """Tell whether a call is the root of the sum of all squares."""
    others = [value for value in call.arguments.bound.values() if not isinstance(value, TracedTensor)]
    return call.op.name in NORMS and all(value is None or value is False or value == "fro" for value in others)


def _solved(call: TracedCall, *, upper: bool) -> tuple[TracedTensor, TracedTensor] | None:
    """Return the triangle and what it solves, from the left; None of another call."""
    bound = call.arguments.bound
    if call.op.name != HALF or bound["upper"] is not upper:
        return None
    return (bound["A"], bound["B"]) if bound.get("left", True) and not bound.get("unitriangular") else None


def _call(like: TracedCall, name: str, result: Any, **bound: Any) -> TracedCall:
    """Return a call in the place of another, with the same result or a new one."""
    arguments = BoundCall(like.arguments.node, [*bound.values()], {}, bound)
    op = find(name)
    assert op is not None  # noqa: S101 (they are in the table)
    if result is None:
        result = TracedTensor(_value(name, [one.tensor for one in bound.values()]), None, name)
    return replace(like, op=op, arguments=arguments, result=result)


def _value(name: str, values: list[torch.Tensor]) -> torch.Tensor:
    functions: Mapping[str, Callable[..., torch.Tensor]] = {
        "cholesky_solve": torch.cholesky_solve,
        "mul": torch.mul,
        "mT": torch.adjoint,
    }
    return functions[name](*values)
