"""What a report shows of autograd's behaviour, beside the gradients: what each backward call leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.report.verdict import Verdict


@dataclass(frozen=True, slots=True)
class LeafCall:
    """What one backward call did to one leaf.

    `before` and `grad` are its `.grad` before and after the call, `gradient` is what the call added, and `symbolic` is
    what `.grad` holds by the symbolic derivatives of this call and of the earlier ones that it still holds.
    """

    name: str
    value: Any
    before: Any | None
    gradient: Any | None
    grad: Any | None
    symbolic: Any | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class BackwardCall:
    """One forward run and its backward call."""

    output: Any
    leaves: tuple[LeafCall, ...]


@dataclass(frozen=True, slots=True)
class Accumulation:
    """Several backward calls on the same leaves; `zero_grad` is what it sets `.grad` to: "none", "zeros", or null."""

    zero_grad: str | None
    learning_rate: float | None
    calls: tuple[BackwardCall, ...]


@dataclass(frozen=True, slots=True)
class Upstream:
    """A result of a call, and the gradient that has arrived at it."""

    name: str
    shape: tuple[int, ...]
    grad_fn: str | None
    gradient: Any


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a call adds to one operand's gradient.

    Where the local derivative is a factor, `factor` is its value, of the result's shape where the call is elementwise:
    upstream times factor, summed over `summed_axes` of the result, is `contribution`. `product` is the formula of the
    contribution; `local` that of the factor, where nothing is summed. `total` is the gradient after this contribution.
    """

    name: str
    shape: tuple[int, ...]
    local: str | None
    product: str
    factor: Any | None
    summed_axes: tuple[int, ...]
    contribution: Any
    total: Any


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One call in backward order; `results` are those of its results that a gradient has arrived at."""

    source: str
    op: str
    results: tuple[Upstream, ...]
    operands: tuple[Contribution, ...]


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
class HookCall:
    """One hook that fired: its kind, the tensor or node that it is registered on, and the gradients that it was given.

    A node's pre-hook is given the gradients of its results, its hook those of its inputs.
    """

    hook: str
    of: str
    gradients: tuple[Any | None, ...]
