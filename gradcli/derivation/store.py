"""Answers of the sympy process that outlive it: a folder with a file for each, in the user's cache folder.

A file is data: a line with the SHA-256 of what follows, and JSON. It holds the whole question with its answer, so that
an answer is never taken for that to another question; the code that derived it is part of the question. Whatever is not
such a file, whole, and the user's own, is passed over, and so is every failure to read or write: then sympy is asked.
"""

from __future__ import annotations

import json
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias

from gradcli.derivation.fingerprint import fingerprint
from gradcli.derivation.formulas import formulas_from_data
from gradcli.derivation.messages import Arbitrated, Derived
from gradcli.derivation.protocol import QueryKind

# What is kept: answers, and that a whole run needed nothing but them.
Kept: TypeAlias = Literal[QueryKind, "run"]
# Of one file; a longer answer is not kept.
MOST_BYTES = 1 << 20
# Of one of the parts that the folder has, each by the first digit of its files' names: 64 MiB in all.
MOST_BYTES_OF_PART, MOST_FILES_OF_PART = 4 << 20, 2048
# Beyond the first share of these, a part is cut down to the second; the third is what one process adds before it looks
# again, so that several at once stay within them.
FULL, KEPT, UNSEEN = 7 / 8, 3 / 4, 1 / 32
PARTS = "0123456789abcdef"
OUR_NAME = re.compile(r"\.?[0-9a-f]{64}\.")
# Seconds after which a use of a file is noted; the ones that were used last stay longest.
NOTED_AFTER = 3600.0
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
# Reads an answer, and raises whatever it likes where that is none.
READERS: Mapping[Kept, Callable[[Any], Any]] = {
    "derive": Derived.from_data,
    "formulas": formulas_from_data,
    "arbitrate": lambda data: Arbitrated(**data),
    "run": bool,
}


# How many files, and bytes, this process may yet add to a part before it looks at it.
_UNSEEN: dict[Path, tuple[int, int]] = {}


def users_folder(name: str) -> Path:
    """Return a folder of ours in the user's cache folder, whether or not it is there."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  # Path's raises without a home
    return _folder_in(cache, name)


@lru_cache(maxsize=16)
def _folder_in(cache: str, name: str) -> Path:
    """Return a path, which takes longer to make than to ask for; each check does."""
    return Path(cache, "gradcli", name)


def folder() -> Path:
    """Return where the answers are kept, whether or not there are any."""
    return users_folder("derivations")


def wanted() -> bool:
    """Tell whether the environment allows anything to be kept."""
    return os.environ.get("GRADCLI_NO_CACHE", "") in {"", "0"}


@dataclass(slots=True)
class Store:
    """The kept answers, as one check uses them; without a folder there are none, and none are kept."""

    place: Path | None = None
    """The folder."""
    code: str | None = None
    """What the answers depend on beside the questions."""
    missed: int = 0
    """The questions whose answer was not there."""
    added: int = 0
    """The answers that were put there."""
    _sufficed: str | None = None
    """The run that was last found to need nothing but kept answers."""

    @staticmethod
    def of_user(*, used: bool = True) -> Store:
        """Return the user's store; one that keeps nothing where it is not to be used."""
        code = fingerprint() if used and wanted() else None
        return Store() if code is None else Store(folder(), code)

    def get(self, kind: Kept, question: Any) -> Any:
        """Return the answer to a question as data, or None."""
        found = self._found(kind, question)
        self.missed += found is None
        return found

    def put(self, kind: Kept, question: Any, answer: Any) -> None:
        """Keep an answer, if it is not too long and there is room for it."""
        if self.place is None:
            return
        asked = self._asked(kind, question)
        with suppress(OSError, ValueError, RecursionError):
            body = json.dumps({"asked": asked, "answer": answer}).encode("ascii")
            if len(body) <= MOST_BYTES:
                _write(self._path(asked), sha256(body).hexdigest().encode() + b"\n" + body)
                self.added += 1

    def sufficed_for(self, run: str) -> bool:
        """Tell whether a run, whatever the text says that it is, needed nothing but kept answers, or will from now."""
        if self._sufficed != run and self._found("run", run) is not None:
            self._sufficed = run
        return self._sufficed == run

    def note(self, run: str) -> None:
        """Keep that a run needs nothing but kept answers, if that is so: whatever it asked is there the next time."""
        if self.missed == self.added and not self.sufficed_for(run):
            self.put("run", run, answer=True)

    def _found(self, kind: Kept, question: Any) -> Any:
        if self.place is not None:
            asked = self._asked(kind, question)
            with suppress(Exception):  # whatever is there that we have not written
                found = _read(self._path(asked), asked)
                READERS[kind](found)
                return found
        return None

    def _asked(self, kind: Kept, question: Any) -> str:
        """Return a question as text; a whole answer does not depend on how much time there was for it."""
        return json.dumps([self.code, kind, {**question, "seconds": None} if kind == "formulas" else question])

    def _path(self, asked: str) -> Path:
        assert self.place is not None  # noqa: S101 (asked for only where there is one)
        name = sha256(asked.encode("ascii")).hexdigest()
        return self.place / name[0] / f"{name}.json"


def _is_ours(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & OTHERS_MAY_WRITE


def _read(path: Path, asked: str) -> Any:
    """Return the answer in a file; OSError or ValueError where it is not whole, or not to what is asked."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not (stat.S_ISREG(found.st_mode) and _is_ours(found)):
            raise PermissionError(path)
        digest, _, body = file.read(MOST_BYTES + 100).partition(b"\n")
    if digest != sha256(body).hexdigest().encode():
        raise ValueError(path)
    data = json.loads(body)
    if data["asked"] != asked:
        raise ValueError(path)
    if time.time() - found.st_mtime > NOTED_AFTER:
        with suppress(OSError):
            os.utime(path)
    return data["answer"]


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, whoever else writes it; and make room for it."""
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _make_room(path.parent, len(data))
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{threading.get_ident()}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _make_room(part: Path, size: int) -> None:
    """Remove the files of a part that were used longest ago, where it is nearly full.

    That looks at all of them, which takes longer than to write one: between two looks a process adds a share of them.
    """
    files, bytes_ = _UNSEEN.get(part, (0, 0))
    if files < 1 or bytes_ < size:
        _look(part, size)
        files, bytes_ = int(UNSEEN * MOST_FILES_OF_PART), size + int(UNSEEN * MOST_BYTES_OF_PART)
    _UNSEEN[part] = files - 1, bytes_ - size


def _look(part: Path, size: int) -> None:
    """Cut a part down to what was used last, if there would be more than FULL of what it may hold."""
    found = sorted(_files(part), key=lambda file: file[1].st_mtime, reverse=True)
    total = size + sum(file.st_size for _, file in found)
    if len(found) < FULL * MOST_FILES_OF_PART and total <= FULL * MOST_BYTES_OF_PART:
        return
    for place, (path, file) in enumerate(found):
        size += file.st_size
        if place >= int(KEPT * MOST_FILES_OF_PART) or size > KEPT * MOST_BYTES_OF_PART:
            _remove(path)


def _files(part: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files of ours in a part, unfinished ones too; what another process removes meanwhile is left out."""
    with suppress(OSError), os.scandir(part) as entries:
        for entry in entries:
            with suppress(OSError):
                if OUR_NAME.match(entry.name) and entry.is_file(follow_symlinks=False):
                    yield entry.path, entry.stat(follow_symlinks=False)


def _remove(path: str) -> None:
    with suppress(OSError):  # another process was quicker
        os.unlink(path)  # noqa: PTH108  # a Path for each of thousands of files takes longer than all else


def size_of(place: Path) -> tuple[int, int]:
    """Return how many files a folder of answers has, and their bytes."""
    sizes = [found.st_size for part in PARTS for _, found in _files(place / part)]
    return len(sizes), sum(sizes)


def clear(place: Path) -> int:
    """Remove the kept answers, and nothing else that is there; return how many could not be removed."""
    for part in PARTS:
        for path, _ in _files(place / part):
            _remove(path)
        with suppress(OSError):
            (place / part).rmdir()
    with suppress(OSError):
        place.rmdir()
    return size_of(place)[0]
