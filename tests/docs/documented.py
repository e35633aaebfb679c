"""The outputs that the documents show, and what they are outputs of; run as a script, it writes all of them anew.

- Below `<!-- output of: COMMAND -->` stands what a shell prints for the command in the root of the tree.
- Below `<!-- picture of: COMMAND -->` stands a picture that the command writes, given the picture's file.
- Below `<!-- PyTorch says -->` stands what PyTorch warns of or raises in the Python block above.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # where this is run as a script

import warm_start  # noqa: E402

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

OUTPUT = re.compile(
    r"^(?P<head><!-- output of: (?P<source>.*?) -->\n```\w*\n)(?P<output>.*?)(?P<tail>^```$)", re.MULTILINE | re.DOTALL
)
QUOTATION = re.compile(
    r"^(?P<head>```python\n(?P<source>.*?)^```\n\n<!-- PyTorch says -->\n```text\n)(?P<output>.*?)(?P<tail>^```$)",
    re.MULTILINE | re.DOTALL,
)
PICTURE = re.compile(r"^<!-- picture of: (?P<command>.*?) -->\n!\[[^\]]+\]\((?P<file>[^)]+)\)$", re.MULTILINE)
MARKS = ("<!-- output of:", "<!-- PyTorch says -->")
# Without PyTorch's own warning about a package that is not there; a warning is told by its text.
BEFORE = """
import warnings
warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
warnings.showwarning = lambda message, category, *_: print(f"{category.__name__}: {message}")
import torch
"""


@dataclass(frozen=True)
class Shown:
    """An output as a document shows it, and how it is made."""

    document: Path
    source: str
    output: str
    make: Callable[[str], str]

    def __str__(self) -> str:
        return f"{self.document.name}: {self.source.splitlines()[-1]}"


def environment() -> dict[str, str]:
    """Return the environment of a documented command: 80 columns, no colour, the gradcli that is tested."""
    return {**warm_start.environment(), "COLUMNS": "80", "NO_COLOR": "1"}


def run(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell's in the root of the tree; its output holds the errors too."""
    return subprocess.run(  # noqa: S602  # the commands are the documents' own
        command,
        shell=True,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def printed(command: str) -> str:
    """Return what a command prints."""
    return run(command).stdout


def said(code: str) -> str:
    """Return what PyTorch warns of or raises, the type first, cut after its first line."""
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + code], capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    lines = (done.stdout or done.stderr.strip().rpartition("\n")[2]).strip().splitlines()
    return lines[0].partition(" (Triggered internally")[0] + "\n"


MAKERS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = ((OUTPUT, printed), (QUOTATION, said))


def shown() -> list[Shown]:
    """Return every output that a document shows."""
    return [
        Shown(document, block["source"], block["output"], make)
        for document in DOCUMENTS
        for pattern, make in MAKERS
        for block in pattern.finditer(document.read_text(encoding="utf-8"))
    ]


def pictures() -> list[tuple[str, Path]]:
    """Return the command of every picture that a document shows, and the picture's file."""
    return [
        (picture["command"], document.parent / picture["file"])
        for document in DOCUMENTS
        for picture in PICTURE.finditer(document.read_text(encoding="utf-8"))
    ]


def drawn(command: str, file: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that draws a picture, and let it write to a file."""
    return run(f"{command} -o {shlex.quote(str(file))}")


def renewed(text: str) -> str:
    """Return a document with every output made anew."""
    for pattern, make in MAKERS:
        text = pattern.sub(partial(_renewed, make=make), text)
    return text


def _renewed(block: re.Match[str], make: Callable[[str], str]) -> str:
    return block["head"] + make(block["source"]) + block["tail"]


if __name__ == "__main__":
    for command, file in pictures():
        drawn(command, file)
    for document in DOCUMENTS:
        before = document.read_text(encoding="utf-8")
        after = renewed(before)
        if after != before:
            document.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{document.relative_to(ROOT)}\n")
