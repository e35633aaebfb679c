"""What the user got wrong is told as such, whatever raises it."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.errors import ExitCode, GradcliError, LimitError
from gradcli.inputs import parse_arguments, parse_grad_output, parse_values
from gradcli.limits import Limits
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings
from gradcli.suite.given import Given
from gradcli.suite.jobs import count_jobs
from gradcli.suite.read import read_suite

LIMITS = Limits()


def refused(program: str, settings: Settings) -> GradcliError:
    with pytest.raises(GradcliError) as raised:
        evaluate_program(program, settings)
    assert raised.value.exit_code == ExitCode.USAGE
    return raised.value


@pytest.mark.parametrize("text", ["0" * 5000 + "1", "-" + "0" * 5000 + "1", "00"])
def test_leading_zeros_are_read(text: str) -> None:
    value = parse_values([f"x={text}"], LIMITS)["x"]
    assert value == float(text)
    assert isinstance(value, int)


def test_an_integer_of_more_than_64_bits_is_a_float() -> None:
    assert parse_values(["x=99999999999999999999"], LIMITS) == {"x": 1e20}
    assert parse_grad_output("[99999999999999999999]", LIMITS) == [1e20]
    report = evaluate_program("x*x", Settings(), {"x": 99999999999999999999})
    assert report.tensors[0].gradient.item() == 2e20


@pytest.mark.parametrize("text", ["x={[]:1}", "x={{}}", "x=" + "(" * 500])
def test_an_argument_that_is_no_literal_is_a_text(text: str) -> None:
    assert parse_arguments([text]) == {"x": text[2:]}


@pytest.mark.parametrize(
    ("value", "shape", "size"), [({"x": [2.0]}, "1", (1,)), ({"x": [[1.0, 2.0, 3.0]]}, "1x3", (1, 3))]
)
def test_a_value_contradicts_the_shape_of_all_leaves(
    value: dict[str, list[object]], shape: str, size: tuple[int, ...]
) -> None:
    error = refused("x*x", Settings(shapes={None: (3,)}, values=value, grad_output="ones"))  # type: ignore[arg-type]
    assert "is given the shape 3" in error.message
    assert f"--shape x={shape}" in (error.hint or "")
    report = evaluate_program("x*x", Settings(shapes={None: (3,), "x": size}, values=value, grad_output="ones"))  # type: ignore[arg-type]
    assert report.verdict is Verdict.MATCH


def test_a_number_fills_the_shape_of_all_leaves() -> None:
    assert evaluate_program("x.sum()", Settings(shapes={None: (3,)}, values={"x": 2.0})).verdict is Verdict.MATCH


def test_more_axes_than_pytorch_has_are_refused() -> None:
    with pytest.raises(GradcliError, match="more than 64"):
        Settings(shapes={"x": (1,) * 65}, limits=Limits(rank=100))


def test_more_axes_than_there_are_labels_leave_it_undecided() -> None:
    settings = Settings(shapes={"x": (1,) * 10, "y": (3,)}, grad_output="ones", limits=Limits(rank=100))
    report = evaluate_program("x*y", settings)
    assert report.verdict is Verdict.UNDECIDED


def test_a_long_sum_is_read_where_the_limit_is_raised() -> None:
    text = "+".join(["x"] * 3000)
    with pytest.raises(LimitError) as raised:
        evaluate_program(text, Settings())
    assert raised.value.exit_code == ExitCode.USAGE
    report = evaluate_program(text, Settings(limits=Limits(operations=5000)))
    assert report.verdict is Verdict.MATCH


def test_a_complex_tangent_of_a_real_leaf_is_refused() -> None:
    assert "complex" in refused("x*x", Settings(command="jvp", tangents={"x": 1j})).message


@pytest.mark.parametrize("name", ["x.pt", "x.npz", "x.json", "x.safetensors"])
def test_an_empty_file_is_called_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert refused("x*x", Settings(values_file=tmp_path / name)).message == f"{name}: the file is empty"


def test_a_file_that_cannot_be_read_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(pickle.dumps({"x": 1})[:3])
    assert not refused("x*x", Settings(values_file=tmp_path / "x.pt")).message.endswith(": ")


def test_a_nested_tensor_is_called_one(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nested tensors are a prototype
        torch.save({"x": torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])}, tmp_path / "x.pt")
    assert "nested" in refused("x*x", Settings(values_file=tmp_path / "x.pt")).message


def test_an_array_whose_header_claims_more_than_there_is(tmp_path: Path) -> None:
    array = np.ones(3)
    np.savez(tmp_path / "x.npz", x=array)
    assert evaluate_program("x.sum()", Settings(values_file=tmp_path / "x.npz")).verdict is Verdict.MATCH
    (tmp_path / "x.json").write_text(json.dumps({"x": array.tolist()}))
    small = Settings(values_file=tmp_path / "x.json", limits=Limits(elements=2))
    assert "--max-elements" in (refused("x.sum()", small).hint or "")


@pytest.mark.parametrize("text", ["\u0663", "1.0", "-1", ""])
def test_a_number_of_jobs_is_written_in_ascii(text: str) -> None:
    with pytest.raises(GradcliError, match="not a number"):
        count_jobs(text)


def test_an_integer_of_too_many_digits_in_a_suite(tmp_path: Path) -> None:
    file = tmp_path / "suite.toml"
    file.write_text('[[check]]\nprogram = "x*x"\nseed = ' + "9" * 5000)
    with pytest.raises(GradcliError, match="TOML") as raised:
        read_suite(str(file), Given(Settings(command="check")))
    assert raised.value.exit_code == ExitCode.USAGE


def test_a_chain_of_products_is_contracted_pair_by_pair() -> None:
    settings = Settings(shapes={None: (40, 40)}, init="uniform", limits=Limits(elements=10_000), formulas=False)
    assert evaluate_program("einsum('ij,jk,kl,lm->im', x, y, z, w).sum()", settings).verdict is Verdict.MATCH
