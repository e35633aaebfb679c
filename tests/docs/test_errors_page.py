"""What docs/errors.md quotes is what PyTorch says; `python tests/docs/test_errors_page.py` writes it anew.

gradcli's side of the page is kept by test_outputs.py.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
SNIPPET = re.compile(
    r"^(?P<head>```python\n(?P<code>.*?)^```\n\n<!-- PyTorch says -->\n```text\n)(?P<output>.*?)(?P<tail>^```$)",
    re.MULTILINE | re.DOTALL,
)
# Without its own warnings about packages that are not there; a warning is told by its text.
BEFORE = """
import warnings
warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
warnings.showwarning = lambda message, category, *_: print(f"{category.__name__}: {message}")
import torch
"""


def said(code: str) -> str:
    """Return what PyTorch warns of or raises, the type first, cut after its first line."""
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + code], capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    lines = (done.stdout or done.stderr.strip().rpartition("\n")[2]).strip().splitlines()
    return lines[0].partition(" (Triggered internally")[0] + "\n"


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("snippet", list(SNIPPET.finditer(text())), ids=lambda found: found["code"].splitlines()[-1])
def test_pytorch_says_what_is_quoted(snippet: re.Match[str]) -> None:
    assert said(snippet["code"]) == snippet["output"]


def test_every_snippet_has_a_command_beside_it() -> None:
    sections = re.split(r"^## ", text(), flags=re.MULTILINE)[1:]
    assert len(SNIPPET.findall(text())) == text().count("<!-- PyTorch says -->") >= 7
    assert all("<!-- output of: gradcli " in section for section in sections)


if __name__ == "__main__":
    PAGE.write_text(SNIPPET.sub(lambda found: found["head"] + said(found["code"]) + found["tail"], text()), "utf-8")
