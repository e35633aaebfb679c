"""A call of PyTorch rehearsed: on tensors of the meta device, which have a shape and no entries.

What it makes on the way is seen below autograd, kernel by kernel. Integers are computed, because they may be sizes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradcli.errors import LimitError
from gradcli.execution.forward import tree
from gradcli.execution.forward.plain_sizes import plain_sizes
from gradcli.execution.forward.without_compiler import uncompiled


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told what a call would make, and ends the rehearsal by a LimitError."""

    tensor: Callable[[torch.Size], None]
    """A tensor of that shape."""
    tensors: Callable[[int], None]
    """So many tensors, views among them, in all."""
    workspace: Callable[[int], None]
    """So many entries that a kernel fills for itself."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The shapes of a call's results; none where they cannot be known without running it."""

    shapes: tuple[torch.Size, ...] = ()
    hinges: bool = True
    """Whether the shapes may be others for other integers in the same tensors."""


def rehearse(call: partial[Any], audience: Audience) -> Rehearsal:
    """Return what a call would make, told to an audience; raises what the audience raises."""
    # Most calls do not ask for a single entry. Lengths are entries of tensors of integers, if anything is.
    for change in (_without_entries, _without_numbers):
        positional, keywords = tree.map(change, call.args), tree.map(change, call.keywords)
        try:
            result = uncompiled(partial(_on_stage, partial(call.func, *positional, **keywords), audience))
        except LimitError:
            raise
        except Exception:  # noqa: BLE001, S112 (the real call says what is wrong, in better words)
            continue
        return Rehearsal(tuple(tensor.shape for tensor in tree.tensors(result)), hinges=change is _without_numbers)
    return Rehearsal()


def _on_stage(call: partial[Any], audience: Audience) -> Any:
    """Return what a call gives of tensors on the meta device."""
    meta = torch.device("meta")
    with torch.no_grad(), warnings.catch_warnings(), plain_sizes(), meta, _Rehearsal(audience):
        warnings.simplefilter("ignore")
        return call()


class _Rehearsal(TorchDispatchMode):
    """Runs kernels on the meta device, but those on integers alone as they are."""

    def __init__(self, audience: Audience) -> None:
        super().__init__()
        self.audience = audience
        self.count = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep PyTorch from loading its compiler, of which nothing is wanted here: 75 MB, and a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one kernel."""
        keywords = dict(kwargs or {})
        given = tree.tensors([args, keywords])
        if func.overloadpacket in ANSWERS and any(tensor.is_meta for tensor in given):
            return ANSWERS[func.overloadpacket](*args, **keywords)
        if func.overloadpacket in LENGTHS:
            return self._made(torch.empty(LENGTHS[func.overloadpacket](*args, **keywords), device="meta"))
        self.count += PIECES.get(func.overloadpacket, _one)(*args, **keywords)
        self.audience.tensors(self.count)
        if func.overloadpacket in WORKSPACES:
            self.audience.workspace(WORKSPACES[func.overloadpacket](*args, **keywords))
        if given and not any(tensor.is_meta for tensor in given):
            return self._of_numbers(func, args, keywords)
        if "device" in keywords and not given:
            keywords["device"] = torch.device("meta")
        return self._on_meta(func, args, keywords)

    def _of_numbers(self, func: Any, args: Any, keywords: Mapping[str, Any]) -> Any:
        """Run a kernel on integers, after it has been run on the meta device if it makes a tensor."""
        if any(str(returned.type) == "Tensor" for returned in func._schema.returns):  # noqa: SLF001 (PyTorch has no other)
            self._on_meta(func, args, keywords)
        return func(*args, **keywords)

    def _on_meta(self, func: Any, args: Any, keywords: Mapping[str, Any]) -> Any:
        run = ALIKE.get(func.overloadpacket, func)
        result = run(*tree.map(_without_entries, args), **tree.map(_without_entries, keywords))
        if not any(returned.alias_info for returned in func._schema.returns):  # noqa: SLF001 (views take no memory)
            tree.map(self._made, result)
        return result

    def _made(self, result: Any) -> Any:
        if isinstance(result, Tensor):
            self.audience.tensor(result.shape)
        return result


def _without_numbers(leaf: Any) -> Any:
    """Return a tensor of numbers without its entries, and a copy of one of integers."""
    is_number = isinstance(leaf, Tensor) and (leaf.is_floating_point() or leaf.is_complex())
    return leaf.detach().clone() if isinstance(leaf, Tensor) and not is_number else _without_entries(leaf)


def _without_entries(leaf: Any) -> Any:
    if not isinstance(leaf, Tensor) or leaf.is_meta:  # one that is there already may be changed in place
        return leaf
    return leaf.detach().to("meta")


def _one(*_: Any, **__: Any) -> int:
    return 1


def _unbound(tensor: Tensor, dim: int = 0) -> int:
    return tensor.shape[dim]


def _split(tensor: Tensor, size: int | list[int], dim: int = 0) -> int:
    return math.ceil(tensor.shape[dim] / max(size, 1)) if isinstance(size, int) else len(size)


def _sum(repeats: Tensor, *_: Any, **__: Any) -> int:
    return int(repeats.sum())


def _bins(values: Tensor, _: Tensor | None = None, minlength: int = 0) -> int:
    return max(int(values.max()) + 1 if values.numel() else 0, minlength)


def _columns(values: Tensor, weight: Tensor, _bias: Any, *options: Any) -> int:
    """Return how many entries the windows of a convolution have, which are copied side by side for a product."""
    transposed, groups = options[3], options[5]
    if transposed:  # one sample after the other
        return math.prod(weight.shape[1:]) * math.prod(values.shape[2:])
    windows = torch.ops.aten.convolution(values, weight, None, *options).shape
    return windows[0] * (values.shape[1] // groups) * math.prod(weight.shape[2:]) * math.prod(windows[2:])


def _alike(values: Tensor, _: int, dtype: torch.dtype | None = None) -> Tensor:
    return torch.empty(values.shape, dtype=dtype or values.dtype, device="meta")  # like it, without what sympy is for


def _gammas(values: Tensor, count: int) -> int:
    """Return how many values of the logarithm of gamma are added up for that of several dimensions."""
    return values.numel() * count


def _passes(*_: Any, **__: Any) -> bool:
    return True


def _fails(condition: Tensor) -> bool:
    """Return that what a call looks for among entries is not there, which only an error message would follow."""
    if condition.dtype is not torch.bool:
        raise NotImplementedError
    return False


ATEN = torch.ops.aten
# Kernels whose results are as long as integers say.
LENGTHS: Mapping[Any, Callable[..., int]] = {ATEN.repeat_interleave: _sum, ATEN.bincount: _bins}
# Kernels that PyTorch writes for the meta device as squares of what they are given, which overflow, or by formulas for
# which it loads sympy, which takes as long as many checks.
ALIKE: Mapping[Any, Callable[..., Tensor]] = {ATEN.cumprod: _alike, ATEN.cumsum: _alike, ATEN.mvlgamma: _alike}
# Kernels that copy what they are given in a larger form.
WORKSPACES: Mapping[Any, Callable[..., int]] = {ATEN.convolution: _columns, ATEN.mvlgamma: _gammas}
# Kernels that make many views at once.
PIECES: Mapping[Any, Callable[..., int]] = {ATEN.unbind: _unbound, ATEN.split: _split, ATEN.split_with_sizes: _split}
# What entries that are not there are taken for, where a call checks its arguments by them.
ANSWERS: Mapping[Any, Callable[..., bool]] = {ATEN.equal: _passes, ATEN._local_scalar_dense: _fails}  # noqa: SLF001
