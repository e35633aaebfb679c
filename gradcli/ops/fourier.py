"""Discrete Fourier transforms, by their definition as a sum: a product with the matrix of the roots of unity."""

from __future__ import annotations

from typing import Any

from gradcli.ops.family import Family
from gradcli.ops.record import ALIKE, Kind, Op

FAMILY = Family("fourier", kernels="fourier")
PRODUCT = 'movedim(einsum("...k,jk->...j", {data}, _roots({rows}, {columns}, n, {sign}, norm)), -1, dim)'
# A long transform is one along each side of a table with the data in it, row by row, with roots of n between the two.
FULL = """n = input.shape[dim] if n is None else n
rows = _fourier_rows(n)
columns = n // rows
if rows > 1:
    x = 0j + _fitted(input, n, dim)
    x = reshape(x, x.shape[:-1] + (rows, columns))
    x = einsum("...pq,jp->...jq", x, _roots(rows, rows, rows, {sign}, {bare}))*_roots(rows, columns, n, {sign}, norm)
    x = einsum("...jq,kq->...kj", x, _roots(columns, columns, columns, {sign}, {bare}))
    y = movedim(reshape(x, x.shape[:-2] + (n,)), -1, dim)
else:
    y = {product}
y"""
START = """n = input.shape[dim] if n is None else n
y = fft.{full}(input, n, dim, norm).narrow(dim, 0, n // 2 + 1) if _fourier_rows(n) > 1 else {product}
y"""
HALF = """n = 2*(input.shape[dim] - 1) if n is None else n
x = 0j + _fitted(input, n // 2 + 1, dim)*_doubled(n)
y = movedim(fft.{full}(x, n, -1, norm), -1, dim) if _fourier_rows(n) > 1 else {product}
real(y)"""
WHOLE = "0j + _fitted(input, n, dim)"
SEVERAL = """axes = _fourier_axes(input.ndim, s, dim)
sizes = _fourier_lengths(input.shape, s, axes, {last})
y = input
"""
ALONG = """for i in range({stop}):
    y = fft.{name}(y, sizes[i], axes[i], norm)
"""
# The transform of every stretch of n_fft entries, each times the window, which is padded in its middle.
STFT = """if align_to_window:
    x = _refuse("align_to_window moves the frames, and has no definition yet")
hop = n_fft // 4 if hop_length is None else hop_length
x = unsqueeze(input, 0) if input.ndim == 1 else input
x = squeeze(pad(unsqueeze(x, 1), (n_fft // 2, n_fft // 2), pad_mode), 1) if center else x
frames = unfold(x, -1, n_fft, hop)
if window is not None or win_length is not None:
    w = ones(win_length) if window is None else window
    left = (n_fft - w.shape[0]) // 2
    frames = frames*pad(w, (left, n_fft - w.shape[0] - left))
norm = 'ortho' if normalized else None
y = mT(fft.fft(frames, None, -1, norm) if onesided == False else fft.rfft(frames, None, -1, norm))
y = squeeze(y, 0) if input.ndim == 1 else y
y if return_complex else view_as_real(y)"""


def _op(signature: str, definition: str, *examples: str, **more: Any) -> Op:
    return FAMILY.composite(signature, definition, *examples, complex=ALIKE, **more)


def _along_one(name: str, definition: str, full: str, product: dict[str, str], *examples: str) -> Op:
    """Return a transform along one axis, in the direction of `full`; the product is that of a short one."""
    sign, bare = (1, "'forward'") if full == "ifft" else (-1, "'backward'")  # the norm by which it is not scaled
    written = definition.format(full=full, sign=sign, bare=bare, product=PRODUCT.format(sign=sign, **product))
    return _op(f"fft.{name}(input, n=None, dim=-1, norm=None)", written, *examples)


def _full(name: str) -> Op:
    return _along_one(
        name,
        FULL,
        name,
        {"data": WHOLE, "rows": "n", "columns": "n"},
        f"fft.{name}(x).abs() | x=5",
        f"torch.fft.{name}(x, n=4, dim=0, norm='ortho').real | x=3x2",
        f"torch.fft.{name}(x, 2, norm='forward').imag | x=2x3",
    )


def _start(name: str, full: str, *examples: str) -> Op:
    """Return the transform of real data: the coefficients beyond the middle are conjugates of those before."""
    return _along_one(name, START, full, {"data": WHOLE, "rows": "n // 2 + 1", "columns": "n"}, *examples)


def _half(name: str, full: str, *examples: str) -> Op:
    """Return the transform of such coefficients: those that have a conjugate count twice."""
    return _along_one(name, HALF, full, {"data": "x", "rows": "n", "columns": "n // 2 + 1"}, *examples)


def _several(name: str, inner: str, dim: str) -> Op:
    return _op(
        f"fft.{name}(input, s=None, dim={dim}, norm=None)",
        SEVERAL.format(last=None) + ALONG.format(stop="_count(axes)", name=inner) + "y",
        f"torch.fft.{name}(x).abs() | x=2x3",
        f"torch.fft.{name}(x, s=(3, 2), norm='ortho').real | x=2x3",
    )


def _real_forward(name: str, dim: str, last: str = "rfft", others: str = "fft") -> Op:
    definition = SEVERAL.format(last=None) + f"y = fft.{last}(y, sizes[-1], axes[-1], norm)\n"
    return _op(
        f"fft.{name}(input, s=None, dim={dim}, norm=None)",
        definition + ALONG.format(stop="_count(axes) - 1", name=others) + "y",
        f"torch.fft.{name}(x).abs() | x=2x3",
        f"torch.fft.{name}(x, s=(3, 2), norm='ortho').imag | x=2x4",
    )


def _real_inverse(name: str, dim: str, last: str = "irfft", others: str = "ifft") -> Op:
    length = "2*(input.shape[axes[-1]] - 1)"
    definition = SEVERAL.format(last=length) + ALONG.format(stop="_count(axes) - 1", name=others)
    return _op(
        f"fft.{name}(input, s=None, dim={dim}, norm=None)",
        definition + f"fft.{last}(y, sizes[-1], axes[-1], norm)",
        f"torch.fft.{name}(x) | x=2x3",
        f"torch.fft.{name}(x, s=(3, 5), norm='forward') | x=2x3",
    )


def _shift(name: str, sign: int) -> Op:
    return _op(
        f"fft.{name}(input, dim=None)",
        f"by, axes = _fourier_shifts(input.shape, dim, {sign}); roll(input, by, axes)",
        f"torch.fft.{name}(x) | x=3x4",
        f"torch.fft.{name}(x, dim=1) | x=2x5",
    )


FOURIER: tuple[Op, ...] = (
    _full("fft"),
    _full("ifft"),
    _start(
        "rfft",
        "fft",
        "torch.fft.rfft(x).abs() | x=5",
        "torch.fft.rfft(x, n=4, dim=0, norm='ortho').imag | x=3x2",
    ),
    _half(
        "irfft",
        "ifft",
        "torch.fft.irfft(x) | x=4",
        "torch.fft.irfft(torch.fft.rfft(x)*torch.fft.rfft(y), n=5) | x=5 y=5",
        "torch.fft.irfft(x, n=5, dim=0, norm='forward') | x=3x2",
    ),
    _half(
        "hfft",
        "fft",
        "torch.fft.hfft(x) | x=4",
        "torch.fft.hfft(x, n=5, norm='ortho') | x=2x3",
    ),
    _start(
        "ihfft",
        "ifft",
        "torch.fft.ihfft(x).abs() | x=5",
        "torch.fft.ihfft(x, n=4, dim=0, norm='forward').imag | x=3x2",
    ),
    _several("fft2", "fft", "(-2, -1)"),
    _several("ifft2", "ifft", "(-2, -1)"),
    _several("fftn", "fft", "None"),
    _several("ifftn", "ifft", "None"),
    _real_forward("rfft2", "(-2, -1)"),
    _real_forward("rfftn", "None"),
    _real_inverse("irfft2", "(-2, -1)"),
    _real_inverse("irfftn", "None"),
    _real_inverse("hfft2", "(-2, -1)", "hfft", "fft"),
    _real_inverse("hfftn", "None", "hfft", "fft"),
    _real_forward("ihfft2", "(-2, -1)", "ihfft", "ifft"),
    _real_forward("ihfftn", "None", "ihfft", "ifft"),
    _op(
        "stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode='reflect', normalized=False, onesided=None, return_complex=None, align_to_window=None)",
        STFT,
        "torch.stft(x, 4, window=w, return_complex=True).imag | x=2x9 w=4",
        "torch.stft(x, 4, 1, 2, w, center=False, normalized=True, return_complex=True).real | x=7 w=2",
        "torch.stft(x, n_fft=4, window=w, pad_mode='constant', onesided=False, return_complex=False) | x=1x5 w=4",
        torch="torch.stft",
    ),
    _shift("fftshift", 1),
    _shift("ifftshift", -1),
    FAMILY.helper("_fitted(input, n, dim)", "the axis last, cut or padded with zeros to a length", Kind.MOVEMENT),
    FAMILY.helper("_roots(rows, columns, n, sign, norm)", "exp(sign*2*pi*1j*j*k/n), scaled"),
    FAMILY.helper("_doubled(n)", "2 for each coefficient that has a conjugate, 1 for the others"),
    FAMILY.helper("_fourier_rows(n)", "how many rows the table of a long transform has; 1 for a short one"),
    FAMILY.helper("_fourier_axes(rank, s, dim)", "the axes that are transformed"),
    FAMILY.helper("_fourier_lengths(shape, s, axes, last)", "the length along each axis"),
    FAMILY.helper("_fourier_shifts(shape, dim, sign)", "how far each axis is rolled"),
)
