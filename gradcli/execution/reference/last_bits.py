"""Other last bits: every entry of a tensor times a random factor next to 1, and how far they move a call's result."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import TracedCall, TracedTensor

# Relative size of the steps: a few units in the last place.
STEP = 4 * torch.finfo(torch.float64).eps
# A factor needs no more than this many random bits, and a draw has 64: drawing takes most of the time.
LEVEL, DRAWN = torch.int16, torch.int64
LEVELS, LEVELS_DRAWN = 2.0**15, 4
# Below so many entries more calls would take longer than more draws.
FEW = 2048
# Below the first of these numbers doubles are multiples of the second.
SMALLEST_NORMAL, LEAST = 2.0**-1022, 2.0**-1074
# How often a call is run on operands with other last bits, and how many times what they move counts.
RUNS, WIDTH = 2, 64.0
# An odd number with about as many ones as zeros, which spreads bits when it is multiplied by.
SPREAD = 0x5851F42D4C957F2D
WORD = 1 << 64


def within_last_bits(call: TracedCall, output: TracedTensor, other: Tensor) -> bool:
    """Return whether PyTorch's result is as near to another one as last bits of the operands move it.

    That may be far more than those bits: the variance of equal numbers near 1e150 is 0 or 1e268.
    """
    value = double(output.tensor.detach())
    if call.gap is not None or other.shape != value.shape or not value.numel():
        return False
    generator = torch.Generator().manual_seed(0)
    scatter = torch.stack([(_again(call, output, generator) - value).abs() for _ in range(RUNS)]).amax(0)
    return bool(((other - value).abs() <= WIDTH * scatter).all())


def _again(call: TracedCall, output: TracedTensor, generator: torch.Generator) -> Tensor:
    """Return a call's result for operands with other last bits; itself where PyTorch refuses those."""
    step = STEP * torch.finfo(output.tensor.dtype).eps / torch.finfo(torch.float64).eps
    operands = {traced: perturb(traced.tensor.detach(), generator, step).to(traced.tensor) for traced in call.inputs}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return double(call.run(operands)[output])
    except REFUSALS:
        return double(output.tensor.detach())


def perturb(tensor: Tensor, generator: torch.Generator, size: float = STEP) -> Tensor:
    """Return a tensor with each entry changed by up to `size`, relative to it."""
    if tensor.is_complex():
        return torch.view_as_complex(perturb(torch.view_as_real(tensor.resolve_conj()), generator, size))
    if not tensor.is_floating_point():
        return tensor
    factors = _factors(tensor.shape, generator, size)
    return factors.mul_(tensor) if tensor.dtype == torch.float64 else tensor * factors


def perturb_alike(tensor: Tensor, seed: int, size: float = STEP) -> Tensor:
    """Return a tensor with each entry changed by up to `size`, relative to it, and equal entries alike."""
    if tensor.is_complex():
        return torch.view_as_complex(perturb_alike(torch.view_as_real(tensor.resolve_conj()).contiguous(), seed, size))
    return tensor * (1 + size * _scrambled(tensor, seed)) if tensor.is_floating_point() else tensor


def _scrambled(tensor: Tensor, seed: int) -> Tensor:
    """Return numbers between -1 and 1, as good as random, that depend on the bits of each entry alone."""
    mask = (seed * SPREAD + WORD // 2) % WORD - WORD // 2  # it wraps around, as that of the bits does
    bits = tensor.to(torch.float64).contiguous().view(torch.int64) ^ mask
    for _ in range(2):
        bits = (bits ^ (bits >> 29)) * SPREAD
    return (bits >> 11).to(torch.float64) / 2.0**52


def shaken(tensor: Tensor, generator: torch.Generator, size: float) -> Tensor:
    """Return a tensor with each entry that is too small to have all digits, or any, moved by `size`."""
    if tensor.is_complex():
        return torch.view_as_complex(shaken(torch.view_as_real(tensor.resolve_conj()), generator, size))
    if not tensor.is_floating_point() or not bool((tensor.abs() < SMALLEST_NORMAL).any()):
        return tensor
    signs = 2 * torch.randint(0, 2, tensor.shape, generator=generator, dtype=torch.float64) - 1
    moved = torch.where(tensor == 0, size, tensor + size * signs)
    return torch.where(tensor.abs() < SMALLEST_NORMAL, moved, tensor)


def _factors(shape: torch.Size, generator: torch.Generator, size: float) -> Tensor:
    count = math.prod(shape)
    if count < FEW:
        return torch.empty(shape, dtype=torch.float64).uniform_(1 - size, 1 + size, generator=generator)
    drawn = torch.empty(-(-count // LEVELS_DRAWN), dtype=DRAWN)
    levels = drawn.random_(torch.iinfo(DRAWN).min, None, generator=generator).view(LEVEL)[:count]
    return levels.view(shape).to(torch.float64).mul_(size / LEVELS).add_(1)
