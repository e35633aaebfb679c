"""Colour of text that is laid out already: it stands where it should, and no character changes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gradcli.engine import derive_program, prove_program
from gradcli.render import audit, derivation, proof
from gradcli.render.coloured import BAD, GOOD, OPEN, coloured
from gradcli.render.style import Style
from gradcli.report.audit import AT_POINTS, AuditedOp, AuditReport
from gradcli.report.derivation import Derivation
from gradcli.report.proof import REFUTED
from gradcli.settings import Settings

PLAIN, COLOUR = Style(80), Style(80, colour=True)
ANSI = re.compile(r"\x1b\[[\d;]*m")
GREEN, YELLOW, RED, CYAN, BOLD = "\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[36m", "\x1b[1m"


def derived(program: str, **options: Any) -> Derivation:
    return derive_program(program, Settings(command="derive", **options))


def audited(*ops: AuditedOp) -> AuditReport:
    return AuditReport("0.1.0", "2.13.0", "cpu", ops)


REPORTS: dict[str, tuple[Any, Any, list[str]]] = {
    "derivation": (
        derivation,
        lambda: derived("softmax(x @ w, dim=-1)", shapes={"x": (2, 3), "w": (3, 4)}),
        [f"{BOLD}softmax(x @ w, dim=-1)\x1b[0m  with", f"{CYAN}  where t = ", f"{GREEN}checked: equal"],
    ),
    "not checked": (derivation, lambda: derived("sin(x)", verify=False), [f"{YELLOW}not checked"]),
    "proof": (
        proof,
        lambda: prove_program("sin(x)", Settings(command="prove")),
        [f"{GREEN}by x: proved", f"\n{GREEN}proved", f"{BOLD}sin(x)"],
    ),
    "audit": (
        audit,
        lambda: audited(AuditedOp("sin", AT_POINTS), AuditedOp("cos", REFUTED, reason="a point")),
        [f"sin  {GREEN}{AT_POINTS}", f"cos  {RED}{REFUTED}", f"1 {RED}{REFUTED}"],
    ),
}


@pytest.mark.parametrize("name", REPORTS)
def test_colour_shows_what_counts_and_changes_no_character(name: str) -> None:
    module, made, parts = REPORTS[name]
    report = made()
    shown = module.text(report, COLOUR)
    assert ANSI.sub("", shown) == module.text(report, PLAIN)
    for part in parts:
        assert part in shown
    formats = next(value for key, value in vars(module).items() if key.endswith("_FORMATS"))
    assert formats["plain"](report, COLOUR) == module.text(report, PLAIN) == formats["table"](report, PLAIN)


def test_code_to_paste_has_no_colour() -> None:
    report = derived("sin(x)", to="torch")
    assert derivation.text(report, COLOUR) == derivation.text(report, PLAIN)


def test_the_later_of_two_patterns_counts_and_a_verdict_looks_as_it_is() -> None:
    looks = {r"(?m)^proved": GOOD, r"(?m)^proved except": OPEN, r"wrong": BAD}
    assert coloured("proved: a\nwrong\n", COLOUR, looks) == f"{GREEN}proved\x1b[0m: a\n{RED}wrong\x1b[0m\n"
    assert f"{YELLOW} except" in coloured("proved except: b\n", COLOUR, looks)
    assert coloured("proved\n", PLAIN, looks) == "proved\n"
