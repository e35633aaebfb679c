"""Every program in docs/programs verifies by the command in its comment; `python tests/docs/test_programs.py` writes
docs/programs.md, which shows them.
"""

from __future__ import annotations

import io
import json
import os
import shlex
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from gradcli.cli.app import main

DOCS = Path(__file__).parents[2] / "docs"
PROGRAMS = sorted((DOCS / "programs").glob("*.txt"))
LINES = 12

HEAD = f"""# Programs that verify

Six programs as they would be written in a notebook. Each runs under PyTorch's autograd, and every gradient, those of
the intermediate results too, is compared with the derivative of the definitions. The last {LINES} lines of each output
are shown; leaves get random values (`--init randn`)."""


def command(program: Path) -> str:
    lines = program.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("# ") for line in lines if line.startswith("# gradcli "))


def run(program: Path, *more: str) -> tuple[int, str]:
    """Return the exit code and the output of a program's command."""
    arguments = [*shlex.split(command(program).partition(" < ")[0])[1:], *more]
    source = io.TextIOWrapper(io.BytesIO(program.read_bytes()), encoding="utf-8")
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with patch.dict(os.environ, {"COLUMNS": "80"}), patch("sys.stdin", source), redirect_stdout(output):
        code = main(arguments)
    output.flush()
    return code, output.buffer.getvalue().decode()  # type: ignore[attr-defined]  # it is a BytesIO


def section(program: Path) -> str:
    lines = program.read_text(encoding="utf-8").splitlines()
    body = "\n".join(line for line in lines if not line.startswith("#"))
    title, _, more = lines[0].removeprefix("# ").rstrip(".").partition(": ")
    text = f"{more[:1].upper()}{more[1:]}.\n\n" if more else ""
    shown = "\n".join(run(program)[1].splitlines()[-LINES:]).lstrip("\n")
    return f"## {title}\n\n{text}```python\n{body}\n```\n\n```sh\n{command(program)}\n```\n\n```text\n{shown}\n```"


def page() -> str:
    return "\n\n".join([HEAD, *map(section, PROGRAMS)]) + "\n"


def test_there_are_programs() -> None:
    assert len(PROGRAMS) >= 6


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_verifies(program: Path) -> None:
    code, output = run(program, "--format", "json")
    assert code == 0
    report = json.loads(output)
    assert report["verdict"] == "match"
    assert all(tensor["verdict"] in {"match", None} for tensor in report["tensors"])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_the_page_shows_what_the_command_prints(program: Path) -> None:
    assert section(program) in (DOCS / "programs.md").read_text(encoding="utf-8")


def test_the_page_has_nothing_else() -> None:
    text = (DOCS / "programs.md").read_text(encoding="utf-8")
    assert text.startswith(HEAD)
    assert text.count("\n## ") == len(PROGRAMS)


if __name__ == "__main__":
    (DOCS / "programs.md").write_text(page(), encoding="utf-8")
