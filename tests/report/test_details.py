"""What only one command reports is part of the report's JSON, and of its schema."""

import dataclasses
import json

import jsonschema
import torch

from gradcli.report.accumulate import AccumulateDetails, Accumulation, BackwardCall, LeafCall
from gradcli.report.check import CheckDetails, Point
from gradcli.report.report import Details, Output, Report
from gradcli.report.schema import report_schema
from gradcli.report.verdict import Verdict

ONE, TWO = torch.tensor(1.0), torch.tensor(2.0)
CALLS = tuple(BackwardCall(output, (LeafCall("output", ONE, None, ONE, output, None, None),)) for output in (ONE, TWO))


def report_with(details: Details | None) -> Report:
    output = Output("z", (), ONE)
    return Report("0.1.0", "2.13.0", "check", "w", "float64", "cpu", 0, output, (), Verdict.MATCH, details)


def test_fields_of_the_details_stand_beside_those_of_all_reports() -> None:
    plain = report_with(None).to_dict()
    data = report_with(CheckDetails((Point(7, Verdict.MATCH),))).to_dict()
    assert list(data) == [*list(plain)[:-1], "points", "verdict"]
    assert data["points"] == [{"seed": 7, "verdict": "match"}]
    assert report_with(CheckDetails()).to_dict() == plain


def test_the_calls_of_accumulate_are_written_twice_and_stored_once() -> None:
    details = AccumulateDetails(Accumulation(None, 0.5, CALLS), "output (2)")
    assert [field.name for field in dataclasses.fields(details)] == ["accumulation", "output_key"]
    data = report_with(details).to_dict()
    assert list(data)[-3:] == ["calls", "accumulation", "verdict"]
    assert data["calls"] == [{"output": 1.0, "output (2)": 1.0}, {"output": 2.0, "output (2)": 2.0}]
    assert [call["output"] for call in data["accumulation"]["calls"]] == [1.0, 2.0]
    jsonschema.validate(json.loads(json.dumps(data, allow_nan=False)), report_schema())


def test_the_schema_has_the_fields_of_every_command() -> None:
    schema = report_schema()
    assert "details" not in schema["properties"]
    assert {
        "points",
        "calls",
        "accumulation",
        "jvp",
        "hessian",
        "lifecycle",
        "trace",
        "graph",
        "checks",
        "node",
        "vjp",
    } < set(schema["properties"])
    assert schema["properties"]["calls"]["anyOf"][0]["items"]["type"] == "object"
    assert "output_key" not in json.dumps(schema)
