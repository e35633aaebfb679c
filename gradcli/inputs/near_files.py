"""What file is meant by a name of which there is none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gradcli.phrases import did_you_mean

MOST_LISTED = 20
PROJECT = "pyproject.toml"  # is a suite nowhere


def near_files(path: Path, endings: Sequence[str], otherwise: str | None = None) -> str | None:
    """Return a hint at the files of some endings in a path's folder, the one that is near first; else `otherwise`."""
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder '{folder}'"
    with suppress(OSError):
        names = (entry.name for entry in os.scandir(folder) if entry.name != PROJECT)
        files = sorted(str(folder / name) for name in names if name.endswith(tuple(endings)))
        listed = f"the folder has {', '.join(files[:MOST_LISTED])}" if files else None
        return did_you_mean(str(path), files, otherwise or listed)
    return otherwise
