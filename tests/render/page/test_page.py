"""The page is one file that loads nothing, says everything without its script, and holds no markup of a name's."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from lxml import html

from gradcli.engine import evaluate_program
from gradcli.escaping import escape
from gradcli.render.formats import FORMATS
from gradcli.render.formats.html import FOLDER
from gradcli.render.style import Style
from gradcli.report.graph import GraphDetails
from gradcli.report.page import PageDetails
from gradcli.report.report import Report
from gradcli.report.suite import CheckReport, SuiteReport, check_report
from gradcli.report.trace import Contribution, TraceStep, Upstream
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

TEXTBOOK = "x=w1+w2; y=w2*w3; x+y"
ONE = torch.tensor(1.0, dtype=torch.float64)


@cache
def evaluated(program: str) -> Report:
    return with_settings(program)


def with_settings(program: str, **settings: Any) -> Report:
    return evaluate_program(program, Settings(command="report", **settings))


def page(report: Report) -> tuple[str, html.HtmlElement]:
    text = FORMATS["html"].render(report, Style())
    assert text.isascii()
    return text, html.document_fromstring(text)


def page_of_suite(suite: SuiteReport) -> tuple[str, html.HtmlElement]:
    text = FORMATS["html"].render_suite(suite, Style())
    assert text.isascii()
    return text, html.document_fromstring(text)


def test_the_textbook_page_needs_no_network_and_is_small() -> None:
    text, root = page(evaluated(TEXTBOOK))
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    assert len(text) < 300_000
    assert not root.xpath("//@src | //@href | //link | //img | //iframe | //object")
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
    assert not re.search(r"@import|url\((?!#)", text)
    (policy,) = root.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'")


def test_ids_are_unique_and_all_that_refers_to_one_finds_it() -> None:
    _, root = page(evaluated(TEXTBOOK))
    ids = root.xpath("//@id")
    assert len(ids) == len({*ids})
    assert {*root.xpath("//@aria-labelledby")} <= {*ids}
    assert {f"list-{what}" for what in ("tensors",)} == {*root.xpath("//form/@data-list")} <= {*ids}
    asked = re.findall(r'getElementById\("(\w+)"\)', (FOLDER / "script.js").read_text(encoding="ascii"))
    assert {*asked} <= {*ids}


def test_it_reads_without_its_script() -> None:
    _, root = page(evaluated(TEXTBOOK))
    for hidden in root.xpath("//*[@hidden]"):  # what only the script makes work
        assert hidden.get("class") in {"filters", "stepper"} or hidden.get("id") == "details"
    rows = [[cell.text_content() for cell in row] for row in root.xpath("//table//tbody/tr")]
    assert rows[1] == ["w2", "scalar", "3", "6", "w3+1", "\N{CHECK MARK} match"]
    assert root.xpath("//td/*[local-name()='math']/@alttext")[1] == "w3 + 1"


def test_the_backward_pass_is_written_out_with_the_sum_over_children() -> None:
    _, root = page(evaluated(TEXTBOOK))
    steps = [[part.text_content() for part in step] for step in root.xpath("//li[@class='step']")]
    assert [step[0].partition(" (")[0] for step in steps] == [
        "From x+y = x+y",
        "From x+y = x+y",
        "From y = w2*w3",
        "From y = w2*w3",
        "From x = w1+w2",
        "From x = w1+w2",
    ]
    assert steps[2][1:] == ["grad(y)*w3 = 1 \N{MULTIPLICATION SIGN} 5 = 5", "grad(w2) = 5"]
    assert steps[-1][1:] == ["grad(x) = 1 \N{MULTIPLICATION SIGN} 1 = 1", "grad(w2) = 5 + 1 = 6"]
    boxes = {*root.xpath("//@data-key")}
    assert {*root.xpath("//li/@data-tail"), *root.xpath("//li/@data-head")} <= boxes


def test_a_box_has_value_gradient_formula_and_rule() -> None:
    _, root = page(evaluated(TEXTBOOK))
    titles = [title.text_content() for title in root.xpath("//*[local-name()='g']/*[local-name()='title']")]
    (own,) = [title for title in titles if title.startswith("tensor: w2\n")]
    for words in ("value: 3", "gradient: 6", "formula: w3 + 1", "grad(y)*w3 = 1 \N{MULTIPLICATION SIGN} 5 = 5, from y"):
        assert words in own
    assert "grad(w2) = 5 + 1 = 6" in own


def test_tensors_have_maps() -> None:
    _, root = page(with_settings("sum(X @ w)", shapes={"X": (3, 2), "w": (2,)}, init="randn"))
    maps = root.xpath("//*[local-name()='svg'][contains(@class, 'heat')]")
    assert [len(one) for one in maps] == [6, 6, 6, 2, 2, 2]
    assert {one.get("aria-label").partition(":")[0] for one in maps} == {
        f"{what} of {name}" for what in ("value", "gradient", "error") for name in ("X", "w")
    }


def test_notes_say_the_remedy_and_the_command_is_there() -> None:
    report = with_settings("sqrt(x*x)", values={"x": 0.0})
    _, root = page(replace(report, reproduce="gradcli report 'sqrt(x*x)' --value x=0.0"))
    notes = root.xpath("//section[@aria-labelledby='notes']")[0].text_content()
    assert "to fix it" in notes
    assert root.xpath("//pre[@class='command']/text()") == ["gradcli report 'sqrt(x*x)' --value x=0.0"]


def test_the_script_is_javascript() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    done = subprocess.run([node, "--check", str(FOLDER / "script.js")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_suite_has_what_fails_first_and_open() -> None:
    checks = [check_report(evaluate_program(p, Settings(command="check", **s)), n) for n, p, s in SUITE]
    text, root = page_of_suite(SuiteReport(tuple(checks), len(checks)))
    rows = root.xpath("//details")
    assert [row.get("data-verdict") for row in rows] == ["mismatch", "match", "match"]
    assert [row.get("data-ok") for row in rows] == ["no", "yes", "yes"]
    assert [row.get("open") is not None for row in rows] == [True, False, False]
    assert "claim" in rows[0].text_content()
    assert "2*x" in rows[1].text_content() + rows[2].text_content()
    assert root.xpath("//option/@value") == ["", "match", "mismatch"]
    assert "http" not in text.replace("http-equiv", "")


SUITE: list[tuple[str, str, dict[str, Any]]] = [
    ("one", "x**2", {"values": {"x": 2.0}}),
    ("two", "sin(x)", {}),
    ("wrong", "x**3", {"claims": {"x": "x**2"}}),
]


def test_a_thousand_checks_stay_small() -> None:
    report = evaluate_program("a=x*y; b=sin(a)+z; c=exp(b)*x; c+a", Settings(command="check"))
    checks = tuple(check_report(report, f"check {number}") for number in range(1000))
    assert len(page_of_suite(SuiteReport(checks, 1000))[0]) < 10_000_000


def test_an_error_of_a_check_is_told() -> None:
    failed = CheckReport(
        "a check", "sinn(x)", None, evaluated(TEXTBOOK).exit_code.USAGE, reason="no 'sinn'", hint="sin"
    )
    _, root = page_of_suite(SuiteReport((failed,), 1))
    (row,) = root.xpath("//details")
    assert (row.get("data-verdict"), row.get("data-ok")) == ("error", "no")
    assert "no 'sinn'" in row.text_content()


def hostile_report(name: str, make: Callable[..., Report]) -> Report:
    """Return a report with all that a page shows, in which everything is called so that can be."""
    graph = make([(name, (), name), (f"{name} 2", (name,), name)], program=name)
    assert isinstance(graph.details, GraphDetails)
    upstream = Upstream(f"{name} 2", (), name, ONE)
    step = TraceStep(name, name, (upstream,), (Contribution(name, (), name, name, ONE, (), ONE, ONE),))
    return replace(graph, command="report", details=PageDetails(graph.details.graph, (step,)), reproduce=escape(name))


HOSTILE = (
    "<script>alert(1)</script>",
    "</title></style></script></svg><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "{{ 7*7 }} {% raw %} {# #}",
    "a\u202eb\u2066c\u200b\x1b[31m\x00",
    "&lt;b&gt; ]]> -->",
)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_stay_text(name: str, make_graph: Callable[..., Report]) -> None:
    _, root = page(hostile_report(name, make_graph))
    _safe(root)
    assert escape(" ".join(name.split())) in " ".join(root.text_content().split())
    check = CheckReport(
        name, name, Verdict.MISMATCH, evaluated(TEXTBOOK).exit_code.MISMATCH, reason=name, hint=name, file=name, line=1
    )
    _, root = page_of_suite(SuiteReport((check,), 1))
    _safe(root)
    assert escape(" ".join(name.split())) in " ".join(root.text_content().split())


def _safe(root: html.HtmlElement) -> None:
    assert len(root.xpath("//script")) == 1
    assert not root.xpath("//img | //@onerror | //@onmouseover | //@onload")
    assert len(root.xpath("//body")) == len(root.xpath("//main")) == 1
    assert not {"\u202e", "\u2066", "\x1b", "\x00"} & {*html.tostring(root, encoding="unicode")}


@pytest.mark.parametrize("command", ["report", "graph"])
@pytest.mark.parametrize(("formulas", "expected"), [(True, 1), (False, 0)])
def test_a_column_without_a_formula_is_left_out(command: Any, formulas: bool, expected: int) -> None:
    _, root = page(evaluate_program("x*x", Settings(command=command, formulas=formulas)))
    assert len(root.xpath("//th[text()='formula of the gradient']")) == expected
    for table in root.xpath("//table"):
        columns = {len(row.xpath("./td | ./th")) for row in table.xpath(".//tr")}
        assert len(columns) == 1
