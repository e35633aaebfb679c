"""The report as strict JSON, for programs to read."""

from __future__ import annotations

import json

from gradcli.render.style import Style
from gradcli.report.report import Report, jsonable


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the report as JSON with one field, and one tensor, a line."""
    fields = []
    for name, value in report.fields():
        if name == "tensors" and value:
            # One tensor at a time: as lists of numbers they take ten times their memory.
            text = "[\n" + ",\n".join("  " + _dumps(jsonable(tensor)) for tensor in value) + "\n ]"
        else:
            text = _dumps(jsonable(value))
        fields.append(f" {_dumps(name)}: {text}")
    return "{\n" + ",\n".join(fields) + "\n}\n"


def render_line(report: Report, style: Style) -> str:  # noqa: ARG001
    """Return the report as JSON on one line."""
    return _dumps(report.to_dict()) + "\n"


def _dumps(value: object) -> str:
    # ASCII alone: no character of a program can then steer a terminal or fail to be encoded.
    return json.dumps(value, allow_nan=False, ensure_ascii=True)
