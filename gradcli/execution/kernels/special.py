"""Special functions that derivatives hold, as precise as double precision allows."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def delta(left: Tensor, right: Tensor) -> Tensor:
    """Return Kronecker's delta: 1 where two indices are equal, else 0."""
    return torch.eq(left, right).to(torch.float64)


def erfcinv(value: Tensor) -> Tensor:
    """Return the inverse of erfc, -Φ⁻¹(x/2)/√2: Φ⁻¹ keeps its digits where 1 - x would be rounded."""
    return torch.special.ndtri(value / 2) * -math.sqrt(0.5)


def polygamma(order: Tensor, value: Tensor) -> Tensor:
    """Return ψ⁽ⁿ⁾ by Hurwitz's zeta function, DLMF 25.11.12: torch.polygamma(1, x) has 9 digits only."""
    n = int(order)
    if n == 0:
        return torch.digamma(value)
    zeta = torch.special.zeta(torch.tensor(n + 1.0), value)
    precise = zeta * math.factorial(n) * (1 if n % 2 else -1)
    return torch.where(value > 0, precise, torch.polygamma(n, value))


def bessel_j(order: Tensor, value: Tensor) -> Tensor:
    """Return Bessel's function of the first kind, of an integer order."""
    return _bessel(int(order), value, 1)


def bessel_i(order: Tensor, value: Tensor) -> Tensor:
    """Return the modified Bessel function of the first kind, of an integer order."""
    return _bessel(int(order), value, -1)


def _bessel(order: int, value: Tensor, sign: int) -> Tensor:
    """Return J for sign 1, and I for sign -1."""
    first = (torch.special.bessel_j0, torch.special.bessel_j1) if sign == 1 else (torch.special.i0, torch.special.i1)
    if order in {0, 1}:
        return first[order](value)
    if order < 0:
        return (-1 if sign == 1 and order % 2 else 1) * _bessel(-order, value, sign)
    # The three-term recurrence f(n+1) = ±(2n/x f(n) - f(n-1)), DLMF 10.6.1 and 10.29.1, cancels near 0.
    recurred = sign * (2 * (order - 1) / value * _bessel(order - 1, value, sign) - _bessel(order - 2, value, sign))
    return torch.where(value.abs() < order, _bessel_series(-sign, order, value), recurred)


def _bessel_series(sign: int, order: int, value: Tensor) -> Tensor:
    """Return Σ sign^k (x/2)^(2k+n) / (k! (k+n)!) for |x| < n, DLMF 10.2.2 and 10.25.2: it takes few terms there."""
    term = (value / 2) ** order / math.factorial(order)
    total = term
    for k in range(1, 20 + order):
        term = term * (sign * (value / 2) ** 2) / (k * (k + order))
        total = total + term
    return total
