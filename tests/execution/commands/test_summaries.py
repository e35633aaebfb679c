"""Large tensors of every command's report are left out alike, and the JSON is as the schema says."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from gradcli.engine import evaluate_program
from gradcli.report.schema import report_schema
from gradcli.settings import Settings

VALUES = {"x": [0.5, 1.25, -2.0]}
GIVEN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("eval", {"hooks": True}),
    ("grad", {"wrt": ("x",)}),
    ("check", {"claims": {"x": "2*x"}}),
    ("accumulate", {"times": 2}),
    ("double-backward", {"times": 2}),
    ("jvp", {"tangents": {"x": [1, 0, 2]}}),
    ("jacobian", {}),
    ("hessian", {}),
    ("trace", {}),
    ("graph", {}),
)


@pytest.mark.parametrize(("command", "changes"), GIVEN, ids=[command for command, _ in GIVEN])
def test_no_list_is_longer_than_asked(command: Any, changes: dict[str, Any]) -> None:
    settings = Settings(command, values=VALUES, max_entries=2, **changes)
    data = evaluate_program("(x*x).sum()", settings).to_dict()
    jsonschema.validate(json.loads(json.dumps(data, allow_nan=False)), report_schema())
    assert "norm" in json.dumps(data)
    assert not [numbers for numbers in _lists(data) if len(numbers) > 2 and isinstance(numbers[0], float)]


def _lists(value: Any) -> list[list[Any]]:
    if isinstance(value, dict):
        return [found for item in value.values() for found in _lists(item)]
    return [value, *(found for item in value for found in _lists(item))] if isinstance(value, list) and value else []
