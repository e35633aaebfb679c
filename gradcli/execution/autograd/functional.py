"""A traced program as a pure function of its leaves, and what `torch.func` makes of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch._functorch.eager_transforms import error_if_complex

from gradcli.errors import ExecutionError, LimitError
from gradcli.execution.forward.followed import Ran, actual
from gradcli.execution.forward.plain import plain
from gradcli.execution.forward.refusals import advice, refusals
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.limits import Limits

PureFunction = Callable[..., Tensor]
AS_IT_IS = "the code's own graph is differentiated: rows of torch.autograd.grad"


def function_of(trace: Trace, leaves: Sequence[TracedTensor]) -> PureFunction:
    """Return the output as a function of some leaves; conditions and loops stay as they were decided."""

    def program(*tensors: Tensor) -> Tensor:
        values = {leaf: leaf.tensor.detach() for leaf in trace.leaves} | dict(zip(leaves, tensors, strict=True))
        for call in trace.calls:
            values |= call.run(values)
        return values[trace.output]

    return program


# `torch.func.jacrev`, one backward pass a row.
row_by_row = partial(torch.func.jacrev, chunk_size=1)


def jacobian_vector_product(function: PureFunction, tangents: Mapping[TracedTensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return a function's value, and the product of its Jacobian and the leaves' tangents, by forward mode."""
    leaves, dtypes = list(tangents), _dtypes(list(tangents))
    try:
        with _unwarned(), refusals("torch.func.jvp", dtypes=dtypes):
            value, product, *_ = torch.func.jvp(
                function, tuple(leaf.tensor.detach() for leaf in leaves), tuple(tangents.values())
            )
    except ExecutionError as error:  # of code, with its line
        error.hint = error.hint or advice(error.message, dtypes)
        raise
    return plain(value), plain(product)


def jacobians(trace: Trace, leaves: Sequence[TracedTensor]) -> tuple[dict[TracedTensor, Tensor], str]:
    """Return the Jacobian by every leaf, the output's shape and then the leaf's; and what of PyTorch was called."""
    if _goes_by_graph(trace):
        rows = _rows(actual(trace.output), leaves)
        return {leaf: plain(block) for leaf, block in zip(leaves, rows, strict=True)}, AS_IT_IS
    places, primals = _arguments(leaves)
    program = function_of(trace, leaves)
    try:
        with _unwarned(), refusals("torch.func.jacrev"):
            found = torch.func.jacrev(program, places)(*primals)
    except ExecutionError:  # vmap, which takes all rows at once, has defects of its own
        with refusals("torch.func.jacrev", dtypes=_dtypes(leaves)):
            found = row_by_row(program, places)(*primals)
    return {leaf: plain(block) for leaf, block in zip(leaves, found, strict=True)}, "torch.func.jacrev"


def hessians(
    trace: Trace, leaves: Sequence[TracedTensor]
) -> tuple[dict[tuple[TracedTensor, TracedTensor], Tensor], str | None]:
    """Return the Hessian's blocks, and what PyTorch says where it has no forward mode: then reverse mode runs twice."""
    if _goes_by_graph(trace):
        return _second_rows(trace, leaves), AS_IT_IS
    places, primals = _arguments(leaves)
    program = function_of(trace, leaves)
    note = None
    try:
        with _unwarned(), refusals("torch.func.hessian"):
            found = torch.func.hessian(program, places)(*primals)
    except ExecutionError as error:
        note = f"{error.message}; jacrev(jacrev(f)) in its place"
        with refusals("torch.func.jacrev of torch.func.jacrev", dtypes=_dtypes(leaves)):
            found = row_by_row(row_by_row(program, places), places)(*primals)
    pairs = [(row, column) for row in leaves for column in leaves]
    blocks = [plain(block) for blocks in found for block in blocks]
    shaped = zip(pairs, blocks, strict=True)  # an output of shape 1 has an axis too many
    return {(row, col): block.reshape([*row.tensor.shape, *col.tensor.shape]) for (row, col), block in shaped}, note


@contextmanager
def _unwarned() -> Iterator[None]:
    """Keep PyTorch from warning that it takes rows one by one for an op of a trace."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        yield


def _goes_by_graph(trace: Trace) -> bool:
    """Return whether only the graph as it ran will do: of code, with its hooks and Functions, and of inner gradients.

    Neither is in the calls of a trace, so that these cannot be run again.
    """
    return isinstance(trace.ran, Ran) or any(call.gap is not None for call in trace.calls)


def _rows(output: Tensor, leaves: Sequence[TracedTensor], *, create_graph: bool = False) -> list[Tensor]:
    """Return the Jacobian of the code's own output by some leaves, one backward pass a row."""
    with refusals("torch.func.jacrev", dtypes=_dtypes(leaves)):  # what it says of complex numbers holds of all rows
        error_if_complex("jacrev", tuple(leaf.tensor for leaf in leaves), is_input=True)
        error_if_complex("jacrev", (output,), is_input=False)
    units = torch.eye(output.numel(), dtype=output.dtype).reshape(output.numel(), *output.shape)
    rows: list[list[Tensor]] = []
    with refusals("torch.autograd.grad", dtypes=_dtypes(leaves)):
        for unit in units:
            known = [actual(leaf) for leaf in leaves]
            found: tuple[Tensor | None, ...] = torch.autograd.grad(
                output, known, unit, retain_graph=True, create_graph=create_graph, allow_unused=True
            )
            rows.append([torch.zeros_like(leaf) if g is None else g for leaf, g in zip(known, found, strict=True)])
    return [_block([row[place] for row in rows], output, leaf.tensor) for place, leaf in enumerate(leaves)]


def _block(rows: Sequence[Tensor], output: Tensor, leaf: Tensor) -> Tensor:
    """Return the Jacobian by a leaf of its rows, of which an empty output has none."""
    shape = [*output.shape, *leaf.shape]
    return torch.stack(list(rows)).reshape(shape) if rows else leaf.new_zeros(shape, requires_grad=False)


def _second_rows(trace: Trace, leaves: Sequence[TracedTensor]) -> dict[tuple[TracedTensor, TracedTensor], Tensor]:
    """Return the Hessian's blocks of code: the Jacobian of the gradient that its own backward computes."""
    output = actual(trace.output)
    gradients = [
        found.reshape(leaf.tensor.shape)
        for leaf, found in zip(leaves, _rows(output, leaves, create_graph=True), strict=True)
    ]
    blocks = {}
    for row, gradient in zip(leaves, gradients, strict=True):
        known = _rows(gradient, leaves) if gradient.requires_grad else None
        for place, column in enumerate(leaves):
            shape = [*row.tensor.shape, *column.tensor.shape]
            blocks[row, column] = torch.zeros(shape, dtype=output.dtype) if known is None else plain(known[place])
    return blocks


def _dtypes(leaves: Sequence[TracedTensor]) -> list[torch.dtype]:
    return [leaf.tensor.dtype for leaf in leaves]


def _arguments(leaves: Sequence[TracedTensor]) -> tuple[tuple[int, ...], tuple[Tensor, ...]]:
    return tuple(range(len(leaves))), tuple(leaf.tensor.detach() for leaf in leaves)


def check_size(what: str, rows: int, columns: int, trace: Trace, limits: Limits) -> None:
    """Refuse a matrix beyond the limits before it takes any memory; the graph is run once for all rows together."""
    if rows * columns > limits.elements:
        msg = f"{what} has {rows * columns:,} elements, more than the limit of {limits.elements:,}"
        raise LimitError(msg, hint="`--max-elements` raises the limit")
    graph = sum(output.tensor.numel() for call in trace.calls for output in call.outputs) * 8
    needed, most = rows * (graph + columns * 8) / 2**30, limits.memory / 2**30
    if needed > most:
        msg = f"{what} needs an estimated {needed:.1f} GiB, more than {most:g} GiB"
        raise LimitError(msg, hint="`--max-memory` raises the limit")
