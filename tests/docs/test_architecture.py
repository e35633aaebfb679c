"""Every folder and module that docs/architecture.md names exists."""

from __future__ import annotations

import re

import pytest
from documented import ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MOST = 31  # modules of a folder, its __init__ among them, that need no index
PATHS = sorted(set(re.findall(r"`([\w./]+(?:/|\.py))`", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_named_exists(path: str) -> None:
    assert (ROOT / "gradcli" / path).exists() or (ROOT / path).exists()


def test_every_room_is_named() -> None:
    rooms = [folder for folder in (ROOT / "gradcli").iterdir() if (folder / "__init__.py").exists()]
    rooms += [folder for folder in (ROOT / "gradcli" / "execution").iterdir() if (folder / "__init__.py").exists()]
    named = " ".join(PATHS)
    assert [room.name for room in rooms if f"{room.name}/" not in named] == []


LARGE = re.findall(
    r"^\| `([\w/]+)/` \| (.*) \|$", TEXT.partition("## The large folders")[2].partition("## ")[0], re.MULTILINE
)


@pytest.mark.parametrize(("folder", "subjects"), LARGE)
def test_the_modules_that_large_folders_are_entered_by_exist(folder: str, subjects: str) -> None:
    named = re.findall(r"`(\w+)`", subjects)
    assert named
    assert [name for name in named if not (ROOT / "gradcli" / folder / f"{name}.py").is_file()] == []


def test_each_large_folder_has_a_row() -> None:
    folders = [folder for folder in (ROOT / "gradcli").rglob("*") if len([*folder.glob("*.py")]) > MOST]
    assert sorted(str(folder.relative_to(ROOT / "gradcli")) for folder in folders) == sorted(name for name, _ in LARGE)
