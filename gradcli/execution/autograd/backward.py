"""What PyTorch's autograd computes: `backward()` with every gradient caught on its way, or `torch.autograd.grad`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, InputError, first_line
from gradcli.execution.autograd import errors
from gradcli.execution.autograd.accumulated import hooks_of
from gradcli.execution.forward.followed import Followed, actual
from gradcli.execution.forward.overwriting import OVERWRITTEN, culprit
from gradcli.execution.forward.plain import plain, stored
from gradcli.execution.forward.refusals import refusals
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.language.program import Program
from gradcli.phrases import show_shape

SCALAR_ONLY = "grad can be implicitly created only for scalar outputs"
REAL_ONLY = "grad can be implicitly created only for real scalar outputs but got"
# From the seed of the leaves to that of a random upstream gradient.
APART = 1 << 31
# Entries of a random upstream gradient that is kept for later checks.
SMALL = 1 << 13
REMEDIES = (
    "give the vector v of the product with `--grad-output ones` (or a number, or a list), "
    "or reduce the output with `--reduce sum` (or mean)"
)


def cotangent_of(output: TracedTensor, grad_output: Any, seed: int = 0) -> Tensor:
    """Return v of the vector-Jacobian product, in the output's shape and dtype; `seed` is that of a random one.

    Raises InputError for an output that is not a scalar and has none, or one of a wrong shape.
    """
    tensor = output.tensor
    if grad_output is None:
        if tensor.numel() != 1:
            raise InputError(
                f"the output '{output.name or output.text}' has shape {show_shape(tuple(tensor.shape))}, "
                f"and PyTorch says: {SCALAR_ONLY}",
                hint=REMEDIES,
            )
        if tensor.is_complex():
            raise InputError(
                f"the output '{output.name or output.text}' is complex, and PyTorch says: {REAL_ONLY} {tensor.dtype}",
                hint="make the output real (`.real`, `.abs()`), or give the vector v with `--grad-output`",
            )
        return torch.ones_like(tensor)
    if isinstance(grad_output, str):
        return torch.ones_like(tensor) if grad_output == "ones" else _drawn(tensor, seed)
    given = grad_output if isinstance(grad_output, Tensor) else _numbers(grad_output, tensor.dtype)
    if given.is_complex() and not tensor.is_complex():
        raise InputError(
            f"--grad-output is complex, and the output '{output.name or output.text}' is real",
            hint="give the vector v as real numbers",
        )
    if given.is_meta or given.layout is not torch.strided:
        raise InputError("--grad-output is not a dense tensor of numbers")
    given = given.detach().to(tensor.device, tensor.dtype)
    if given.ndim and given.shape != tensor.shape:
        wanted, found = show_shape(tuple(tensor.shape)), show_shape(tuple(given.shape))
        said = f"grad_output[0] has a shape of {given.shape} and output[0] has a shape of {tensor.shape}."
        raise InputError(
            f"--grad-output has shape {found}, and the output '{output.name or output.text}' has shape {wanted}; "
            f"PyTorch says: Mismatch in shape: {said}",
            hint=f"give a number, or a list of shape {wanted}",
        )
    return given.expand(tensor.shape).clone()


def is_implicit(output: Tensor) -> bool:
    """Return whether PyTorch takes ones for the vector that such an output is not given."""
    return output.numel() == 1 and not output.is_complex()


def _drawn(like: Tensor, seed: int) -> Tensor:
    """Return a random vector; leaves are drawn from the seed itself, and it is not to hold their numbers again."""
    dtype = torch.complex128 if like.is_complex() else torch.float64
    draw = _drawn_once if like.numel() <= SMALL and type(like) is Tensor else _normal
    return draw(like.shape, dtype, seed + APART).to(like, copy=True)


def _normal(shape: torch.Size, dtype: torch.dtype, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@lru_cache(maxsize=16)
def _drawn_once(shape: torch.Size, dtype: torch.dtype, seed: int) -> Tensor:
    """Return the numbers that a seed draws, which takes longer than to differentiate as many; nobody writes to them."""
    return _normal(shape, dtype, seed)


def _numbers(given: Any, dtype: torch.dtype) -> Tensor:
    """Return numbers in the dtype, or as complex numbers where there is one among them."""
    try:
        found = torch.tensor(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"--grad-output is not a tensor: {first_line(error)}") from None
    return found if found.is_complex() else torch.tensor(given, dtype=dtype)


def check_differentiable(program: Source, trace: Trace) -> TracedTensor:
    """Return the output if a gradient can be taken of it; GradcliError says why not."""
    output = output_of(program, trace)
    if not output.tensor.requires_grad:
        raise errors.no_gradient(program, trace, output)
    return output


def output_of(program: Source, trace: Trace) -> TracedTensor:
    """Return the output; ExecutionError where it is not a tensor."""
    if not isinstance(trace.output, TracedTensor):
        raise ExecutionError("the program's output is not a tensor", hint=_one_of(program, trace.output))
    return trace.output


def _one_of(program: Source, output: Any) -> str:
    """Return what to write where an output is a tuple of tensors, such as that of `torch.svd(A)`."""
    count = len(output) if isinstance(output, tuple | list) else 0
    last = getattr(program, "statements", ())[-1:]
    value = getattr(last[0], "value", None) if last else None
    if not count or value is None or not isinstance(program, Program):
        return "the last statement must be a tensor expression"
    return f"it has {count} parts: name one of them, `({program.text(value)})[0]`"


@contextmanager
def _refusals(output: TracedTensor) -> Iterator[None]:
    """Turn what PyTorch raises in its backward pass (a derivative that it has not got, a wrong shape) into an error."""
    what = "the backward pass"
    try:
        with refusals(what, f"{what} of '{output.text}'", [output.tensor.dtype]):
            yield
    except ExecutionError as error:
        if OVERWRITTEN in error.message:
            error.hint = (
                "a value that backward needs was overwritten: write `y2 = y + 1`, with a new name, not `y += 1`"
            )
            where = _writing(output, error.message)
            error.hint = error.hint if where is None else f"{where}; {error.hint}"
        raise


def _writing(output: TracedTensor, message: str) -> str | None:
    """Return the line of code that wrote to what PyTorch means; None if that is not known."""
    if not isinstance(output, Followed) or output.edge is None:
        return None
    write = culprit(message, [output.edge.node], output.writes)
    if write is None or write.place is None:
        return None
    return f"`{write.text}` wrote to it at {write.place.file}:{write.place.line}"


def backward(
    output: TracedTensor,
    tensors: Sequence[TracedTensor],
    cotangent: Tensor | None,
    retain: Sequence[TracedTensor],
    *,
    once: bool = False,
) -> dict[TracedTensor, Tensor]:
    """Call `backward()` and return d output / d tensor for every tensor, `.grad` left as PyTorch leaves it.

    A hook on each tensor catches its gradient, but for a program's leaves, where it becomes `.grad`: that of another
    may hold earlier ones too. A tensor that the output does not depend on gets zeros. `cotangent` is None for a scalar
    output that is given none. If it is called but `once`, nothing is added to a leaf's `.grad` after it, which then may
    be the tensor that is returned: a large model's gradients are in memory once less.
    """
    wanted = [traced for traced in tensors if traced.tensor.requires_grad]
    own = {traced: traced.tensor for traced in wanted if once and _becomes_grad(traced)}
    apart = [traced for traced in retain if _is_apart(traced)]
    for traced in retain:
        if not _is_apart(traced) and not _is_lost(traced):
            actual(traced).retain_grad()
    with catching([traced for traced in wanted if traced not in own], once=once) as caught, _refusals(output):
        actual(output).backward(cotangent)
    caught |= {leaf: plain(tensor.grad) for leaf, tensor in own.items() if tensor.grad is not None}
    for traced in apart:
        traced.tensor.grad = caught.get(traced)
    return {t: caught[t] if t in caught else torch.zeros_like(t.tensor, requires_grad=False) for t in wanted}


def _becomes_grad(traced: TracedTensor) -> bool:
    """Tell whether a gradient becomes `.grad` as it is: of a leaf that has none yet, and no hook that may change it."""
    if isinstance(traced, Followed) or not traced.is_leaf or traced.edge is not None:
        return False
    return traced.tensor.is_leaf and traced.tensor.grad is None and not hooks_of(traced)


@contextmanager
def catching(tensors: Sequence[TracedTensor], *, once: bool = False) -> Iterator[dict[TracedTensor, Tensor]]:
    """Catch the gradients of tensors that require grad while backward runs: of those that it reaches.

    A leaf's `.grad` may become the tensor that is caught, and be added to in place, unless backward runs but `once`.
    """
    caught: dict[TracedTensor, Tensor] = {}
    hooks = [_hooked(caught, traced, own=traced.is_leaf and once and not hooks_of(traced)) for traced in tensors]
    try:
        yield caught
    finally:
        for hook in hooks:  # a hook that stays keeps all of this alive until the garbage collector comes
            hook.remove()


def _hooked(caught: dict[TracedTensor, Tensor], traced: TracedTensor, *, own: bool) -> Any:
    """Catch the gradient of a tensor, a copy unless it is its `own`: where autograd knows it, if that is code's."""
    if traced.edge is None:
        return traced.tensor.register_hook(_catch(caught, traced, own=own))
    place = traced.edge.output_nr

    def hook(gradients: Sequence[Tensor | None]) -> None:
        found = gradients[place] if place < len(gradients) else None
        if found is None:
            return
        if (
            traced in caught
        ):  # a graph inside of the graph, such as a checkpoint's, may give a leaf its gradient in parts
            caught[traced] = caught[traced] + plain(found)
        else:  # the code may write to what is not a leaf's
            caught[traced] = plain(found) if own else plain(found).clone()

    return traced.edge.node.register_prehook(hook)


def _catch(caught: dict[TracedTensor, Tensor], traced: TracedTensor, *, own: bool) -> Any:
    def hook(gradient: Tensor | None) -> None:
        if gradient is not None:  # one of several results of a node, and not used
            caught[traced] = plain(gradient) if own or not traced.is_leaf else plain(gradient).clone()

    return hook


def gradients(
    output: TracedTensor,
    wrt: Sequence[TracedTensor],
    cotangent: Tensor | None,
    *,
    create_graph: bool,
    retain_graph: bool = False,
) -> dict[TracedTensor, Tensor | None]:
    """Return what `torch.autograd.grad` gives; None for a tensor that the output does not depend on."""
    with _refusals(output):
        found: tuple[Tensor | None, ...] = torch.autograd.grad(
            actual(output),
            [_known(traced) for traced in wrt],
            cotangent,
            create_graph=create_graph,
            retain_graph=retain_graph or create_graph,
            allow_unused=True,
        )
    return {traced: None if one is None else stored(one) for traced, one in zip(wrt, found, strict=True)}


def _known(traced: TracedTensor) -> Any:
    """Return what autograd knows a tensor by: itself, or where it is in autograd's graph."""
    return traced.tensor if traced.edge is None else traced.edge


def _is_lost(traced: TracedTensor) -> bool:
    """Tell whether a tensor is a view of a program's that was written over: PyTorch crashes where it is asked of it."""
    return traced.edge is not None and not isinstance(traced, Followed)


def _is_apart(traced: TracedTensor) -> bool:
    """Tell whether nobody holds the tensor that autograd knows: code's own, between leaves and output."""
    return isinstance(traced, Followed) and traced.edge is not None and actual(traced) is traced.tensor


def grad_attribute(traced: TracedTensor) -> Tensor | None:
    """Return `.grad` as PyTorch leaves it: None for a non-leaf that does not retain it."""
    if _is_lost(traced):
        return None
    tensor = actual(traced)
    grad = tensor.grad if tensor.is_leaf or tensor.retains_grad or _is_apart(traced) else None
    return None if grad is None else plain(grad)


def grad_fn_name(traced: TracedTensor) -> str | None:
    """Return the name of the node that made a tensor, or None for a leaf."""
    if isinstance(traced, Followed) or traced.edge is not None:
        return None if traced.is_leaf or traced.edge is None else traced.edge.node.name()
    function = traced.tensor.grad_fn
    return None if function is None else function.name()
