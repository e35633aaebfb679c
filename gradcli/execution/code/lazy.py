"""Lazy modules, which make their parameters when they are first called."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, is_lazy


def has_lazy(module: nn.Module | None) -> bool:
    """Return whether some parameters or buffers of a module are not made yet."""
    return module is not None and any(map(is_lazy, _own(module)))


def copied(module: nn.Module) -> nn.Module:
    """Return a copy of a module, lazy or not; RuntimeError if it cannot be copied."""
    fresh = {id(buffer): _unmade(buffer) for buffer in module.buffers() if is_lazy(buffer)}
    made = copy.deepcopy(module, fresh)  # by itself it copies lazy parameters, and raises at lazy buffers
    for own, other in zip(module.parameters(), made.parameters(), strict=True):
        for hook in (own._backward_hooks or {}).values():  # noqa: SLF001 (there is no public way; a copy has no hooks)
            other.register_hook(hook)
        for hook in (getattr(own, "_post_accumulate_grad_hooks", None) or {}).values():
            other.register_post_accumulate_grad_hook(hook)
    return made


def _unmade(buffer: Any) -> Any:
    make: Any = UninitializedBuffer
    return make(buffer.requires_grad, device=buffer.device, dtype=buffer.dtype)


def initialize(module: nn.Module, run: Callable[[], object]) -> None:
    """Let `run`, which calls the module, make its lazy parameters; all other state is then as it was."""
    held: list[tuple[Tensor, Tensor]] = []
    try:
        with _seen(list(module.modules()), held), torch.no_grad():
            run()
    finally:
        for tensor, value in held:
            tensor.data = value


@contextmanager
def _seen(modules: Sequence[nn.Module], held: list[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Note what each module holds when it has been made, and before its forward has written to it."""
    for module in modules:
        _hold(module, held)
    lazy = [module for module in modules if any(map(is_lazy, _own(module, recurse=False)))]
    with ExitStack() as hooks:
        for module in lazy:  # PyTorch's own hook, which makes the parameters, comes before this one
            handle = module.register_forward_pre_hook(lambda module, _: _hold(module, held))
            hooks.callback(handle.remove)
        yield


def _hold(module: nn.Module, held: list[tuple[Tensor, Tensor]]) -> None:
    known = {id(tensor) for tensor, _ in held}
    made = [tensor for tensor in _own(module, recurse=False) if not is_lazy(tensor) and id(tensor) not in known]
    held += [(tensor, tensor.detach().clone()) for tensor in made]


def _own(module: nn.Module, *, recurse: bool = True) -> list[Any]:
    return [*module.parameters(recurse), *module.buffers(recurse)]
