"""`--hooks`: what PyTorch's hooks are given in a backward pass, in the order in which they fire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.report.eval import HookCall


def watch(trace: Trace, names: Mapping[TracedTensor, str]) -> list[HookCall]:
    """Hook every tensor and the node that made it; the list fills as backward runs."""
    fired: list[HookCall] = []
    nodes: set[Any] = set()
    for traced in dict.fromkeys(trace.tensors):
        tensor, name = traced.tensor, names[traced]
        if not tensor.requires_grad:
            continue
        tensor.register_hook(_tensor_hook(fired, name))
        if traced.is_leaf:
            tensor.register_post_accumulate_grad_hook(_accumulated_hook(fired, name))
        elif tensor.grad_fn is not None and tensor.grad_fn not in nodes:
            nodes.add(tensor.grad_fn)
            label = tensor.grad_fn.name()
            tensor.grad_fn.register_prehook(_node_hook(fired, "node pre-hook", f"{label} of {name}"))
            tensor.grad_fn.register_hook(_node_hook(fired, "node hook", f"{label} of {name}"))
    return fired


def _tensor_hook(fired: list[HookCall], name: str) -> Callable[[Tensor | None], None]:
    def hook(gradient: Tensor | None) -> None:
        fired.append(HookCall("tensor hook", name, _copies((gradient,))))

    return hook


def _accumulated_hook(fired: list[HookCall], name: str) -> Callable[[Tensor], None]:
    def hook(leaf: Tensor) -> None:
        fired.append(HookCall("post-accumulate-grad hook", name, _copies((leaf.grad,))))

    return hook


def _node_hook(fired: list[HookCall], kind: str, name: str) -> Callable[..., None]:
    def hook(given: tuple[Tensor | None, ...], *_: object) -> None:
        fired.append(HookCall(kind, name, _copies(given)))

    return hook


def _copies(gradients: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    return tuple(None if gradient is None else gradient.detach().clone() for gradient in gradients)
