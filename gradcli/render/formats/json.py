"""The report as strict JSON, for programs to read."""

from __future__ import annotations

from gradcli.render.style import Style
from gradcli.report.records import dumps, jsonable
from gradcli.report.report import Report
from gradcli.report.suite import SuiteReport


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the report as JSON with one field, and one tensor, a line."""
    fields, most = [], report.extent.max_entries
    for name, value in report.fields():
        if name == "tensors" and value:
            # One tensor at a time: as lists of numbers they take ten times their memory.
            text = "[\n" + ",\n".join("  " + dumps(jsonable(tensor, most)) for tensor in value) + "\n ]"
        else:
            text = dumps(jsonable(value, most))
        fields.append(f" {dumps(name)}: {text}")
    return "{\n" + ",\n".join(fields) + "\n}\n"


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001
    """Return all reports as one JSON object, a check a line."""
    checks = ",\n".join(f"  {check.to_json()}" for check in suite.checks)
    head, foot = (
        [f' "{name}": {dumps(value)}' for name, value in part.items()] for part in (suite.head(), suite.foot())
    )
    return "{\n" + ",\n".join([*head, f' "checks": [\n{checks}\n ]', *foot]) + "\n}\n"
