"""The report as strict JSON, for programs to read."""

from __future__ import annotations

import json

from gradcli.render.style import Style
from gradcli.report.records import jsonable
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
    data = suite.to_dict()
    checks = ",\n".join(f"  {dumps(check)}" for check in data.pop("checks"))
    fields = [f' "{name}": {dumps(value)}' for name, value in data.items()]
    fields.insert(2, f' "checks": [\n{checks}\n ]')
    return "{\n" + ",\n".join(fields) + "\n}\n"


def dumps(value: object) -> str:
    """Return JSON data on one line."""
    # ASCII only: no character of a program can then steer a terminal or fail to be encoded.
    return json.dumps(value, allow_nan=False, ensure_ascii=True)
