"""How many worker processes there are."""

from __future__ import annotations

import os

from gradcli.errors import InputError

MOST_JOBS = 1024


def count_jobs(text: str) -> int:
    """Return the number of worker processes that `-j` asks for: a number, or the cores that there are for `auto`."""
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:9]) <= MOST_JOBS:
        hint = "`-j auto` starts one process per core"
        raise InputError(f"'{text}' is not a number from 1 to {MOST_JOBS}", option="-j", hint=hint)
    return int(text)
