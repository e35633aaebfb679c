"""Numbers and tensors as short text: small tensors in full, as aligned rows, large ones in summary.

Tensors are told by what they can do (`tolist`, `shape`), so that no tensor library is imported here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from gradcli.phrases import show_shape

FULL_ELEMENTS = 16
FULL_MATRIX = 64  # entries of a derivative that is shown as a matrix
FULL_ROW = 8
MATRIX_RANK = 2
LARGEST_INTEGER = 1e9  # beyond, an integral float is shortened like any other
DIGITS = 6
FEWEST_DIGITS = 3
WIDEST_ROW = 56  # so that a row, and what names it, fit in 80 columns


def short(number: Any, digits: int = DIGITS) -> str:
    """Return a number with up to six significant digits; one that only rounds to an integer keeps its point."""
    if isinstance(number, complex):
        return _short_complex(number, digits)
    if not isinstance(number, float):
        return str(number)
    if number.is_integer() and abs(number) < LARGEST_INTEGER:
        return f"{number:.0f}"
    text = f"{number:.{digits}g}"
    return f"{number:#.{digits}g}" if text.lstrip("-").isdigit() else text


def _short_complex(number: complex, digits: int) -> str:
    imaginary = short(number.imag, digits)
    sign = "" if imaginary.startswith("-") else "+"
    return f"{short(number.real, digits)}{sign}{imaginary}j"


def tensor_lines(tensor: Any, full: int = FULL_ELEMENTS, widest: int = WIDEST_ROW) -> tuple[str, ...]:
    """Return a tensor as lines: a number, aligned rows in brackets, or a summary beyond `full` elements.

    Rows that are wider than `widest` columns have fewer digits, and where that does not do, go on in further lines.
    """
    shape = tuple(tensor.shape)
    count = math.prod(shape)
    if count == 0:
        return (f"no element ({show_shape(shape)})",)
    if count > full or (shape and shape[-1] > FULL_ROW):
        return summary(tensor)
    if not shape:
        return (short(tensor.tolist()),)
    return _rows(tensor.tolist(), shape, widest)


def optional_lines(tensor: Any | None) -> tuple[str, ...]:
    """Return a tensor as lines, or that there is none."""
    return ("None",) if tensor is None else tensor_lines(tensor)


def matrix_lines(derivative: Any, columns: int, widest: int = WIDEST_ROW) -> tuple[str, ...]:
    """Return a derivative as a matrix, a column for each entry of what is differentiated by."""
    shape = tuple(derivative.shape)
    count = math.prod(shape)
    matrix = derivative.reshape(count // columns, columns) if shape and count else derivative
    return tensor_lines(matrix, FULL_MATRIX, widest)


def _rows(nested: Any, shape: tuple[int, ...], widest: int) -> tuple[str, ...]:
    """Return the innermost rows, an empty line between matrices; wide rows have fewer digits, then more lines."""
    numbers, columns = [*_flat(nested)], shape[-1]
    for digits in range(DIGITS, FEWEST_DIGITS - 1, -1):
        texts = _aligned([short(number, digits) for number in numbers])
        if columns * (len(texts[0]) + 1) < widest:
            break
    rows: list[str] = []
    for start in range(0, len(texts), columns):
        if len(shape) > MATRIX_RANK and start and start % (columns * shape[-2]) == 0:
            rows.append("")
        rows += _lines(texts[start : start + columns], widest)
    return tuple(rows)


def _lines(row: Sequence[str], widest: int) -> list[str]:
    """Return a row in brackets, on as many lines as it needs."""
    count = max(widest // (len(row[0]) + 1), 1)
    lines = [" " + " ".join(row[start : start + count]) for start in range(0, len(row), count)]
    return [f"[{lines[0][1:]}", *lines[1:-1], f"{lines[-1]}]"] if len(lines) > 1 else [f"[{lines[0][1:]}]"]


def _aligned(texts: Sequence[str]) -> list[str]:
    """Return numbers of one width: their decimal points below each other, or, with exponents, their ends."""
    width = max(map(len, texts))
    if any("e" in text for text in texts):
        return [text.rjust(width) for text in texts]
    parts = [(whole, point + decimals) for whole, point, decimals in (text.partition(".") for text in texts)]
    before, after = (max(map(len, side)) for side in zip(*parts, strict=True))
    return [whole.rjust(before) + decimals.ljust(after) for whole, decimals in parts]


def _flat(nested: Any) -> Iterator[Any]:
    if isinstance(nested, list):
        for item in nested:
            yield from _flat(item)
    else:
        yield nested


def summary(tensor: Any) -> tuple[str, ...]:
    """Return the range, the norm and the number of entries that are not finite."""
    least, most, norm, nans, infinities = _statistics(tensor)
    lines = []
    if least is not None:
        lines.append(short(least) if least == most else f"{short(least)} to {short(most)}")
        lines.append(f"norm {short(norm)}")
    if nans:
        lines.append(f"{nans:,} nan")
    if infinities:
        lines.append(f"{infinities:,} inf")
    return (lines[0] + _absolute(tensor), *lines[1:])


def _absolute(tensor: Any) -> str:
    return " (absolute)" if _is_complex(tensor) else ""


def _is_complex(tensor: Any) -> bool:
    return bool(tensor.is_complex()) if hasattr(tensor, "is_complex") else False


def _statistics(tensor: Any) -> tuple[float | None, float | None, float, int, int]:
    """Return minimum, maximum and norm of the finite entries, and how many are NaN or infinite."""
    if hasattr(tensor, "isfinite") and hasattr(tensor, "isnan"):
        return _statistics_of_tensor(tensor)
    numbers = [abs(number) if isinstance(number, complex) else float(number) for number in _flat(tensor.tolist())]
    finite = [number for number in numbers if math.isfinite(number)]
    nans = sum(map(math.isnan, numbers))
    infinities = len(numbers) - len(finite) - nans
    return min(finite, default=None), max(finite, default=None), math.hypot(*finite), nans, infinities


def _statistics_of_tensor(tensor: Any) -> tuple[float | None, float | None, float, int, int]:
    """Let a large tensor count by itself; ten million Python numbers would take seconds."""
    numbers = (tensor.abs() if _is_complex(tensor) else tensor).double()
    finite = numbers[numbers.isfinite()]
    count, nans = finite.numel(), int(numbers.isnan().sum())
    infinities = numbers.numel() - count - nans
    if not count:
        return None, None, 0.0, nans, infinities
    return float(finite.min()), float(finite.max()), float(finite.norm()), nans, infinities
