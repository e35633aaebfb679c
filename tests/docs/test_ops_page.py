"""docs/ops.md and docs/ops/ are what `gradcli ops --format markdown -o docs/ops/` writes, and their commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gradcli.catalogue import pages
from gradcli.cli.app import main

DOCS = Path(__file__).parents[2] / "docs"
INDEX = DOCS / "ops.md"
FOLDER = DOCS / "ops"
COMMAND = re.compile(r"^- example: `(gradcli .*)`$", re.MULTILINE)
# Every command takes a moment: each run of the tests tries some, from all over the table.
EVERY = 23
# PyTorch's own derivative is wrong at any point: docs/findings.md.
WRONG = ("ctc_loss", "cholesky_solve", "cholesky_inverse", "hardsigmoid", "nextafter")


LINK = re.compile(r"\[`([^`]+)`\]\(ops/(\w+\.md)#([\w-]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def text() -> str:
    """Return all pages."""
    return "\n".join(page.read_text(encoding="utf-8") for page in sorted(FOLDER.iterdir()))


def anchors(page: Path) -> dict[str, str]:
    """Return the headings of a page by the anchors that GitHub makes of them."""
    found: dict[str, str] = {}
    for heading in HEADING.findall(page.read_text(encoding="utf-8")):
        slug = "".join(c for c in heading.lower() if c.isalnum() or c in "_- ").replace(" ", "-")
        names = (slug, *(f"{slug}-{count}" for count in range(1, 9)))
        found[next(name for name in names if name not in found)] = heading
    return found


def test_the_pages_are_in_step_with_the_table(tmp_path: Path) -> None:
    assert main(["ops", "--format", "markdown", "-o", f"{tmp_path}/ops/"]) == 0
    written, kept = (
        {page.name: page.read_text() for page in folder.iterdir()} for folder in (tmp_path / "ops", FOLDER)
    )
    wrong = [name for name in {*written, *kept} if written.get(name) != kept.get(name)]
    assert wrong == [], "run `gradcli ops --format markdown -o docs/ops/`"
    assert (tmp_path / "ops.md").read_text() == INDEX.read_text()


def test_the_index_leads_to_every_op() -> None:
    known = {page.name: anchors(page) for page in FOLDER.iterdir()}
    links = LINK.findall(INDEX.read_text(encoding="utf-8"))
    assert [name for name, _, _ in links] == [page.name for page in pages()]
    assert [link for link in links if known[link[1]].get(link[2]) != f"`{link[0]}`"] == []


def test_one_document_holds_the_same(tmp_path: Path) -> None:
    assert main(["ops", "--format", "markdown", "-o", f"{tmp_path}/all.md"]) == 0
    whole = (tmp_path / "all.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["all.md"]
    assert set(COMMAND.findall(whole)) == set(COMMAND.findall(text()))


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["ops", "--format", "markdown", "-o", f"{tmp_path}/file/ops/"]) == 4
    assert "cannot write" in capsys.readouterr().err


def test_the_pages_show_what_the_table_holds() -> None:
    assert len(re.findall(r"^## ", text(), re.MULTILINE)) == len(pages()) > 400
    assert "derivative by x: `-1/sqrt(1 - x**2)`" in text()
    assert "kinks where `input == 0`" in text()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("command", COMMAND.findall(text())[::EVERY])
def test_an_example_verifies(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(shlex.split(command)[1:])
    assert code == any(name in command for name in WRONG), capsys.readouterr().out
