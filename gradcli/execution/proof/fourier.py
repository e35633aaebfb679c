"""Fourier transforms on a circuit: as ATen calls them, by the table's definitions; and exact roots of unity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from gradcli.execution.proof.circuit import Circuit, Entries, Pair

KERNELS = frozenset({"_fft_c2c", "_fft_r2c", "_fft_c2r"})
# ATen's numbers for no scale, 1/√n and 1/n, as `norm` says them of a transform and of an inverse one.
NORMS: Mapping[bool, tuple[str, str, str]] = {
    True: ("backward", "ortho", "forward"),
    False: ("forward", "ortho", "backward"),
}


def run(name: str, positional: Sequence[Any], call: Callable[..., Any]) -> Any:
    """Return the result of a kernel; `call` runs an op of the table by its name."""
    entries, axes, norm, last = positional
    match name:
        case "_fft_c2c":
            return _along(axes, norm, entries, call, forward=bool(last))
        case "_fft_r2c":
            first = call("fft.rfft" if last else "fft.fft", entries, None, axes[-1], NORMS[True][norm])
            return _along(axes[:-1], norm, first, call, forward=True)
    made = _along(axes[:-1], norm, entries, call, forward=False)
    return call("fft.irfft", made, last, axes[-1], NORMS[False][norm])


def _along(axes: Sequence[int], norm: int, entries: Any, call: Callable[..., Any], *, forward: bool) -> Any:
    for axis in axes:
        entries = call("fft.fft" if forward else "fft.ifft", entries, None, axis, NORMS[forward][norm])
    return entries


def roots(  # noqa: PLR0917 (the kernel's own)
    circuit: Circuit, rows: int, columns: int, length: int, sign: int, norm: str | None
) -> Entries:
    """Return exp(sign 2πi jk/n) for j < rows, k < columns, scaled as `norm` says: what the table's kernel rounds."""
    scale = _scale(circuit, length, sign, norm)
    turns = [sign * j * k for j in range(rows) for k in range(columns)]
    pairs = [_scaled(circuit, _root(circuit, Fraction(turn % length, length)), scale) for turn in turns]
    return Entries(circuit.mixed_codes(pairs, (rows, columns)))


def halves(circuit: Circuit, length: int, sign: int, norm: str | None) -> Entries:
    """Return the first n // 2 + 1 columns, of which those that have a conjugate count twice."""
    count = length // 2 + 1
    pairs = circuit.values(roots(circuit, length, count, length, sign, norm).codes)
    doubled = [0 < place % count < (length + 1) // 2 for place in range(len(pairs))]
    two = circuit.number(2)
    found = [_scaled(circuit, pair, two) if twice else pair for pair, twice in zip(pairs, doubled, strict=True)]
    return Entries(circuit.mixed_codes(found, (length, count)))


# What is exact instead of run, by the name of the kernel.
EXACT: Mapping[str, Callable[..., Entries]] = {"_roots": roots, "_halves": halves}
QUARTER, EIGHTH, TWELFTH = Fraction(1, 4), Fraction(1, 8), Fraction(1, 12)


def _root(circuit: Circuit, turn: Fraction) -> Pair:
    """Return the cosine and the sine of a part of a turn: those of less than an eighth of one, by symmetry."""
    if turn > 2 * QUARTER:
        found = _root(circuit, 1 - turn)
        return Pair(found.real, circuit.node("neg", found.imaginary))
    if turn > QUARTER:
        found = _root(circuit, 2 * QUARTER - turn)
        return Pair(circuit.node("neg", found.real), found.imaginary)
    if turn > EIGHTH:
        found = _root(circuit, QUARTER - turn)
        return Pair(found.imaginary, found.real)
    if not turn:
        return Pair(circuit.number(1), circuit.number(0))
    if turn == TWELFTH:
        return Pair(_half_root(circuit, 3), circuit.number(0.5))
    if turn == EIGHTH:
        return Pair(_half_root(circuit, 2), _half_root(circuit, 2))
    angle = circuit.node("mul", circuit.node("number", str(2 * turn)), circuit.node("pi"))
    return Pair(circuit.node("cos", angle), circuit.node("sin", angle))


def _half_root(circuit: Circuit, number: int) -> int:
    return circuit.node("div", circuit.node("sqrt", circuit.number(number)), circuit.number(2))


def _scaled(circuit: Circuit, pair: Any, scale: int) -> Pair:
    zero = circuit.number(0)
    parts = [part if part == zero else circuit.node("mul", part, scale) for part in (pair.real, pair.imaginary)]
    return pair if scale == circuit.number(1) else Pair(*parts)


def _scale(circuit: Circuit, length: int, sign: int, norm: str | None) -> int:
    """Return PyTorch's factor: `backward` (the default) scales the inverse, `forward` the transform, `ortho` both."""
    if norm == "ortho":
        return circuit.node("div", circuit.number(1), circuit.node("sqrt", circuit.number(length)))
    scaled = -1 if norm == "forward" else 1
    return circuit.node("number", str(Fraction(1, length))) if sign == scaled else circuit.number(1)
