"""Every folder and module that docs/architecture.md names exists."""

from __future__ import annotations

import re

import pytest
from documented import ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`([\w./]+(?:/|\.py))`", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_named_exists(path: str) -> None:
    assert (ROOT / "gradcli" / path).exists() or (ROOT / path).exists()


def test_every_room_is_named() -> None:
    rooms = [folder for folder in (ROOT / "gradcli").iterdir() if (folder / "__init__.py").exists()]
    rooms += [folder for folder in (ROOT / "gradcli" / "execution").iterdir() if (folder / "__init__.py").exists()]
    named = " ".join(PATHS)
    assert [room.name for room in rooms if f"{room.name}/" not in named] == []
