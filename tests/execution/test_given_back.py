"""An op may hand back a tensor that it was given, alone or among others: then it has one name and one gradient."""

from __future__ import annotations

import pytest

from gradcli.engine import evaluate_program
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

PROGRAMS = [
    "atleast_1d(a, y)[0].sum() + y.sum()",
    "p, q = atleast_1d(a, y); (p*q + sin(y)).sum()",
    "p, q = atleast_2d([a, y*y]); (p + q*q).sum()",
    "y.contiguous().real.sum() + a",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_given_back_has_one_name_and_one_gradient(program: str) -> None:
    report = evaluate_program(program, Settings(values={"a": 2.0, "y": [2.0, 3.0]}))
    assert report.verdict is Verdict.MATCH, [(tensor.name, tensor.note) for tensor in report.tensors]
    assert [tensor.name for tensor in report.tensors].count("y") == 1
    assert not any(tensor.name.endswith("[1]") and "y*y" not in tensor.name for tensor in report.tensors)
