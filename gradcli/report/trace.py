"""What only `trace` reports: the chain rule, a step for each call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
    """One call in backward order; `results` are those of its results that a gradient has arrived at.

    `into` are earlier calls by whose inside it passes gradients on too, as the second derivative of one does: what
    comes of these is among the contributions of such a call.
    """

    source: str
    op: str
    results: tuple[Upstream, ...]
    operands: tuple[Contribution, ...]
    into: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A tensor whose gradient is not what the steps come to: a hook has changed it, or part of it has no step."""

    name: str
    shape: tuple[int, ...]
    total: Any
    """What the steps come to."""
    gradient: Any
    """What autograd has."""


@dataclass(frozen=True, slots=True)
class TraceDetails:
    """What `trace` adds to the report."""

    trace: tuple[TraceStep, ...]
    """In backward order."""
    left_out: tuple[LeftOut, ...] = ()
    """Where the steps do not come to the gradient."""
