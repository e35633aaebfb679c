"""`torch.vmap` in code: what it computes, sample by sample, for inside of the transform nothing can be followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._functorch import apis
from torch._functorch.vmap import _process_batched_inputs
from torch.utils._pytree import _broadcast_to_and_flatten, tree_flatten, tree_unflatten

from gradcli.execution.forward import tree
from gradcli.execution.forward.twins import RandomState, random_numbers, random_state

SAME = "same"  # how random numbers are drawn for one sample and the next


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
        """Return the same, computed for one sample after the other, and stacked; where there is none, for zeros."""
        size, dims, values, form = _process_batched_inputs(self.in_dims, self.args, self.function)
        values = values if size else [_zeros(*pair) for pair in zip(values, dims, strict=True)]
        places = range(max(size, 1))
        samples = [[_sample(*pair, place) for pair in zip(values, dims, strict=True)] for place in places]
        numbers = random_state() if SAME in self.further else None
        results = [self._of_one(tree_unflatten(sample, form), numbers) for sample in samples]
        flat, form = [tree_flatten(result)[0] for result in results], tree_flatten(results[0])[1]
        out_dims = _broadcast_to_and_flatten(self.out_dims, form)
        assert out_dims is not None  # noqa: S101 (PyTorch has used them)
        found = [_stacked(*pair, size) for pair in zip(zip(*flat, strict=True), out_dims, strict=True)]
        return tree_unflatten(found, form)

    def _of_one(self, args: Any, numbers: RandomState | None) -> Any:
        """Return what is computed for one sample, with random numbers that are the same for all, if there are such."""
        with nullcontext() if numbers is None else random_numbers(numbers):
            return self.function(*args, **self.keywords)


def _sample(value: Any, dim: int | None, place: int) -> Any:
    return value if dim is None else value.select(dim, place)


def _zeros(value: Any, dim: int | None) -> Any:
    """Return an argument of no samples with one, of zeros: what a function makes of it has the right shape."""
    return value if dim is None else value.new_zeros([*value.shape[:dim], 1, *value.shape[dim:][1:]])


def _stacked(samples: tuple[Tensor, ...], dim: int | None, size: int) -> Tensor:
    """Return samples along an axis, the first `size` of them."""
    return samples[0] if dim is None else torch.stack(samples, dim).narrow(dim, 0, size)


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
