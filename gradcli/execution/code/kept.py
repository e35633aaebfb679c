"""What code keeps from one run to the next, in a module's own attributes or in globals: every run begins as the first.

A cache, a hidden state, a list of what was seen, a counter that is rebound. Without this the second run would ask
another function, or read the graph of the first. Buffers are left to their module. In the end a module holds what it
did before; what code reaches by name, as a list that it notes something in, holds what one run leaves there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.targets.function.state import Holder, Shot

BUFFERS = "._buffers"
# Tensors of more entries are not copied, nor are those of a function: that code computes another value then is said.
MOST_COPIED = 1 << 22


@dataclass(slots=True)
class Kept:
    """What held what before the code first ran, as far as that run has changed it."""

    code: Any
    before: Shot | None = None
    """All that it could keep something in, until it has run."""
    copies: dict[int, Tensor] = field(default_factory=dict)
    """The tensors of a module that it may write to, as they were, by their identity."""
    holders: list[Holder] = field(default_factory=list)
    own: set[int] = field(default_factory=set)
    """The holders that are a module's own, by their identity, and not only reached by its classes."""
    written: list[Tensor] = field(default_factory=list)
    has_run: bool = False
    """Whether the code has run since."""
    is_known: bool = False
    """Whether it is known what that has changed."""

    def restore(self) -> None:
        """Let the code begin as it did when this was first asked for."""
        with torch._C.DisableTorchFunction():  # noqa: SLF001 (it is no call of the code's)
            if self.before is None:
                self._look()
                return
            if self.has_run and not self.is_known:
                self._compare(self.before)
            fresh = {id(tensor): self.copies[id(tensor)].clone() for tensor in self.written}
            for holder in self.holders:
                holder.hold(_renewed(holder.content, fresh))

    def give_back(self) -> None:
        """Let a module hold in the end what it did, the same tensors with the same values."""
        if self.before is None or not self.has_run or not self._is_module:
            return
        if not self.is_known:
            self._compare(self.before)
        for holder in self.holders:
            if id(holder) in self.own:
                holder.restore()
        for tensor in self.written:
            tensor.data.copy_(self.copies[id(tensor)])

    @property
    def _is_module(self) -> bool:
        return isinstance(self.code, torch.nn.Module)

    def _look(self) -> None:
        self.before = Shot.of_code(self.code)
        known = list(self.before.tensors) if self._is_module else []
        self.own = {id(holder) for holder in self.before.holders}
        if self._is_module:
            self.before.add_code_of(self.code)
        self.before.holders = [holder for holder in self.before.holders if not holder.name.endswith(BUFFERS)]
        held = {id(tensor) for holder in self.before.holders for tensor in _tensors(holder.content)}
        own = [tensor for _, tensor, _ in known if id(tensor) in held and _may_be_written(tensor)]
        self.copies = {id(tensor): tensor.detach().clone() for tensor in own}

    def _compare(self, before: Shot) -> None:
        self.is_known = True
        self.written = [
            tensor
            for _, tensor, version in before.tensors
            if id(tensor) in self.copies and tensor._version != version  # noqa: SLF001 (PyTorch's count of writes)
        ]
        names = set(map(id, self.written))
        self.holders = [
            holder
            for holder in before.holders
            if holder.is_changed() or any(id(tensor) in names for tensor in _tensors(holder.content))
        ]


def _may_be_written(tensor: Tensor) -> bool:
    return not tensor.requires_grad and tensor.numel() <= MOST_COPIED


def _values(content: Any) -> list[Any]:
    return list(content.values()) if isinstance(content, Mapping) else content


def _tensors(content: Any) -> list[Tensor]:
    return [value for value in _values(content) if isinstance(value, Tensor)]


def _renewed(content: Any, fresh: Mapping[int, Tensor]) -> Any:
    """Return what something held, with copies in place of the tensors that were written to."""
    if isinstance(content, Mapping):
        return {key: _renewed_tensor(value, fresh) for key, value in content.items()}
    return [_renewed_tensor(value, fresh) for value in content]


def _renewed_tensor(value: Any, fresh: Mapping[int, Tensor]) -> Any:
    copy = fresh.get(id(value))
    if copy is None:
        return value
    return torch.nn.Parameter(copy, requires_grad=False) if isinstance(value, torch.nn.Parameter) else copy
