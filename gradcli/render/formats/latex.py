"""The formulas of the gradients as LaTeX, an `align*` a check; what was found out is said in comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gradcli.escaping import escape, latex_name
from gradcli.render.style import Style
from gradcli.render.suite_view import sentence, summary, title
from gradcli.report.comparison import is_telling
from gradcli.report.suite import SuiteReport

FIRST, SECOND, MIXED = (
    r"\frac{{\partial f}}{{\partial {0}}}",
    r"\frac{{\partial^2 f}}{{\partial {0}^2}}",
    r"\frac{{\partial^2 f}}{{\partial {0} \partial {1}}}",
)
# What stands in front of the formula of one entry.
ENTRY = re.compile(r"\\left\[(.*?)\\right\]: ")


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the formulas of several checks, the failures first."""
    others = [check for check in suite.checks if check not in suite.failures]
    lines = [f"% {summary(suite)}", *(f"% {sentence(check)}" for check in suite.failures)]
    for check in (*suite.failures, *others):
        lines += ["", f"% {title(check)}: {check.outcome}", *_formulas(check.data or {})]
    return "\n".join(lines) + "\n"


def _formulas(data: Mapping[str, Any]) -> list[str]:
    rows = [f"  {head} &= {body}" for head, body in (*_firsts(data), *_seconds(data))]
    return [r"\begin{align*}", " \\\\\n".join(rows), r"\end{align*}"] if rows else ["% no formulas"]


def _firsts(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for tensor in data.get("tensors", ()):
        symbolic = tensor.get("symbolic") or {}
        if symbolic.get("latex") and is_telling(symbolic["formula"]):
            head = FIRST.format(_name(tensor["name"]))
            entry = ENTRY.match(symbolic["latex"])
            place = f"_{{{entry[1]}}}" if entry else ""
            yield rf"\left({head}\right){place}" if place else head, ENTRY.sub("", symbolic["latex"])


def _seconds(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the blocks of a Hessian, and what `double-backward` differentiates twice."""
    for row, columns in (data.get("latex") or {}).items():
        for column, text in columns.items():
            yield SECOND.format(_name(row)) if row == column else MIXED.format(_name(row), _name(column)), text
    second = ((data.get("lifecycle") or {}).get("with_create_graph") or {}).get("second") or {}
    for name, found in second.items():
        if found.get("latex"):
            yield rf"\sum {SECOND.format(_name(name))}", found["latex"]


def _name(name: str) -> str:
    return latex_name(escape(name))
