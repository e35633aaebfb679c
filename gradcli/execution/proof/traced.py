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

from gradcli.errors import GradcliError
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
    found: tuple[Tensor | None, ...] = torch.autograd.grad(output, given, cotangent, allow_unused=True)
    pairs = zip(found, given, strict=True)
    return [torch.zeros_like(leaf) if one is None else one.detach() for one, leaf in pairs]


def traced(function: Function, point: Mapping[str, Tensor], wanted: Sequence[str], cotangent: Tensor) -> Any:
    """Return the graph module of the product: its arguments are the leaves in order, then the upstream gradient.

    Raises UnprovableError where it cannot be traced for all values.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    names = list(point)

    def whole(*arguments: Tensor) -> list[Tensor]:
        return product(function, dict(zip(names, arguments[:-1], strict=True)), wanted, arguments[-1])

    given = [value.detach().clone() for value in point.values()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return make_fx(whole, decomposition_table=dict(_decompositions()), tracing_mode="fake")(*given, cotangent)
        except GradcliError as error:
            raise UnprovableError(f"the backward cannot be traced for all values: {error.message}") from None
        except Exception as error:  # noqa: BLE001 (whatever the code raises on tensors without values)
            text = str(error).strip().partition("\n")[0]
            raise UnprovableError(f"the backward cannot be traced for all values: {text}") from None
