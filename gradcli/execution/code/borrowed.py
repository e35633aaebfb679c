"""What code has beside its inputs, and runs change: buffers, leaves from elsewhere, and what it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from gradcli.execution.code.kept import Kept
from gradcli.execution.forward.dtypes import DTYPES, converted
from gradcli.settings import Settings


class Borrowed:
    """Buffers as they were before their module's first run, and leaves that were not given, with their `.grad`."""

    def __init__(self, root: nn.Module | None = None, kept: Kept | None = None) -> None:
        self._kept = kept
        self._buffers: WeakKeyDictionary[nn.Module, dict[str, Tensor]] = WeakKeyDictionary()
        self.is_known = root is not None
        """Whether all modules are known: what compiles code would see the hook."""
        self._leaves: dict[int, tuple[Tensor, Tensor, Tensor | None]] = {}
        self._converted: list[tuple[Tensor, Tensor]] = []
        """What modules hold in the check's precision meanwhile, with what it held before."""
        for module in () if root is None else root.modules():
            self._hold(module)

    @contextmanager
    def noticed(self, settings: Settings) -> Iterator[None]:
        """Notice meanwhile which modules run for the first time, as long as the code has not been followed.

        They compute in the precision of the check from then on.
        """
        if self._kept is not None:
            self._kept.has_run = True
        if self.is_known:
            yield
            return

        def notice(module: nn.Module, _: Any) -> None:
            if module not in self._buffers:
                self._convert(module, settings)
                self._hold(module)

        handle = nn.modules.module.register_module_forward_pre_hook(notice)
        try:
            yield
        finally:
            handle.remove()

    def _convert(self, module: nn.Module, settings: Settings) -> None:
        dtype = DTYPES[settings.dtype]
        own = [] if dtype.is_complex else [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        for tensor in own:
            if is_lazy(tensor) or not tensor.is_leaf:
                continue
            value = converted(tensor.detach(), settings.device, dtype)
            if value.dtype != tensor.dtype:
                self._converted.append((tensor, tensor.data))
                tensor.data = value

    def _hold(self, module: nn.Module) -> None:
        if module not in self._buffers:
            own = module.named_buffers(recurse=False)
            self._buffers[module] = {name: value.detach().clone() for name, value in own if not is_lazy(value)}

    def buffers_of(self, root: nn.Module) -> dict[str, Tensor]:
        """Return the buffers of a module and of those in it as they were, by PyTorch's names."""
        held = {path: self._buffers.get(module, {}) for path, module in root.named_modules()}
        return {f"{path}.{name}" if path else name: value for path, own in held.items() for name, value in own.items()}

    def begin(self) -> None:
        """Let what the code keeps in other places than buffers be as it was."""
        if self._kept is not None:
            self._kept.restore()

    def reset(self) -> None:
        """Let buffers be as they were, and what the code keeps."""
        self.begin()
        self._reset_buffers()

    def _reset_buffers(self) -> None:
        known = [(module, held) for module, held in self._buffers.items() if held]
        if not known:
            return
        with torch.no_grad():
            for module, held in known:
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
            self._reset_buffers()
            if self._kept is not None:
                self._kept.give_back()
            for leaf, value, _ in self._leaves.values():
                leaf.data, leaf.grad = value, None
            for tensor, value in self._converted:
                tensor.data = value
            for leaf, _, grad in self._leaves.values():
                leaf.grad = grad
