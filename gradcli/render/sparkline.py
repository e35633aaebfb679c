"""A row of numbers as a row of blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
LONGEST = 40


def sparkline(numbers: Sequence[float]) -> str:
    """Return a block for each number, the lowest for the least; a number that is not finite leaves a gap.

    Of more numbers than fit, some are left out at equal distances; the first and the last are there.
    """
    finite = [number for number in numbers if math.isfinite(number)]
    least, most = min(finite, default=0.0), max(finite, default=0.0)
    return "".join(_block(number, least, most) for number in _thinned(numbers))


def _block(number: float, least: float, most: float) -> str:
    if not math.isfinite(number):
        return " "
    # Halves, so that the difference of two large numbers stays finite.
    share = (number / 2 - least / 2) / (most / 2 - least / 2) if most > least else 0.0
    return BLOCKS[round(share * (len(BLOCKS) - 1))]


def _thinned(numbers: Sequence[float]) -> list[float]:
    if len(numbers) <= LONGEST:
        return list(numbers)
    return [numbers[round(place * (len(numbers) - 1) / (LONGEST - 1))] for place in range(LONGEST)]
