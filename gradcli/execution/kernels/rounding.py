"""Constants of the forward run that ops around rounding need."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def steps(number: Any, divisor: Any, rounding: str) -> Tensor:
    """Return how often the divisor is taken away to leave the rest: exact, where the quotient itself is rounded."""
    rest = torch.fmod(number, divisor) if rounding == "trunc" else torch.remainder(number, divisor)
    return torch.as_tensor((number - rest) / divisor).round()


def exponent(tensor: Tensor) -> Tensor:
    """Return the exponent of a floating-point number."""
    return torch.frexp(tensor).exponent


def signbit(value: Any) -> Any:
    """Return whether a number or an entry is negative, or -0."""
    return torch.signbit(value) if isinstance(value, Tensor) else math.copysign(1, value) < 0


def last_bit(tensor: Tensor, other: Tensor) -> Tensor:
    """Return the distance to the next floating-point number towards another."""
    return torch.nextafter(tensor, other) - tensor
