"""A call that may write in place, and its twin: the same call as a function of values that do not change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from gradcli.errors import first_line
from gradcli.execution.forward import tree
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.refused_calls import NO_DERIVATIVE
from gradcli.execution.forward.trace import TracedTensor

# How far the functional run may be from the real one, in units of rounding of the largest entry.
ROUNDINGS = 64


def twin_of(
    call: MadeCall,
    given: Mapping[int, TracedTensor],
    result: Any,
    written: Sequence[Tensor],
    leaves: Sequence[TracedTensor],
) -> tuple[Any, Any]:
    """Return what a call has made, or written, and the same as a function of values that do not change.

    PyTorch may have no derivative by an argument that is a step of the leaves, such as the target of a loss: where
    `soft_margin_loss(x, sign(t).detach())` is followed through `detach`, the gradient by it is 0.
    """
    values = {name: traced.tensor for name, traced in given.items()}
    try:
        return _twin_of(call, values, result, written)
    except RuntimeError as error:
        if not NO_DERIVATIVE.search(first_line(error)):
            raise
    followed = [leaf.tensor for leaf in leaves if leaf.tensor.requires_grad]
    held = {name: value.detach() if _is_step(value, followed) else value for name, value in values.items()}
    return _twin_of(call, held, result, written)


def _twin_of(call: MadeCall, values: Mapping[int, Tensor], result: Any, written: Sequence[Tensor]) -> tuple[Any, Any]:
    copies = {id(tensor): values[id(tensor)].clone() for tensor in written}
    twin = call.run_on(values, {} if call.outs else copies)
    if not written or call.outs or made_by(call, result):
        return result, twin
    # All tensors of one storage have one version: which of them the call wrote to, the copies tell.
    targets = [tensor for tensor in written if copies[id(tensor)]._version]  # noqa: SLF001 (PyTorch's count of writes)
    found = [copies[id(tensor)] for tensor in targets]
    return (targets[0], found[0]) if len(found) == 1 else (targets, found)


def _is_step(value: Tensor, leaves: Sequence[Tensor]) -> bool:
    """Return whether no leaf changes a value that autograd follows, but by steps: `sign(x)`, `round(x)`."""
    if not value.requires_grad:
        return False
    cotangent = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype, device=value.device).reshape(value.shape)
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        value, leaves, cotangent, retain_graph=True, allow_unused=True
    )
    return all(gradient is None or not bool(gradient.any()) for gradient in found)


@contextmanager
def apart() -> Iterator[None]:
    """Run under autograd what the code does not: its own hooks for what is saved for backward do not see that.

    A checkpoint counts what they see, and refuses a backward where they saw more than the second time.
    """
    is_watched = torch._C._autograd._top_saved_tensors_default_hooks(True) is not None  # noqa: SLF001, FBT003 (PyTorch's own)
    with torch.enable_grad(), saved_tensors_hooks(_as_it_is, _as_it_is) if is_watched else nullcontext():
        yield


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def made_by(call: MadeCall, result: Any) -> list[Tensor]:
    """Return the tensors that a call has made: those of its results that it was not given."""
    given = set(map(id, call.tensors))
    return [tensor for tensor in tree.tensors(result) if id(tensor) not in given]


def versions(tensors: Sequence[Tensor]) -> list[int]:
    """Return how often each tensor was written to."""
    return [0 if tensor.is_inference() else tensor._version for tensor in tensors]  # noqa: SLF001 (PyTorch's own count of writes)


def changed(tensors: Sequence[Tensor], before: Sequence[int]) -> list[Tensor]:
    """Return the tensors that were written to since their versions were taken."""
    pairs = zip(tensors, before, versions(tensors), strict=True)
    return [tensor for tensor, old, new in pairs if old != new]


def overwritten(call: MadeCall, before: Sequence[int]) -> list[Tensor]:
    """Return what a call has written to, if a gradient passes through it: all tensors of a memory count its writes."""
    first = call.first
    was_written = first is not None and any(tensor is first for tensor in changed(call.tensors, before))
    return [first] if was_written and first is not None and first.requires_grad else []


# Of the CPU, and of each GPU that is in use.
RandomState = tuple[Tensor, list[Tensor]]


def random_state() -> RandomState:
    """Return where PyTorch's random numbers are."""
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []


def has_drawn(before: RandomState) -> bool:
    """Return whether random numbers were drawn since the state was taken."""
    now = random_state()
    return not all(torch.equal(*pair) for pair in zip((now[0], *now[1]), (before[0], *before[1]), strict=False))


@contextmanager
def random_numbers(state: RandomState) -> Iterator[None]:
    """Let a call draw the random numbers that it drew before."""
    now = random_state()
    _set(state)
    try:
        yield
    finally:
        _set(now)


def _set(state: RandomState) -> None:
    torch.set_rng_state(state[0])
    for device, numbers in enumerate(state[1]):
        torch.cuda.set_rng_state(numbers, device)


def is_same(tensor: Tensor, twin: Tensor) -> bool:
    """Return whether two runs of the same calls gave the same, but for rounding."""
    if tensor.shape != twin.shape or tensor.dtype != twin.dtype:
        return False
    sizes = twin.abs()
    largest = float(sizes[sizes.isfinite()].max()) if bool(sizes.isfinite().any()) else 0.0
    return torch.allclose(tensor, twin, rtol=0.0, atol=ROUNDINGS * eps_of(twin) * largest, equal_nan=True)


def eps_of(tensor: Tensor) -> float:
    """Return the distance from 1 to the next number of a tensor's dtype; 0 for integers."""
    is_rounded = tensor.is_floating_point() or tensor.is_complex()
    return float(torch.finfo(tensor.dtype).eps) if is_rounded else 0.0
