"""`torch.vmap` in code: what it computes, sample by sample, for inside of the transform nothing can be followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._functorch import apis
from torch._functorch.vmap import _process_batched_inputs
from torch.utils._pytree import _broadcast_to_and_flatten, tree_flatten, tree_unflatten

from gradcli.execution.code.steps import Steps, gap
from gradcli.execution.code.values import value_of
from gradcli.execution.forward import tree
from gradcli.execution.forward.equivalents import entry
from gradcli.execution.forward.followed import Followed, steps_behind
from gradcli.execution.forward.trace import TracedCall
from gradcli.execution.forward.twins import is_same

DIFFERENT = "vmap() does not compute here what its function does for one sample after the other"


@dataclass(frozen=True, slots=True)
class Mapped:
    """One call of a function that `torch.vmap` maps over an axis of its arguments."""

    original: Callable[..., Any]
    function: Callable[..., Any]
    in_dims: Any
    out_dims: Any
    further: tuple[Any, ...]
    """How random numbers are drawn, and how many samples are computed at once."""
    args: tuple[Any, ...]
    keywords: dict[str, Any]

    def run(self) -> Any:
        """Return what PyTorch computes."""
        return self.original(self.function, self.in_dims, self.out_dims, *self.further, *self.args, **self.keywords)

    @property
    def tensors(self) -> list[Tensor]:
        """Return the tensors among the arguments."""
        return tree.tensors([self.args, self.keywords])

    def one_by_one(self) -> Any:
        """Return the same, computed for one sample after the other, and stacked."""
        size, dims, values, form = _process_batched_inputs(self.in_dims, self.args, self.function)
        samples = [[_sample(*pair, place) for pair in zip(values, dims, strict=True)] for place in range(size)]
        results = [self.function(*tree_unflatten(sample, form), **self.keywords) for sample in samples]
        flat, form = [tree_flatten(result)[0] for result in results], tree_flatten(results[0])[1]
        out_dims = _broadcast_to_and_flatten(self.out_dims, form)
        assert out_dims is not None  # noqa: S101 (PyTorch has used them)
        return tree_unflatten([_stacked(*pair) for pair in zip(zip(*flat, strict=True), out_dims, strict=True)], form)


def note_mapped(steps: Steps, results: Sequence[Tensor], copies: Sequence[Tensor], begun: int) -> None:
    """Note what was mapped as copies of what was computed sample by sample, by steps since the one that it had `begun`.

    Autograd differentiates the mapped ones, so that it knows nothing of what leads to the others.
    """
    pairs = [pair for pair in zip(results, copies, strict=True) if pair[0].requires_grad]
    values = [steps.traced(copy) for _, copy in pairs]
    for step in {step for value in values for step in steps_behind(value) if step.number > begun}:
        for traced in [traced for call in step.calls for traced in call.outputs if isinstance(traced, Followed)]:
            traced.edge = None
    faces = [steps.settle(result, Followed(value_of(result), None, "vmap(...)")) for result, _ in pairs]
    if all(is_same(result.detach(), copy.detach()) for result, copy in pairs):
        calls = [TracedCall(*entry("clone", value), face) for value, face in zip(values, faces, strict=True)]
    else:
        calls = [gap(DIFFERENT, values, tuple(faces))]
    steps.note(calls, faces)


def _sample(value: Any, dim: int | None, place: int) -> Any:
    return value if dim is None else value.select(dim, place)


def _stacked(samples: tuple[Tensor, ...], dim: int | None) -> Tensor:
    return samples[0] if dim is None else torch.stack(samples, dim)


@contextmanager
def vmaps_seen(seen: Callable[[Mapped], Any]) -> Iterator[None]:
    """Let every call of what `torch.vmap` returns go through `seen` meanwhile, also of what it returned before."""
    module: Any = apis
    original = module.vmap_impl

    def mapped(function: Any, in_dims: Any, out_dims: Any, *rest: Any, **keywords: Any) -> Any:
        return seen(Mapped(original, function, in_dims, out_dims, rest[:2], rest[2:], keywords))

    module.vmap_impl = mapped
    try:
        yield
    finally:
        module.vmap_impl = original
