"""The report as strict JSON, for programs to read."""

from __future__ import annotations

import json

from gradcli.render.style import Style
from gradcli.report import Report


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the report as JSON with one field, and one tensor, a line."""
    fields = []
    for name, value in report.to_dict().items():
        text = _dumps(value)
        if name == "tensors" and value:
            text = "[\n" + ",\n".join("  " + _dumps(tensor) for tensor in value) + "\n ]"
        fields.append(f" {_dumps(name)}: {text}")
    return "{\n" + ",\n".join(fields) + "\n}\n"


def render_line(report: Report, style: Style) -> str:  # noqa: ARG001
    """Return the report as JSON on one line."""
    return _dumps(report.to_dict()) + "\n"


def _dumps(value: object) -> str:
    # ASCII alone: no character of a program can then steer a terminal or fail to be encoded.
    return json.dumps(value, allow_nan=False, ensure_ascii=True)
