"""`gradcli audit` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import warm_start

from gradcli.errors import ExitCode
from gradcli.render.audit import AUDIT_FORMATS
from gradcli.render.style import style_for
from gradcli.report.audit import AT_POINTS, AuditedOp, AuditReport
from gradcli.report.proof import PROVED, REFUTED, UNDECIDED
from gradcli.report.schema import audit_schema

ROWS = (
    AuditedOp("sin", PROVED, 2, "torch.sin(x0)", {"x0": ()}, "match", "match", "match", "match", PROVED),
    AuditedOp("a.b", REFUTED, 1, "torch.a.b(x0)", {"x0": (2, 3)}, "mismatch", reason="where |x| is\nlarge"),
    AuditedOp("det", AT_POINTS, reason="no formula"),
)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return warm_start.run("audit", "-j", "1", *arguments, cwd=folder)


def report(*rows: AuditedOp) -> AuditReport:
    return AuditReport("0.1.0", "2.13.0", "cpu", rows)


def test_an_audit_goes_on_where_its_file_ends(tmp_path: Path) -> None:
    first = run(tmp_path, "--op", "tan", "--resume", "rows", "--json")
    data = json.loads(first.stdout)
    jsonschema.validate(data, audit_schema())
    assert (first.returncode, data["counts"], data["ops"][0]["name"]) == (0, {"proved": 1}, "tan")
    (line,) = (tmp_path / "rows").read_text(encoding="utf-8").splitlines()
    kept = json.loads(line)
    kept["row"] |= {"verdict": REFUTED, "reason": "planted"}
    other = {**kept, "of": {**kept["of"], "torch": "0.1"}, "row": {**kept["row"], "name": "sin"}}
    (tmp_path / "rows").write_text(f"{json.dumps(kept)}\n{json.dumps(other)}\n", encoding="utf-8")
    again = run(tmp_path, "--op", "sin", "--op", "tan", "--resume", "rows", "--format", "markdown", "-o", "audit.md")
    assert (again.returncode, again.stdout) == (ExitCode.MISMATCH, "")
    text = (tmp_path / "audit.md").read_text(encoding="utf-8")
    assert "| proved | 1 |" in text  # sin's, which was of another version's
    assert "| `tan` | refuted |" in text
    assert len((tmp_path / "rows").read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--op", "sine"), "PyTorch's tests differentiate no op 'sine'"),
        (("--op", "sin", "--resume", "rows"), "'rows' does not hold the rows of an audit"),
        (("--op", "sin", "-j", "0"), "'0' is not a number from 1"),
    ],
    ids=["op", "file", "jobs"],
)
def test_what_cannot_be_audited_is_refused(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "rows").write_text("[]\n", encoding="utf-8")
    done = run(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert message in done.stderr


def test_without_the_package_that_its_samples_need_an_audit_says_so(tmp_path: Path) -> None:
    (tmp_path / "expecttest.py").write_text("raise ImportError('no expecttest')\n", encoding="utf-8")
    program = "import sys\nfrom gradcli.cli.app import main\nsys.exit(main(['audit', '--op', 'sin', '-j', '1']))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "PyTorch's own samples cannot be loaded: no expecttest" in done.stderr
    assert "pip install 'gradcli[audit]'" in done.stderr


@pytest.mark.parametrize("name", AUDIT_FORMATS)
def test_every_format_names_each_op_with_its_verdict_and_why(name: str) -> None:
    text = AUDIT_FORMATS[name](report(*ROWS), style_for(None, "never"))
    for row in ROWS:
        assert row.name in text
        assert row.verdict in text
        assert (row.reason or "").partition("\n")[0] in text.replace("\\|", "|")


def test_the_page_counts_the_verdicts_and_every_row_has_its_cells() -> None:
    lines = AUDIT_FORMATS["markdown"](report(*ROWS), style_for(None, "never")).splitlines()
    assert [line for line in lines if line.startswith(("| proved |", "| refuted |", "| verified"))] == [
        f"| {row.verdict} | 1 | {meaning} |"
        for row, meaning in zip((ROWS[0], ROWS[2], ROWS[1]), _meanings(), strict=True)
    ]
    table = [line for line in lines if line.startswith("| `")]
    assert [line.count(" | ") for line in table] == [7, 7, 7]
    assert table[1].endswith("| where \\|x\\| is large |")


def _meanings() -> list[str]:
    from gradcli.report.audit import VERDICTS

    return [VERDICTS[verdict] for verdict in (PROVED, AT_POINTS, REFUTED)]


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [((PROVED, AT_POINTS), 0), ((PROVED, UNDECIDED), 3), ((UNDECIDED, REFUTED, PROVED), 1), ((), 0)],
)
def test_the_worst_verdict_gives_the_exit_code(verdicts: tuple[str, ...], code: int) -> None:
    assert report(*(AuditedOp("x", verdict) for verdict in verdicts)).exit_code == code
