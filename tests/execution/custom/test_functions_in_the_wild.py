"""Functions in the styles of public repositories, right and wrong: the verdict of each, and the cause."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import gradcli
from gradcli.report.custom import CustomDetails

sys.path.insert(0, str(Path(__file__).parent / "functions_in_the_wild"))
from verdicts import CASES, Case

FOLDER = Path(__file__).parent / "functions_in_the_wild"


def said(report: gradcli.Report) -> str:
    assert isinstance(report.details, CustomDetails)
    return "\n".join(item.note for item in (*report.tensors, *(report.details.checks or ())) if item.note)


IDS = [f"{number}-{case.target.partition(':')[2]}" for number, case in enumerate(CASES)]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_function_gets_the_verdict_that_it_should(case: Case) -> None:
    module, _, name = case.target.partition(":")
    report = gradcli.check_function(f"{FOLDER / module}.py:{name}", **case.options)
    assert report.verdict == case.verdict, said(report)
    assert re.search(case.says, said(report), re.DOTALL), said(report)


def test_every_function_of_the_folder_is_in_the_table() -> None:
    listed = {case.target for case in CASES}
    for file in FOLDER.glob("*.py"):
        for name in re.findall(r"^class (\w+)\((?!object)", file.read_text(), re.MULTILINE):
            assert f"{file.stem}:{name}" in listed
