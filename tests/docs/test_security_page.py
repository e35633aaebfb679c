"""What docs/security.md promises is what the code has: its limits, its tests, and the environment that it looks at."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from documented import ROOT

from gradcli.derivation.client import DEFAULT_MEMORY
from gradcli.derivation.store import MOST_BYTES, MOST_BYTES_OF_PART, PARTS
from gradcli.inputs import parse_size
from gradcli.language.limits import LONGEST_NUMBER
from gradcli.limits import Limits
from gradcli.settings import Settings
from gradcli.suite.source import LARGEST

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (?P<limit>.*) \| (?P<default>.*) \| (?P<option>`--[\w-]+`|none) \| (?P<tests>.*) \|$", re.MULTILINE
)
ROWS = [row.groupdict() for row in ROW.finditer(PAGE)]
SAMPLES, _ = get_args(get_type_hints(Settings, include_extras=True)["samples"])
WITHOUT = {
    "points of a plot along each number, `--samples`": get_args(SAMPLES)[1].high,
    "bytes of a kept answer": MOST_BYTES,
    "bytes of all kept answers": MOST_BYTES_OF_PART * len(PARTS),
    "characters of a number in a program": LONGEST_NUMBER,
    "bytes of a suite": LARGEST,
    "address space of the sympy process": DEFAULT_MEMORY,
}
# What rich, matplotlib and Python's `shutil` ask for gradcli.
OF_OTHERS = {"COLUMNS", "MPLCONFIGDIR", "PYTHONPATH"}


def number(text: str) -> float:
    return parse_size("", text) if text.endswith("iB") else float(text.replace(",", ""))


def test_every_limit_has_its_row_with_its_default() -> None:
    options: dict[str, Any] = {f"`--max-{name.name.replace('_', '-')}`": name.default for name in fields(Limits)}
    options["`--timeout`"] = Settings().timeout
    shown = {row["option"]: number(row["default"]) for row in ROWS if row["option"] != "none"}
    assert shown == options
    assert {row["limit"]: number(row["default"]) for row in ROWS if row["option"] == "none"} == WITHOUT


@pytest.mark.parametrize("file", sorted({*re.findall(r"`(tests/[\w/.]+)`", PAGE)}))
def test_a_test_that_is_named_exists(file: str) -> None:
    assert (ROOT / file).is_file()


def test_every_environment_variable_is_named() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(ROOT / "gradcli").rglob("*.py")]
    looked_at = {name for text in sources for name in re.findall(r"environ\.get\(\"(\w+)\"", text)}
    looked_at |= {name for text in sources for name in re.findall(r"summary=\(\"(\w+)\"", text)}
    assert len(looked_at) > 5
    assert {*re.findall(r"`([A-Z][A-Z_]+)`", PAGE)} == looked_at | OF_OTHERS
