"""Hooks that run when a gradient has arrived in `.grad`, and may change it there: the gradient itself is another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward.followed import actual
from gradcli.execution.forward.plain import copied, plain
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.forward.twins import is_same
from gradcli.execution.targets.frames import defined_at
from gradcli.report.notes import NoteKind, Notes, noted


@dataclass(frozen=True, slots=True)
class Before:
    """A leaf with such a hook, before backward."""

    grad: Tensor | None
    value: Tensor


def hooks_of(leaf: TracedTensor) -> list[Any]:
    """Return the hooks that run when a leaf's gradient has arrived in `.grad`."""
    held = actual(leaf) if leaf.is_leaf else None
    return [*(getattr(held, "_post_accumulate_grad_hooks", None) or {}).values()]


def before_backward(leaves: Iterable[TracedTensor]) -> dict[TracedTensor, Before]:
    """Return what leaves with such hooks hold before backward."""
    hooked = {leaf: actual(leaf) for leaf in leaves if hooks_of(leaf)}
    return {leaf: Before(copied(own.grad), own.detach().clone()) for leaf, own in hooked.items()}


def restore(before: Mapping[TracedTensor, Before]) -> None:
    """Let leaves have their values again, which an optimizer's step in a hook has changed: the trace reads them."""
    for leaf, held in before.items():
        with torch.no_grad():
            if not torch.equal(actual(leaf), held.value):
                actual(leaf).copy_(held.value)


def changed(
    before: Mapping[TracedTensor, Before], gradients: Mapping[TracedTensor, Tensor | None]
) -> dict[TracedTensor, Notes]:
    """Return a note on each leaf whose `.grad` is not what it was with the gradient added."""
    found = {}
    for leaf, held in before.items():
        gradient, grad = gradients.get(leaf), actual(leaf).grad
        if gradient is None:
            continue
        sum_ = gradient if held.grad is None else held.grad + gradient
        if grad is None or not is_same(plain(grad), plain(sum_)):
            found[leaf] = noted(NoteKind.BLAME, _words(leaf))
    return found


def _words(leaf: TracedTensor) -> str:
    place = defined_at(hooks_of(leaf)[0])
    where = "" if place is None else f" ({place.file}:{place.line})"
    left = "set `.grad` to None" if actual(leaf).grad is None else "changed `.grad`"
    return f"a post-accumulate-grad hook on '{leaf.name or leaf.text}'{where} {left} after the gradient had arrived"
