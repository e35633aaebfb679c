"""The page is one file that loads nothing, says everything without its script, and holds no markup of a name's."""

from __future__ import annotations

from collections.abc import Callable

from lxml import html

from gradcli.escaping import escape
from gradcli.render.formats import PICTURES
from gradcli.render.graph.html import SCRIPT, STYLE
from gradcli.render.style import Style
from gradcli.report.report import Report

ROWS = [("w", ()), ("v", ()), ("out", ("w", "v"))]


def page(report: Report) -> tuple[str, html.HtmlElement]:
    text = PICTURES["html"].render(report, Style())
    assert text.isascii()
    return text, html.document_fromstring(text)


def test_it_needs_no_network(make_graph: Callable[..., Report]) -> None:
    text, root = page(make_graph(ROWS))
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    assert not root.xpath("//@src | //@href | //link | //img | //iframe | //object")
    (policy,) = root.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'")
    assert [script.text for script in root.xpath("//script")] == [SCRIPT]
    assert [style.text for style in root.xpath("//head/style")] == [STYLE]
    assert "prefers-color-scheme: dark" in STYLE


def test_a_table_says_what_the_picture_says(make_graph: Callable[..., Report]) -> None:
    _, root = page(make_graph(ROWS))
    rows = [[cell.text_content() for cell in row] for row in root.xpath("//tbody/tr")]
    assert rows == [[name, "scalar", "1", "1", "1", "\N{CHECK MARK} match"] for name, _ in ROWS]
    assert len(root.xpath("//*[local-name()='svg']")) == 1
    assert root.get_element_by_id("details").get("hidden") is not None  # shown by the script alone


def test_hostile_names_stay_text(hostile: tuple[str, Report]) -> None:
    name, report = hostile
    _, root = page(report)
    assert [script.text for script in root.xpath("//script")] == [SCRIPT]
    assert not root.xpath("//img | //@onerror | //@onload")
    assert len(root.xpath("//body")) == len(root.xpath("//*[local-name()='svg']")) == 1
    said = " ".join(escape(" ".join(name.split())).split())
    assert said in " ".join(cell.text_content() for cell in root.xpath("//td"))
    assert said in " ".join("".join(text.itertext()) for text in root.xpath("//*[local-name()='title']"))
