"""Operators that are given functions, such as `torch.cond`: PyTorch compiles these, though nobody asks for it.

What is compiled cannot be followed. So an operator runs apart from all that follows the code; and where it is known
what it computes, that is followed in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._higher_order_ops import utils
from torch.utils._pytree import tree_leaves

from gradcli.execution.code.compiled import compiling


@dataclass(frozen=True, slots=True)
class HigherOrder:
    """One call of an operator."""

    original: Callable[..., Any]
    function: Callable[..., Any]
    args: tuple[Any, ...]
    further: tuple[Any, ...]

    @property
    def name(self) -> str:
        """Return what the operator is called."""
        return self.function.__module__.rpartition(".")[2]

    @property
    def body(self) -> Callable[[], Any] | None:
        """Return what computes the same, if that is known: of the branches of `torch.cond`, the one that is taken."""
        known = BODIES.get(self.name)
        return None if known is None else lambda: known(*self.args)

    @property
    def tensors(self) -> list[Tensor]:
        """Return the tensors that it is given, in containers of any kind."""
        return [leaf for leaf in tree_leaves(self.args) if isinstance(leaf, Tensor)]

    def run(self) -> Any:
        """Run the operator as PyTorch does: compiled."""
        with compiling(), torch._C.DisableTorchFunction():  # noqa: SLF001 (there is no public name)
            return self.original(self.function, self.args, *self.further)


def _branch(predicate: Any, true: Callable[..., Any], false: Callable[..., Any], operands: Any = ()) -> Any:
    return true(*operands) if predicate else false(*operands)


BODIES: Mapping[str, Callable[..., Any]] = {"cond": _branch}


@contextmanager
def higher_order_seen(seen: Callable[[HigherOrder], Any]) -> Iterator[None]:
    """Let every call of such an operator go through `seen` meanwhile."""
    module: Any = utils
    original = module._hop_compile_and_call  # noqa: SLF001 (what they all go through; there is no public hook)

    def call(function: Any, args: Any, *further: Any) -> Any:
        return seen(HigherOrder(original, function, tuple(args), further))

    module._hop_compile_and_call = call  # noqa: SLF001
    try:
        yield
    finally:
        module._hop_compile_and_call = original  # noqa: SLF001
