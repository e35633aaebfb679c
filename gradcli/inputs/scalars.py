"""Single numbers that options give: tolerances, times, counts and sizes in bytes."""

from __future__ import annotations

import math
import re

from gradcli.errors import InputError
from gradcli.inputs.option_text import OptionText

SIZE = re.compile(r"([0-9]{1,15})\s*(B|KiB|MiB|GiB|KB|MB|GB)?", re.IGNORECASE)
SIZE_UNITS = {"": 1, "b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3, "kb": 10**3, "mb": 10**6, "gb": 10**9}
LARGEST_COUNT = 2**63 - 1  # a seed, like a size, is a 64-bit number in PyTorch


def parse_size(option: str, text: str) -> int:
    """Return a number of bytes, such as `4096`, `16KiB` or `2 GiB`."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise OptionText(option, text).error("this is not a size", hint="write a number of bytes, or 16KiB, or 2GiB")
    return int(match[1]) * SIZE_UNITS[(match[2] or "").lower()]


def check_number(option: str, number: float) -> float:
    """Return a tolerance or a time as it is; refuse one that is negative or not finite."""
    if not (math.isfinite(number) and number >= 0):
        raise InputError(f"{option} must be finite and not negative, but it is {number}")
    return float(number)


def check_count(option: str, number: int) -> int:
    """Return a count or a seed as it is; refuse one that is negative or needs more than 64 bits."""
    if not 0 <= number <= LARGEST_COUNT:
        raise InputError(f"{option} must be from 0 to 2**63 - 1")
    return number


def check_positive(option: str, number: int) -> int:
    """Return a count as it is; refuse one below 1."""
    if number < 1:
        raise InputError(f"{option} must be at least 1, but it is {number}")
    return check_count(option, number)


def check_rate(option: str, number: float) -> float:
    """Return a learning rate as it is; a negative one climbs."""
    if not math.isfinite(number):
        raise InputError(f"{option} must be finite, but it is {number}")
    return float(number)
