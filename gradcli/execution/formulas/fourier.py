"""Discrete Fourier transforms as products of real matrices: cosines and sines of 2πjk/n, for formulas to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from gradcli.execution.kernels.fourier import doubled, fourier_axes, fourier_lengths

Arguments = Mapping[str, Any]
LETTERS = "abcdefghijklm"
# The transforms by what they make of what: complex data of complex data, the first half of a spectrum of real data, or
# real data of such a half.
WHOLE, HALF, REAL = "whole", "half", "real"
# By which of these norms a transform of a sign is divided by its length.
DIVIDED = {1: (None, "backward"), -1: ("forward",)}


@dataclass(frozen=True, slots=True)
class Transform:
    """One transform along one axis: by exp(sign 2πi jk/n)."""

    kind: str
    sign: int

    def lines(self, shape: list[int], axis: int, length: int, norm: str | None, *, has_imaginary: bool) -> list[str]:
        """Return the lines that transform `re` and `im`, whose shape is changed to the result's."""
        axis %= len(shape)
        rows = length // 2 + 1 if self.kind == HALF else length
        weights = self._weights(length, shape[axis])
        found = [f"a = pi*outer(arange({rows}), arange({shape[axis]}))*2/{length}"]
        found += [f"w = tensor({weights})"] if weights else []
        shape[axis] = rows
        letters = LETTERS[: len(shape)]
        data, factors = letters.replace(letters[axis], "z"), ("z,", "w, ") if weights else ("", "")
        equation = f'"{data},{factors[0]}{letters[axis]}z->{letters}"'
        of = {
            (part, wave): f"einsum({equation}, {part}, {factors[1]}{wave}(a))"
            for part in (["re", "im"] if has_imaginary else ["re"])
            for wave in ("cos", "sin")
        }
        return [*found, *self._products(of, _scale(self.sign, length, norm), has_imaginary=has_imaginary)]

    def _weights(self, length: int, count: int) -> list[float]:
        """Return how often each entry counts: not at all beyond a length; nothing where each does once."""
        once = torch.ones(length, dtype=torch.float64)
        own = (doubled(length) if self.kind == REAL else once)[:count].tolist()
        weights = [*own, *[0.0] * (count - len(own))]
        return weights if {*weights} != {1.0} else []

    def _products(self, of: Mapping[tuple[str, str], str], scale: str, *, has_imaginary: bool) -> list[str]:
        minus, plus = (" - ", "") if self.sign > 0 else (" + ", "-")
        real, imaginary = of["re", "cos"], f"{plus}{of['re', 'sin']}"
        if has_imaginary:
            real, imaginary = f"{real}{minus}{of['im', 'sin']}", f"{of['im', 'cos']} {plus or '+'} {of['re', 'sin']}"
        found = [f"x = ({real}){scale}"]
        found += [] if self.kind == REAL else [f"im = ({imaginary}){scale}"]
        return [*found, "re = x"]


def _scale(sign: int, length: int, norm: str | None) -> str:
    if norm == "ortho":
        return f"/sqrt(tensor({length}.0))"
    return f"/{length}" if norm in DIVIDED[sign] else ""


FFT, IFFT = Transform(WHOLE, -1), Transform(WHOLE, 1)
RFFT, IHFFT = Transform(HALF, -1), Transform(HALF, 1)
IRFFT, HFFT = Transform(REAL, 1), Transform(REAL, -1)


def _defined(given: Arguments, several: Sequence[tuple[Transform, int, int]]) -> str:
    """Return the definition of transforms one after the other: each along an axis, to a length."""
    value = given["input"].tensor
    shape, is_complex = list(value.shape), value.is_complex()
    lines = ["re = real(input)", "im = _imag(input)"] if is_complex else ["re = input"]
    for transform, axis, length in several:
        lines += transform.lines(shape, axis, length, given["norm"], has_imaginary=is_complex)
        is_complex = transform.kind != REAL
    return "\n".join([*lines, "complex(re, im)" if is_complex else "re"])


def along_one(transform: Transform) -> Callable[[Arguments], str | None]:
    """Return the definition of a transform along one axis."""

    def defined(given: Arguments) -> str | None:
        axes, length = (given["dim"],), None if given["n"] is None else (given["n"],)
        return _of_axes(given, axes, length, last=transform, others=None, is_last_first=True)

    return defined


def along_several(last: Transform, others: Transform, *, is_last_first: bool) -> Callable[[Arguments], str | None]:
    """Return the definition of a transform along several axes, the last of which may have one of its own."""

    def defined(given: Arguments) -> str | None:
        axes = fourier_axes(given["input"].tensor.ndim, given["s"], given["dim"])
        return _of_axes(given, axes, given["s"], last=last, others=others, is_last_first=is_last_first)

    return defined


def _of_axes(
    given: Arguments,
    axes: tuple[int, ...],
    lengths: Any,
    *,
    last: Transform,
    others: Transform | None,
    is_last_first: bool,
) -> str | None:
    shape = given["input"].tensor.shape
    if not shape or not axes or 0 in shape:
        return None
    own = 2 * (shape[axes[-1]] - 1) if last.kind == REAL else None
    sizes = fourier_lengths(shape, lengths, axes, own)
    first = [(others, axis, size) for axis, size in zip(axes[:-1], sizes[:-1], strict=True) if others is not None]
    end = [(last, axes[-1], sizes[-1])]
    return _defined(given, [*end, *first] if is_last_first else [*first, *end])


ONE = {"fft": FFT, "ifft": IFFT, "rfft": RFFT, "irfft": IRFFT, "hfft": HFFT, "ihfft": IHFFT}
SEVERAL = {
    "fft": (FFT, FFT, False),
    "ifft": (IFFT, IFFT, False),
    "rfft": (RFFT, FFT, True),
    "irfft": (IRFFT, IFFT, False),
    "hfft": (HFFT, FFT, False),
    "ihfft": (IHFFT, IFFT, True),
}
DEFINED: Mapping[str, Callable[[Arguments], str | None]] = {
    **{f"fft.{name}": along_one(transform) for name, transform in ONE.items()},
    **{
        f"fft.{name}{axes}": along_several(last, others, is_last_first=is_last_first)
        for name, (last, others, is_last_first) in SEVERAL.items()
        for axes in ("2", "n")
    },
}
