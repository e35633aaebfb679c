import json

import jsonschema
import pytest
import torch

from gradcli.report.comparison import Comparison, Symbolic
from gradcli.report.notes import NoteKind, noted
from gradcli.report.records import jsonable
from gradcli.report.report import Output, Report, TensorReport
from gradcli.report.schema import report_schema
from gradcli.report.verdict import Verdict


def report_with(value: torch.Tensor, symbolic: Symbolic | None, verdict: Verdict | None) -> Report:
    tensor = TensorReport(
        "w",
        "leaf",
        tuple(value.shape),
        True,
        None,
        value,
        None,
        value,
        symbolic,
        verdict,
        notes=noted(NoteKind.CAUSE, "a note"),
    )
    output = Output("z", (), torch.tensor(1.0))
    return Report("0.1.0", "2.13.0", "eval", "w", "float64", "cpu", 0, output, (tensor,), verdict)


REPORTS = [
    report_with(
        torch.ones(2, 2),
        Symbolic("1", None, torch.ones(2, 2), Comparison(Verdict.MATCH, 0.0, 0.0, (0, 0))),
        Verdict.MATCH,
    ),
    report_with(
        torch.tensor(float("nan")), Symbolic(None, None, None, Comparison(Verdict.UNDEFINED)), Verdict.UNDEFINED
    ),
    report_with(torch.tensor([1 + 2j, complex("inf")]), None, Verdict.UNVERIFIED),
    report_with(torch.tensor([True, False]), None, Verdict.UNVERIFIED),
    report_with(torch.ones(0, 3), None, Verdict.UNVERIFIED),
]


@pytest.mark.parametrize("report", REPORTS)
def test_reports_are_valid(report: Report) -> None:
    jsonschema.validate(json.loads(json.dumps(report.to_dict(), allow_nan=False)), report_schema())


@pytest.mark.parametrize(
    ("path", "value"),
    [(("verdict",), "good"), (("schema",), "other/1"), (("output", "value"), "1.0"), (("tensors", 0, "name"), None)],
)
def test_what_is_no_report_is_refused(path: tuple[str | int, ...], value: object) -> None:
    data = jsonable(REPORTS[0].to_dict())
    target = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, report_schema())


def test_the_schema_itself_is_valid_and_an_object() -> None:
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    assert set(schema["required"]) == set(REPORTS[0].to_dict())
