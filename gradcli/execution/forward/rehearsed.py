"""What rehearsals showed, so that no call is rehearsed twice with arguments of the same kinds and shapes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward import tree
from gradcli.execution.forward.rehearsal import Audience, rehearse
from gradcli.limits import Limits

MOST = 1_000  # calls that are remembered
PLAIN = (
    bool,
    int,
    float,
    complex,
    str,
    type(None),
    type(...),
    torch.dtype,
    torch.device,
    torch.layout,
    torch.memory_format,
)

_known: dict[Hashable, Sequence[torch.Size]] = {}


def shapes_of(call: partial[Any], limits: Limits, audience: Callable[[Limits], Audience]) -> Sequence[torch.Size]:
    """Return the shapes of a call's results; none where they cannot be known without running it.

    LimitError if the call would make something beyond the limits; that is not remembered.
    """
    key = _key(call, limits)
    if key in _known:
        return _known[key]
    found = rehearse(call, audience(limits))
    if key is not None and not found.hinges:
        if len(_known) >= MOST:
            _known.clear()
        _known[key] = found.shapes
    return found.shapes


def _key(call: partial[Any], limits: Limits) -> Hashable | None:
    signature = _signature(call)
    return None if signature is None else (signature, limits, torch.get_default_dtype())


def _signature(call: partial[Any]) -> Hashable | None:
    """Return what tells a call from others, but for the entries of tensors; None where there may be more to it."""
    if not _is_lasting(call.func):
        return None
    known = tree.outline((call.args, call.keywords), _kind)
    return None if known is None else (call.func, known)


def _is_lasting(function: Any) -> bool:
    """Return whether a function is one of a module's, or a type's, which nothing is bound to."""
    if isinstance(function, FunctionType):
        return (function.__closure__ is None and "<" not in function.__qualname__) or _is_pytorchs(function)
    if isinstance(function, MethodDescriptorType):  # `Tensor.detach`
        return True
    return isinstance(function, BuiltinFunctionType) and not isinstance(function.__self__, Tensor)


def _is_pytorchs(function: FunctionType) -> bool:
    """Return whether PyTorch has a function under its own name: some of these choose between two, as `max_pool2d`."""
    module = sys.modules.get(function.__module__) if function.__module__.partition(".")[0] == "torch" else None
    return getattr(module, function.__name__, None) is function


def _kind(leaf: Any) -> tuple[Any, ...] | None:
    if isinstance(leaf, Tensor):
        return leaf.dtype, leaf.device, leaf.shape, leaf.stride(), leaf.is_conj()
    return kind_of_number(leaf)


def kind_of_number(leaf: Any) -> tuple[Any, ...] | None:
    """Return what tells an argument that is no tensor from others; None where it is nothing plain."""
    if isinstance(leaf, slice):  # which has no hash
        parts = (leaf.start, leaf.stop, leaf.step)
        return (slice, *parts) if all(type(part) in PLAIN for part in parts) else None
    return (type(leaf), leaf) if type(leaf) in PLAIN else None
