"""What code has beside its inputs, and runs change: buffers, and leaves from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


class Borrowed:
    """Buffers as they were before their module's first run, and leaves that were not given, with their `.grad`."""

    def __init__(self, root: nn.Module | None = None) -> None:
        self._buffers: WeakKeyDictionary[nn.Module, dict[str, Tensor]] = WeakKeyDictionary()
        self.is_known = root is not None
        """Whether all modules are known: what compiles code would see the hook."""
        self._leaves: dict[int, tuple[Tensor, Tensor, Tensor | None]] = {}
        for module in () if root is None else root.modules():
            self._hold(module)

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """Notice meanwhile which modules run for the first time, as long as the code has not been followed."""
        if self.is_known:
            yield
            return
        handle = nn.modules.module.register_module_forward_pre_hook(lambda module, _: self._hold(module))
        try:
            yield
        finally:
            handle.remove()

    def _hold(self, module: nn.Module) -> None:
        if module not in self._buffers:
            own = module.named_buffers(recurse=False)
            self._buffers[module] = {name: value.detach().clone() for name, value in own if not is_lazy(value)}

    def reset(self) -> None:
        """Let buffers be as they were."""
        with torch.no_grad():
            for module, held in self._buffers.items():
                for name, buffer in module.named_buffers(recurse=False):
                    if name in held and buffer.shape == held[name].shape:
                        buffer.copy_(held[name])

    def take(self, leaves: Iterable[Tensor]) -> None:
        """Let leaves have no gradient yet, and remember which they had."""
        self.is_known = True
        for leaf in leaves:
            if id(leaf) not in self._leaves:
                self._leaves[id(leaf)] = leaf, leaf.data, leaf.grad
                leaf.grad = None

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """Let all be in the end as it was."""
        try:
            yield
        finally:
            self.reset()
            for leaf, value, grad in self._leaves.values():
                leaf.data, leaf.grad = value, grad
