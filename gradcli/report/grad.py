"""What only `grad` reports: the vector-Jacobian product, written out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.report.records import optional


@dataclass(frozen=True, slots=True)
class JacobianProduct:
    """A Jacobian, of the output's shape and then the tensor's, and its transpose times v, of the tensor's shape."""

    jacobian: Any
    product: Any


@dataclass(frozen=True, slots=True)
class VectorJacobianProduct:
    """What `torch.autograd.grad` computes without the Jacobian: J^T v; by tensor, where the Jacobian is small."""

    v: Any
    tensors: dict[str, JacobianProduct]


@dataclass(frozen=True, slots=True)
class GradDetails:
    """What `grad` adds to the report."""

    vjp: VectorJacobianProduct | None = optional()
    """None if no Jacobian is small and real."""
