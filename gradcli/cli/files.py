"""Files that hold the whole of a text, or what they held before, whatever happens while it is written."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/(?:(std(?:out|err))|fd/([0-9]{1,9}))")
STANDARD = {"stdout": 1, "stderr": 2}


def replace(path: Path, data: bytes) -> None:
    """Make the data all that a file holds; a link stays one, and a pipe or a device is written to.

    Raises OSError, and leaves the file as it was.
    """
    number, before = descriptor(path), _status(path)
    if number is not None:  # what is open there may be a file that holds more than ours
        _write_all(os.dup(number), data)
    elif before is not None and not stat.S_ISREG(before.st_mode):
        _write_all(os.open(path, os.O_WRONLY), data)
    elif before is None or (before.st_nlink == 1 and before.st_uid == os.geteuid()):
        _replace(Path(os.path.realpath(path)), before, data)
    else:  # a new file would have only one of its names, or a different owner
        _overwrite(path, data)


def append(path: Path, data: bytes) -> None:
    """Add the data to what a file holds; raises OSError, and leaves the file as it was."""
    before = _status(path)
    try:
        _write_all(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), data)
    except OSError:
        if before is not None and stat.S_ISREG(before.st_mode):
            os.truncate(path, before.st_size)
        raise


def descriptor(path: Path) -> int | None:
    """Return the number of the open stream that a path such as `/dev/stdout` stands for."""
    match = DESCRIPTOR.fullmatch(str(path))
    return None if match is None else STANDARD[match[1]] if match[1] else int(match[2])


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _replace(target: Path, before: os.stat_result | None, data: bytes) -> None:
    """Give a new file, written beside the old one, its name; overwrite the old one where the folder takes none."""
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(13, os.strerror(13))
    try:
        _rename(target, before, data)
    except PermissionError:
        if before is None:
            raise
        _overwrite(target, data)


def _rename(target: Path, before: os.stat_result | None, data: bytes) -> None:
    number, name = tempfile.mkstemp(prefix=f".{target.name[:32]}.", dir=target.parent)
    try:
        _write_all(number, data)
        Path(name).chmod(_mode(before))
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _mode(before: os.stat_result | None) -> int:
    if before is not None:
        return stat.S_IMODE(before.st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _overwrite(target: Path, data: bytes) -> None:
    """Write over what a file holds, which is put back if that fails."""
    with target.open("r+b", buffering=0) as file:
        before = file.read()
        try:
            _fill(file, data)
        except BaseException:
            with suppress(OSError):
                _fill(file, before)
            raise


def _fill(file: IO[bytes], data: bytes) -> None:
    file.seek(0)
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
    file.truncate(len(data))


def _write_all(number: int, data: bytes) -> None:
    """Write to an open file until all of it is out, and close it."""
    with os.fdopen(number, "wb") as file:
        file.write(data)
