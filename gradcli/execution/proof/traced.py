"""The backward as PyTorch executes it: the vector-Jacobian product as a graph of calls of core ATen.

`make_fx` is half private, and so are the decompositions: what is asked of them is pinned by a test. The tensors of the
run are fake. So code that looks at a value, to decide by it or to compute outside of PyTorch, cannot be traced, and
what is traced is the same for all values.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradcli.errors import GradcliError
from gradcli.execution.forward import tree
from gradcli.execution.proof.circuit import UnprovableError

Function = Callable[[Mapping[str, Tensor]], Tensor]


@cache
def _decompositions() -> Mapping[Any, Any]:
    from torch._decomp import core_aten_decompositions, decomposition_table  # loads sympy, which takes a while

    backward = {op: rule for op, rule in decomposition_table.items() if "_backward" in str(op)}
    return {**backward, **core_aten_decompositions()}


def load() -> None:
    """Load what traces: an import that a time limit ends half-way leaves modules that are broken for good."""
    from torch.fx.experimental import proxy_tensor  # noqa: F401

    _decompositions()


def product(function: Function, point: Mapping[str, Tensor], wanted: Sequence[str], cotangent: Tensor) -> list[Tensor]:
    """Return autograd's vector-Jacobian product at a point, an item a wanted leaf; zeros where none reaches it."""
    leaves = {name: value.detach().clone().requires_grad_(name in wanted) for name, value in point.items()}
    output = function(leaves)
    given = [leaves[name] for name in wanted]
    if not output.requires_grad:
        return [torch.zeros_like(leaf) for leaf in given]
    upstream = cotangent.clone()  # a backward may change it in place
    found: tuple[Tensor | None, ...] = torch.autograd.grad(output, given, upstream, allow_unused=True)
    pairs = zip(found, given, strict=True)
    return [torch.zeros_like(leaf) if one is None else one.detach() for one, leaf in pairs]


def traced(function: Function, point: Mapping[str, Tensor], wanted: Sequence[str], cotangent: Tensor) -> Any:
    """Return the graph module of the product: its arguments are the leaves in order, then the upstream gradient.

    Raises UnprovableError where it cannot be traced for all values.
    """
    names = list(point)

    def whole(*arguments: Tensor) -> list[Tensor]:
        return product(function, dict(zip(names, arguments[:-1], strict=True)), wanted, arguments[-1])

    return _graph("the backward", whole, [*point.values(), cotangent], _decompositions())


def traced_forward(function: Function, point: Mapping[str, Tensor], *, decomposed: bool, detaches: bool) -> Any:
    """Return the graph module of a function itself, of the leaves in order.

    Where it `detaches`, that is in the graph, and what is made under `no_grad` is detached. Raises UnprovableError
    where it cannot be traced for all values.
    """
    names = list(point)

    def whole(*arguments: Tensor) -> list[Tensor]:
        with _Detaching() if detaches else torch.no_grad():
            return [function(dict(zip(names, arguments, strict=True)))]

    return _graph("forward", whole, [*point.values()], _decompositions() if decomposed else {})


class _Detaching(TorchFunctionMode):
    """Shows in a graph what is made under `no_grad`, as results that are detached."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if torch.is_grad_enabled() or not any(leaf.requires_grad for leaf in tree.tensors([args, kwargs])):
            return result
        if any(result is item for item in args):
            raise UnprovableError("a tensor that a gradient passes is changed under no_grad")
        return tree.map(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, result)


def _graph(what: str, call: Callable[..., Any], given: Sequence[Tensor], decompositions: Mapping[Any, Any]) -> Any:
    from torch.fx.experimental.proxy_tensor import make_fx

    copies = [value.detach().clone().requires_grad_(value.requires_grad) for value in given]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return make_fx(call, decomposition_table=dict(decompositions), tracing_mode="fake")(*copies)
        except UnprovableError:
            raise
        except GradcliError as error:
            raise UnprovableError(f"{what} cannot be traced for all values: {error.message}") from None
        except Exception as error:  # noqa: BLE001 (whatever the code raises on tensors without values)
            text = str(error).strip().partition("\n")[0]
            raise UnprovableError(f"{what} cannot be traced for all values: {text}") from None
