"""Another Function that backward calls, if it is that one's own backward that makes the second derivative wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.autograd.function import FunctionCtx

from gradcli.errors import GradcliError
from gradcli.execution.code.inner import functions_seen
from gradcli.execution.targets.function.trial import Trial
from gradcli.execution.targets.parameters import has_setup

WORDS = (
    "backward calls the Function '{name}', whose own backward is wrong: "
    "autograd of its forward makes the second derivative right"
)


def inner_function(trial: Trial, gradients: Iterable[Tensor | None], is_right: Callable[[], bool]) -> str | None:
    """Return in words which Function in the graph of some gradients is wrong: without its backward all is right."""
    for function in _functions(gradients):
        if function is not trial.subject.function and _without(function, is_right):
            return WORDS.format(name=function.__name__)
    return None


def _functions(gradients: Iterable[Tensor | None]) -> list[type]:
    """Return the Functions whose backwards are in a graph, each once."""
    left = [gradient.grad_fn for gradient in gradients if gradient is not None]
    nodes, found = set[Any](), dict[type, None]()
    while left:
        node = left.pop()
        if node is None or node in nodes:
            continue
        nodes.add(node)
        function = getattr(node, "_forward_cls", None)  # what PyTorch's node of a Function has
        found |= {function: None} if isinstance(function, type) else {}
        left += [following for following, _ in node.next_functions]
    return list(found)


def _without(function: type, is_right: Callable[[], bool]) -> bool:
    """Return whether all is right with autograd of a Function's forward in the place of its backward."""

    def seen(cls: type, args: tuple[Any, ...], plain: Callable[..., Any]) -> Any:
        return _forward(cls, args) if cls is function else plain(*args)

    try:
        with functions_seen(seen):
            return is_right()
    except (GradcliError, RuntimeError):
        return False


def _forward(function: Any, args: tuple[Any, ...]) -> Any:
    """Return what forward's own body computes, which autograd records."""
    if has_setup(function):
        return function.forward(*args)
    context: Any = FunctionCtx()
    context.needs_input_grad = tuple(isinstance(item, Tensor) and item.requires_grad for item in args)
    return function.forward(context, *args)
