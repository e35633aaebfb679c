"""What a report shows of autograd's behaviour, beside the gradients: what each backward call leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.verdict import Verdict


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
