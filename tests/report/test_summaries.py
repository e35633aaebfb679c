"""Tensors of more entries than `--max-entries`: the JSON has what they are like in place of their entries."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import torch

from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.report.check import CheckDetails
from gradcli.report.comparison import Comparison, Symbolic
from gradcli.report.records import Summary, jsonable
from gradcli.report.report import Extent, Output, Report, TensorReport
from gradcli.report.schema import report_schema
from gradcli.report.verdict import Verdict

VALUE = torch.tensor([[3.0, -4.0], [0.0, 0.0]])
SUMMARY = {"shape": [2, 2], "norm": 5.0, "min": -4.0, "max": 3.0, "mean": -0.25}


def report_of(value: torch.Tensor, most: int | None, **changes: Any) -> Report:
    symbolic = Symbolic("w", None, value, Comparison(Verdict.MATCH, 0.0, 0.0, (0, 0)))
    shape = tuple(value.shape)
    tensor = TensorReport("w", "leaf", shape, True, None, value, None, value, symbolic, Verdict.MATCH)
    report = Report("0", "2", "check", "w", "float64", "cpu", 0, Output("w", shape, value), (tensor,), Verdict.MATCH)
    return replace(report, extent=Extent(most), **changes)


def test_what_is_left_out_is_null_and_summarised_in_the_same_object() -> None:
    data = report_of(VALUE, 3, details=CheckDetails(grad_output=VALUE)).to_dict()
    (tensor,) = data["tensors"]
    assert tensor["value"] is tensor["gradient"] is tensor["symbolic"]["value"] is data["output"]["value"] is None
    assert tensor["summary"] == {"value": SUMMARY, "gradient": SUMMARY}
    assert tensor["symbolic"]["summary"] == data["output"]["summary"] == {"value": SUMMARY}
    assert (data["grad_output"], data["summary"]) == (None, {"grad_output": SUMMARY})
    assert list(data)[-1] == "verdict"


@pytest.mark.parametrize("most", [None, 4])
def test_within_the_limit_nothing_changes(most: int | None) -> None:
    data = report_of(VALUE, most, details=CheckDetails(grad_output=VALUE)).to_dict()
    assert data["grad_output"] == data["tensors"][0]["value"] == VALUE.tolist()
    assert "summary" not in json.dumps(data)


@pytest.mark.parametrize(
    "value",
    [VALUE, torch.tensor([1.0, math.nan]), torch.tensor([math.inf, 1.0]), torch.tensor([3 + 4j, 0]), torch.arange(3)],
    ids=str,
)
def test_the_json_is_strict_and_as_the_schema_says(value: torch.Tensor) -> None:
    report = report_of(value, 1, details=CheckDetails(grad_output=value))
    data = report.to_dict()
    assert json.loads(FORMATS["json"].render(report, Style())) == data == json.loads(json.dumps(data, allow_nan=False))
    jsonschema.validate(data, report_schema())


def test_a_summary_of_nan_is_nan_and_one_of_complex_numbers_is_of_their_sizes() -> None:
    nan = jsonable(Summary.of(torch.tensor([1.0, math.nan])))
    assert {nan[name] for name in ("norm", "min", "max", "mean")} == {"NaN"}
    found = jsonable(Summary.of(torch.tensor([3 + 4j, 0])))
    assert found == {"shape": [2], "norm": 5.0, "min": 0.0, "max": 5.0, "mean": {"real": 1.5, "imag": 2.0}}


def test_a_tensor_that_is_no_field_of_a_record_has_its_summary_in_its_place() -> None:
    assert jsonable({"w": VALUE, "b": [VALUE]}, 3) == {"w": SUMMARY, "b": [SUMMARY]}


def test_a_summary_that_says_nothing_is_refused_by_the_schema() -> None:
    data = report_of(VALUE, 1).to_dict()
    del data["tensors"][0]["summary"]["value"]["norm"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, report_schema())
