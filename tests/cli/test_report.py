"""`gradcli report` on the command line: a page of a program, of code, of a suite and of a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
from lxml import html

from gradcli.cli.app import main
from gradcli.report.schema import report_schema

if TYPE_CHECKING:
    import pytest

CODE = """
import torch

def loss(x):
    print("it runs")
    return torch.tanh(x).sum()

def bent(x):
    return torch.relu(x).sum()
"""
SCRIPT = """
import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
for _ in range(3):
    (w * w).sum().backward()
"""
SUITE = (
    '[[check]]\nname = "right"\nprogram = "x**2"\n[[check]]\nname = "wrong"\nprogram = "x**2"\nclaims = { x = "x" }\n'
)


def written(arguments: list[str], file: Path) -> tuple[int, html.HtmlElement]:
    code = main(["report", *arguments, "-o", str(file)])
    return code, html.document_fromstring(file.read_text(encoding="ascii"))


def test_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, root = written(["x=w1+w2; y=w2*w3; x+y"], tmp_path / "page.html")
    assert code == 0
    assert capsys.readouterr() == ("", "")
    assert [*root.xpath("//tbody/tr/th/text()")] == ["w1", "w2", "w3", "x", "y", "x+y"]
    assert root.xpath("//pre[@class='command']/text()") == ["gradcli report 'x=w1+w2; y=w2*w3; x+y'"]


def test_the_page_goes_to_standard_output_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "x*x"]) == 0
    assert capsys.readouterr().out.startswith("<!DOCTYPE html>")


def test_data_and_text_have_the_graphs_and_the_chain_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "x*y", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    jsonschema.validate(data, report_schema())
    assert [step["op"] for step in data["trace"]] == ["mul"]
    assert [node["grad_fn"] for node in data["graph"]["backward"]] == [
        "MulBackward0",
        "AccumulateGrad",
        "AccumulateGrad",
    ]
    for form in ("table", "plain", "markdown"):
        assert main(["report", "x*y", "--format", form]) == 0
        text = capsys.readouterr().out
        assert "AccumulateGrad" in text
        assert "The chain rule" in text


def test_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "model.py"
    file.write_text(CODE, encoding="utf-8")
    code, root = written([f"{file}:loss", "--shape", "x=3"], tmp_path / "page.html")
    assert code == 0
    assert "it runs" in capsys.readouterr().err
    assert root.xpath("//li[@class='step']")
    assert root.xpath("//*[contains(@class, 'heat')]")


def test_a_suite(tmp_path: Path) -> None:
    file = tmp_path / "suite.toml"
    file.write_text(SUITE, encoding="utf-8")
    code, root = written([str(file)], tmp_path / "page.html")
    assert code == 1
    assert root.xpath("//details/@data-verdict") == ["mismatch", "match"]
    (command,) = root.xpath("//pre[@class='command']/text()")
    assert command == f"gradcli check {file} --only wrong"


def test_a_script(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(SCRIPT, encoding="utf-8")
    code, root = written([str(file), "--backward", "1,3"], tmp_path / "page.html")
    assert code == 0
    assert len(root.xpath("//details")) == 2


def test_what_a_script_cannot_be_given_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "train.py"
    file.write_text(SCRIPT, encoding="utf-8")
    assert main(["report", str(file), "--value", "w=1"]) == 2
    assert "a script has its own values" in capsys.readouterr().err


def test_other_commands_write_pages_too(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    assert main(["check", "sum(x**2)", "--shape", "3", "--claim", "x=4*x", "--format", "html", "-o", str(file)]) == 1
    root = html.document_fromstring(file.read_text(encoding="ascii"))
    assert "the claim is the right one times" in root.text_content()
    assert not root.xpath("//*[@class='gradcli']")
