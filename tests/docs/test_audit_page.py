"""docs/audit.md counts its own rows, and docs/findings.md explains what it says is refuted."""

from __future__ import annotations

import re
from collections import Counter

from documented import ROOT

from gradcli.report.audit import VERDICTS
from gradcli.report.proof import REFUTED

PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", PAGE, re.MULTILINE)


def test_the_counts_are_those_of_the_rows() -> None:
    counts = re.findall(r"^\| ([a-z ]+) \| (\d+) \|", PAGE, re.MULTILINE)
    found = Counter(verdict for _, verdict in ROWS)
    assert {name: int(count) for name, count in counts} == found
    assert found.keys() <= VERDICTS.keys()
    assert f"{len(ROWS)} ops of PyTorch" in PAGE
    assert len(ROWS) > 400


def test_everything_that_is_refuted_is_among_the_findings() -> None:
    findings = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    refuted = [name.rpartition(".")[2] for name, verdict in ROWS if verdict == REFUTED]
    assert [name for name in refuted if re.sub(r"[123]d$", "", name) not in findings] == []
