"""`gradcli ops`: the table as text and as data, and the page of one op."""

from __future__ import annotations

import json

import pytest

from gradcli.catalogue import pages
from gradcli.cli.app import main
from gradcli.render.op_table.text import render_list, render_page
from gradcli.render.style import Style


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["ops", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 120])
def test_the_list_fits_its_width(width: int) -> None:
    text = render_list(pages(), Style(width))
    assert max(map(len, text.splitlines())) <= width
    assert all(f"  {page.name} " in text for page in pages())


def test_the_list_in_ascii_is_ascii_where_definitions_are() -> None:
    assert "…" not in render_list([page for page in pages() if page.definition.isascii()], Style(80, unicode=False))


@pytest.mark.parametrize("width", [80, 120])
def test_a_page_fits_its_width_but_for_what_is_copied(width: int) -> None:
    for page in pages():
        lines = render_page(page, Style(width)).splitlines()[1:]
        prose = [line for line in lines if "gradcli check" not in line]
        assert max(map(len, prose)) <= width, page.name


def test_a_page_has_all_parts(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "torch.abs")
    for part in (
        "abs(input)\n",
        "also        absolute",
        "family      pointwise",
        "definition  where(input < 0, -input, input)",
        "kinks       where input == 0",
        "examples    gradcli check 'abs(x)' --shape x=2x3 --grad-output ones",
    ):
        assert part in text
    assert "x: " in text.partition("derivative")[2]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("acos", "x: -1/sqrt(1 - x**2)"),
        ("matmul", "grad_output @ y.T"),
        ("linalg.inv", "by the linear system"),
        ("flip", "x: [p]: grad_output[3 - p]"),
    ],
)
def test_the_derivative_is_derived(name: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert line in run(capsys, name).replace("b.T", "y.T")


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("diagonal", "diagonal(input"),
        ("torch.diagonal", "diagonal(input"),
        ("torch.linalg.diagonal", "linalg.diagonal(A"),
        ("F.silu", "silu("),
        ("torch.vander", "vander(x, N=None, increasing"),
    ],
)
def test_a_prefix_tells_ops_of_one_name_apart(name: str, signature: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, name).startswith(signature)


def test_the_table_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    table = json.loads(run(capsys, "--json"))
    assert [op["name"] for op in table] == [page.name for page in pages()]
    assert all(op["definition"] and op["family"] and op["kind"] for op in table)
    one = json.loads(run(capsys, "sigmoid", "--format", "json"))
    assert one["derivative"]["formulas"].keys() == {"x"}


def test_an_unknown_op_is_an_error_that_names_a_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops", "sigmod"]) == 2
    assert "did you mean 'sigmoid'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["_root", "_root_of_gram", "_roots", "_fitted"])
def test_a_helper_of_definitions_is_no_op(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops", name]) == 2
    assert f"unknown op '{name}'" in capsys.readouterr().err
