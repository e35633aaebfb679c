"""How much a file of values unpacks to, found before it is unpacked; LimitError beyond the limits in force."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from gradcli.errors import LimitError
from gradcli.execution.forward.memory import ENTRY, limits_in_force

CHUNK = 1 << 20
# Bytes that JSON takes as Python's values: of a number with its place in a list, and of a list.
NUMBER, LIST = 32, 88
HEADER = 1 << 16  # of an array's own file, or of a few numbers that describe all


def check_archive(path: Path) -> None:
    """Refuse a file, or a zip archive's members, for their size."""
    check_sizes(path, [path.stat().st_size])
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            check_sizes(path, [member.file_size for member in archive.infolist()])


def check_sizes(path: Path, sizes: Iterable[int]) -> None:
    """Refuse the tensors of a file by their bytes: each has its limit, and all have one."""
    limits, sizes = limits_in_force(), list(sizes)
    if sum(sizes) > limits.memory:
        message = f"{path.name}: it holds {sum(sizes) / 2**30:.1f} GiB, more than {limits.memory / 2**30:g} GiB"
        raise LimitError(message, hint="`--max-memory` raises the limit")
    largest = max(sizes, default=0)
    if largest > 2 * ENTRY * limits.elements + HEADER:  # complex numbers have two parts
        message = f"{path.name}: it holds a tensor of {largest:,} bytes: more than {limits.elements:,} elements"
        raise LimitError(message, hint="`--max-elements` raises the limit")


def read_json_text(path: Path) -> str:
    """Return the text of a JSON file, unless what it stands for is too large."""
    limit, chunks, needed = 2 * NUMBER * limits_in_force().elements + HEADER, [], 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            chunks.append(chunk)
            lists = chunk.count(b"[") + chunk.count(b"{")
            needed += 2 * len(chunk) + NUMBER * chunk.count(b",") + LIST * lists
            if needed > limit:
                message = f"{path.name}: it holds more than {limits_in_force().elements:,} numbers, or as much else"
                raise LimitError(message, hint="`--max-elements` raises the limit")
    return b"".join(chunks).decode("utf-8-sig")
