"""The names of the checks that failed last, by suite, in the user's cache folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from gradcli.derivation.store import users_folder


def remember(file: str, ran: Iterable[str], failed: Iterable[str]) -> None:
    """Keep which checks of a suite failed; one that did not run this time keeps its place.

    A folder that cannot be written costs only `--last-failed`.
    """
    names = (recall(file) - set(ran)) | set(failed)
    path = _path(file)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(sorted(names)), encoding="utf-8")


def recall(file: str) -> set[str]:
    """Return the names of the checks of a suite that failed last."""
    with suppress(OSError, ValueError, RecursionError):  # whatever is there that is no list of names
        names = json.loads(_path(file).read_text(encoding="utf-8"))
        return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
    return set()


def _path(file: str) -> Path:
    name = sha256(str(Path(file).absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return users_folder("last-failed") / f"{name}.json"
