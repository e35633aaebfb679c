"""Links in a terminal: to lines of code, and to PyTorch's pages; nowhere else, and none that a name makes."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.text import Text

from gradcli.catalogue import page
from gradcli.ops.table import find
from gradcli.render import audit
from gradcli.render.console import printed
from gradcli.render.op_table.text import PAGE_FORMATS, TABLE_FORMATS
from gradcli.render.style import Style, style_for
from gradcli.report.audit import AT_POINTS, AuditedOp, AuditReport

LINKS = Style(80, colour=True, links=True)
LINK = re.compile(r"\x1b\]8;[^;]*;([^\x1b]+)\x1b\\(.*?)\x1b\]8;;\x1b\\")


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_line_of_code_is_a_link_to_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    text = printed([Text("in models/model.py:14, and /a/b.py:3; suite.toml:7: at 10:30")], LINKS)
    assert LINK.findall(text) == [
        (f"file://{tmp_path}/models/model.py#14", "models/model.py:14"),
        ("file:///a/b.py#3", "/a/b.py:3"),
        (f"file://{tmp_path}/suite.toml#7", "suite.toml:7"),
    ]


def test_without_a_terminal_there_is_no_link() -> None:
    assert "\x1b" not in printed([Text("model.py:14")], Style(80))
    assert "\x1b]8" not in printed([Text("model.py:14")], Style(80, colour=True))


@pytest.mark.parametrize("name", ["a b.py:1", "\u540d.py:2", "x;y.py:3", "a\x07.py:4", "http://evil/x.py:5"])
def test_no_name_makes_a_link_elsewhere(name: str) -> None:
    for url, _ in LINK.findall(printed([Text(name)], LINKS)):
        assert re.fullmatch(r"file:///[A-Za-z0-9_.~%/-]+#\d+", url)


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, False),
        (None, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_links_are_for_terminals(
    stream: io.StringIO | None, environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert style_for(stream).links is expected


def test_an_op_links_to_pytorch_s_page_of_it() -> None:
    op = find("sigmoid")
    assert op is not None
    shown = page(op)
    for text in (PAGE_FORMATS["table"](shown, LINKS), TABLE_FORMATS["table"]([shown], LINKS)):
        assert f"https://docs.pytorch.org/docs/stable/generated/{op.torch}.html" in [
            url for url, _ in LINK.findall(text)
        ]
    plain = TABLE_FORMATS["table"]([shown], Style(80))
    assert "\x1b" not in plain
    assert [line.split()[0] for line in plain.splitlines() if "pointwise  " in line][-1] == "sigmoid"


def test_the_ops_of_an_audit_lead_to_their_pages() -> None:
    rows = (AuditedOp("nn.functional.relu", AT_POINTS), AuditedOp("__rpow__", AT_POINTS))
    shown = audit.text(AuditReport("0.1.0", "2.13.0", "cpu", rows), LINKS)
    urls = [url for url, _ in LINK.findall(shown)]
    assert len(urls) == 1
    assert urls[0] == "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.relu.html"
    coloured = Style(80, colour=True)
    assert LINK.sub(lambda found: found[2], shown) == audit.text(AuditReport("0.1.0", "2.13.0", "cpu", rows), coloured)
