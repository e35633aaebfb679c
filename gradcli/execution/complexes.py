"""Complex values on the tape: a pair of real nodes, so that every derivative beneath is one of real functions.

The gradient of a real number L with respect to z is dL/dRe z + i dL/dIm z, PyTorch's convention: the adjoints of the
two nodes are its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from gradcli.execution.present import Presented, View
    from gradcli.execution.tape import Node

PARTS = ("real", "imag")


@dataclass(slots=True, eq=False)
class ComplexNode:
    """A complex value on the tape: its tensor, and the real nodes of both its parts."""

    tensor: Tensor
    real: Node
    imag: Node

    @property
    def origin(self) -> None:
        """No formula is written of a complex value."""

    @property
    def differentiable(self) -> bool:
        """Return whether a gradient reaches one of the parts."""
        return self.real.differentiable or self.imag.differentiable

    @differentiable.setter
    def differentiable(self, value: bool) -> None:
        self.real.differentiable = self.imag.differentiable = value


def paired(tensor: Tensor, node: Callable[[Tensor, str], Node]) -> ComplexNode:
    """Return a complex tensor as two nodes, which `node` makes of a real tensor and the name of the part."""
    whole = torch.view_as_real(tensor.resolve_conj())
    real, imag = (node(part.contiguous(), name) for part, name in zip(whole.unbind(-1), PARTS, strict=True))
    return ComplexNode(tensor, real, imag)


def parts(value: Node | ComplexNode) -> tuple[Node, ...]:
    """Return the real nodes that a value consists of."""
    return (value.real, value.imag) if isinstance(value, ComplexNode) else (value,)


def joined(value: Node | ComplexNode, known: Mapping[Node, Tensor]) -> Tensor | None:
    """Return what is known of a value's nodes as one tensor, 0 for a part that is not known; None if nothing is."""
    if not isinstance(value, ComplexNode):
        return known.get(value)
    if value.real not in known and value.imag not in known:
        return None
    real, imag = (known.get(node, torch.zeros_like(node.tensor)) for node in parts(value))
    return torch.complex(real, imag)


def split(tensor: Tensor) -> tuple[Tensor, ...]:
    """Return the parts of a complex tensor; a real one as it is."""
    return torch.view_as_real(tensor.resolve_conj()).unbind(-1) if tensor.is_complex() else (tensor,)


def real_operands(operands: Mapping[str, Node | ComplexNode], shown: Presented) -> tuple[dict[str, Node], Presented]:
    """Return operands with each complex `z` taken apart as `z.real` and `z.imag`, and how they are presented."""
    found: dict[str, Node] = {}
    views: dict[str, View] = {}
    axes: dict[str, str] = {}
    for name, node in operands.items():
        names = [f"{name}.{part}" for part in PARTS] if isinstance(node, ComplexNode) else [name]
        found |= dict(zip(names, parts(node), strict=True))
        views |= dict.fromkeys(names, shown.views[name])
        axes |= dict.fromkeys(names, shown.axes[name])
    return found, replace(shown, views=shown.views | views, axes=axes)


def is_complex(value: Any) -> bool:
    """Return whether a complex number or tensor is among nested arguments."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return any(map(is_complex, value))
    return isinstance(value, complex | ComplexNode)
