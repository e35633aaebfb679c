"""The page in a real browser: nothing is asked of a network, and what is clicked shows what it should.

It takes chromium, such as Debian's, and the packages playwright and axe-playwright-python; without them it is skipped.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gradcli.engine import evaluate_program
from gradcli.render.formats import FORMATS
from gradcli.render.style import Style
from gradcli.report.suite import SuiteReport, check_report
from gradcli.settings import Settings

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of playwright's event loop
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
TEXTBOOK = "x=w1+w2; y=w2*w3; x+y"
SERIOUS = {"serious", "critical"}


@cache
def textbook() -> str:
    return FORMATS["html"].render(evaluate_program(TEXTBOOK, Settings(command="report")), Style())


@cache
def suite(count: int) -> str:
    right = evaluate_program("a=x*y; b=sin(a)+z; exp(b)*x", Settings(command="check"))
    wrong = evaluate_program("x**2", Settings(command="check", claims={"x": "x"}))
    checks = [check_report(wrong if number % 100 == 7 else right, f"check {number}") for number in range(count)]
    return FORMATS["html"].render_suite(SuiteReport(tuple(checks), count), Style())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = ["--no-sandbox"] if os.geteuid() == 0 else []  # which chromium wants of root
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        yield started
        started.close()


class Opened:
    """A page that is open, with what it has said and asked for."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.page = browser.new_context(**options).new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())


def opened(browser: Any, tmp_path: Path, text: str, **options: Any) -> Opened:
    file = tmp_path / "page.html"
    file.write_text(text, encoding="ascii")
    found = Opened(browser, file, **options)
    assert found.asked == [file.as_uri()]
    return found


def test_it_opens_without_an_error_or_a_request(browser: Any, tmp_path: Path) -> None:
    for scheme in ("light", "dark"):
        found = opened(browser, tmp_path, textbook(), color_scheme=scheme)
        assert found.said == []
        assert found.page.locator("main").is_visible()
        background = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]


def test_clicking_a_box_shows_its_gradient_and_its_rule(browser: Any, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, textbook())
    found.page.locator("g[data-key] text", has_text="y = w2*w3").click()
    said = found.page.locator("#details").inner_text()
    assert "gradient: 1" in said
    assert "grad(x+y) = 1 \N{MULTIPLICATION SIGN} 1 = 1, from x+y" in said
    found.page.locator("g[data-key] text", has_text="w2").first.hover()
    assert "grad(w2) = 5 + 1 = 6" in found.page.locator("#details").inner_text()
    assert found.said == []


def test_a_box_can_be_gone_to_with_the_keyboard(browser: Any, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, textbook())
    found.page.locator(".drawing").focus()
    found.page.keyboard.press("Tab")
    assert "tensor: " in found.page.locator("#details").inner_text()
    assert found.page.evaluate("document.activeElement.dataset.key")


def test_the_stepper_walks_through_the_backward_pass(browser: Any, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, textbook())
    steps, position = found.page.locator(".step"), found.page.locator("#position")
    assert [step.is_visible() for step in steps.all()] == [True] * 6
    found.page.click("#first")
    totals = []
    for number in range(1, 7):
        assert position.inner_text() == f"step {number} of 6"
        (shown,) = [step for step in steps.all() if step.is_visible()]
        totals.append(shown.locator(".total").inner_text())
        assert len(found.page.locator("g.near").all()) == 2
        assert len(found.page.locator("path.near").all()) >= 1
        if number < 6:
            found.page.click("#next")
    assert totals[-1] == "grad(w2) = 5 + 1 = 6"
    assert found.page.locator("#next").is_disabled()
    found.page.click("#all")
    assert [step.is_visible() for step in steps.all()] == [True] * 6


def test_the_filter_hides_what_passes(browser: Any, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, suite(20))
    rows = found.page.locator("details.row")

    def shown() -> list[str]:
        return [row.get_attribute("data-verdict") for row in rows.all() if row.is_visible()]

    assert len(shown()) == 20
    found.page.check("input[name=failing]")
    assert shown() == ["mismatch"]
    assert found.page.locator("output").inner_text() == "1 of 20 shown"
    found.page.uncheck("input[name=failing]")
    found.page.select_option("select", "match")
    assert shown() == ["match"] * 19
    found.page.fill("input[type=search]", "check 13")
    assert shown() == ["match"]


def test_without_its_script_all_of_it_is_there(browser: Any, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, textbook(), java_script_enabled=False)
    assert [step.is_visible() for step in found.page.locator(".step").all()] == [True] * 6
    assert not found.page.locator(".filters").is_visible()
    assert found.page.locator("math").first.is_visible()


def test_paper_has_every_step_and_no_controls(browser: Any, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, textbook())
    found.page.click("#first")
    found.page.emulate_media(media="print")
    assert [step.is_visible() for step in found.page.locator(".step").all()] == [True] * 6
    assert not found.page.locator(".filters").is_visible()


@pytest.mark.parametrize("text", [textbook, lambda: suite(20)], ids=["textbook", "suite"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(text: Any, scheme: str, browser: Any, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    found = opened(browser, tmp_path, text(), color_scheme=scheme)
    faults = axe.Axe().run(found.page).response["violations"]
    grave = [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in faults if fault["impact"] in SERIOUS]
    assert grave == []


def test_a_thousand_checks_open_in_two_seconds(browser: Any, tmp_path: Path) -> None:
    text = suite(1000)
    started = time.monotonic()
    found = opened(browser, tmp_path, text)
    seconds = found.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000
    assert found.page.locator("details.row").count() == 1000
    assert seconds < 2, time.monotonic() - started
