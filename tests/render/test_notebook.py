"""What a notebook shows of a report: a table of HTML, whatever the program is called."""

from __future__ import annotations

from html.parser import HTMLParser

import gradcli
from gradcli.report.report import Report

ALLOWED = {"div", "pre", "p", "small", "br", "b", "code", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}


class Tags(HTMLParser):
    """Keeps the tags and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 (the parser gives it)
        self.seen.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert tags.seen <= ALLOWED
    return tags


def test_a_report_is_a_table_with_its_verdict() -> None:
    report = gradcli.evaluate("where(x < y, x, x*y)", {"x": 3.0, "y": 2.0})
    tags = parsed(report._repr_html_())
    assert "table" in tags.seen
    for word in ("where(x < y, x, x*y)", "match", "agrees"):
        assert word.replace(" ", "") in tags.text.replace(" ", "")


def test_text_of_a_user_s_is_text(make_report: object, make_tensor: object) -> None:
    from gradcli.render.notebook import html

    name = "<script>alert(1)</script>&"
    report: Report = make_report(make_tensor(name, 1.0, 1.0), program=name)  # type: ignore[operator]
    tags = parsed(html(report))
    assert "<script>" in tags.text
