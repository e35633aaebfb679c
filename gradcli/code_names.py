"""What names code in place of a program: `FILE.py:NAME` or `package.module:NAME`."""

from __future__ import annotations

import re

CODE = re.compile(r"[^\n\0]+\.py::?[\w.]+|[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def is_code(text: str) -> bool:
    """Return whether a text names code; no program is written so."""
    return CODE.fullmatch(text) is not None
