"""`--max-memory 2GiB`: sizes in bytes."""

from __future__ import annotations

import re

from gradcli.inputs.option_text import OptionText

SIZE = re.compile(r"([0-9]{1,15})\s*(B|KiB|MiB|GiB|KB|MB|GB)?", re.IGNORECASE)
SIZE_UNITS = {"": 1, "b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3, "kb": 10**3, "mb": 10**6, "gb": 10**9}


def parse_size(option: str, text: str) -> int:
    """Return a number of bytes, such as `4096`, `16KiB` or `2 GiB`."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise OptionText(option, text).error("this is not a size", hint="write a number of bytes, or 16KiB, or 2GiB")
    return int(match[1]) * SIZE_UNITS[(match[2] or "").lower()]
