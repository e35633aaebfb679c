"""`jvp`, `jacobian`, `hessian`, `double-backward`: kinks, rounding, refusals, limits, and what their reports hold."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.errors import ExecutionError, GradcliError, InputError, LimitError
from gradcli.limits import Limits
from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.report.double_backward import DoubleBackwardDetails
from gradcli.report.hessian import HessianDetails
from gradcli.report.jvp import JvpDetails
from gradcli.report.report import Report
from gradcli.report.schema import report_schema
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

# PyTorch warns of what is deprecated in it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def report(command: str, program: str, **settings: Any) -> Report:
    return evaluate_program(program, Settings(command=command, times=2, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("command", "program", "settings", "verdict"),
    [
        # at a kink autograd's choice is one of several
        ("jvp", "abs(x)", {"values": {"x": 0.0}, "tangents": {"x": 1}}, "subgradient"),
        ("jvp", "relu(x)*y", {"values": {"x": 0.0}, "tangents": {"x": 1}}, "subgradient"),
        ("jacobian", "abs(x)", {"values": {"x": [0.0, 1.0]}}, "subgradient"),
        ("hessian", "abs(x)*x", {"values": {"x": 0.0}}, "subgradient"),
        ("hessian", "F.smooth_l1_loss(x, tensor(0.0))", {"values": {"x": 1.0}}, "subgradient"),
        # there autograd spreads the gradient, so that it has no second derivative
        ("hessian", "max(x)**2", {"values": {"x": [1.0, 1.0]}}, "undefined"),
        ("double-backward", "abs(x)", {"values": {"x": 0.0}}, "undefined"),
        # what cancels leaves only rounding
        ("hessian", "sum(softmax(x, dim=0))", {"values": {"x": [0.1, 0.2, 0.7]}}, "match"),
        ("hessian", "sum(F.layer_norm(x, (4,)))", {"values": {"x": [0.1, 0.2, 0.7, 5.0]}}, "match"),
        # the value is not a number, or leaves the range
        ("hessian", "log(x)", {"values": {"x": -1.0}}, "undefined"),
        ("jvp", "1/x", {"values": {"x": 0.0}, "tangents": {"x": 1}}, "undefined"),
        # linear and constant gradients
        ("hessian", "x + 2*y", {}, "match"),
        ("double-backward", "x*3", {}, "match"),
        # an empty leaf, a leaf that does not matter
        ("jacobian", "x*2", {"shapes": {"x": (0,)}}, "match"),
        ("hessian", "sum(x*x)", {"shapes": {"x": (0,)}}, "match"),
        ("double-backward", "y = x*2; w**2", {}, "match"),
        # lower precisions are judged normwise
        (
            "hessian",
            "sum(tanh(a @ x)**2)",
            {"shapes": {"a": (2, 2), "x": (2,)}, "init": "randn", "dtype": "float32"},
            "match",
        ),
        ("jvp", "exp(x)", {"tangents": {"x": 1}, "dtype": "bfloat16"}, "match"),
    ],
)
def test_verdicts(command: str, program: str, settings: dict[str, Any], verdict: str) -> None:
    found = report(command, program, **settings)
    assert found.verdict == verdict, [tensor.note for tensor in found.tensors]


def test_forward_mode_of_a_complex_leaf_is_the_real_part_of_the_product() -> None:
    found = report("jvp", "abs(x)**2", values={"x": 2 + 3j}, tangents={"x": 1 + 1j})
    assert found.verdict is Verdict.MATCH
    assert isinstance(found.details, JvpDetails)
    assert float(found.details.jvp.value) == pytest.approx(2 * (2 * 1 + 3 * 1))  # d(a² + b²) = 2a da + 2b db


@pytest.mark.parametrize("command", ["jacobian", "hessian"])
def test_complex_numbers_are_refused_where_torch_func_refuses_them(command: str) -> None:
    with pytest.raises(GradcliError, match="all inputs to be real"):
        report(command, "abs(x)**2", dtype="complex128")


def test_a_second_derivative_of_complex_numbers_is_undecided() -> None:
    assert report("double-backward", "abs(x)**2", dtype="complex128").verdict is Verdict.UNDECIDED


def test_a_wrong_forward_mode_is_a_mismatch() -> None:
    program = "torch.triangular_solve(b, a)[0]"
    values = {"a": [[2.0, 1.0], [3.0, 4.0]], "b": [[1.0], [2.0]]}
    assert report("jvp", program, values=values, tangents={"a": [[0, 0], [1, 0]]}).verdict == "mismatch"
    assert report("jvp", program, values=values, tangents={"a": [[0, 1], [0, 0]]}).verdict == "match"


def test_a_wrong_block_of_pytorchs_is_a_mismatch_and_the_hessian_is_not_symmetric() -> None:
    found = report("hessian", "F.layer_norm(x, (2,), w)[0]", values={"x": [1.0, 2.0], "w": [1.0, 1.0]})
    assert (found["x"].verdict, found["w"].verdict) == ("match", "mismatch")
    assert isinstance(found.details, HessianDetails)
    assert not found.details.symmetry.symmetric


def test_where_forward_mode_is_missing_reverse_mode_runs_twice_and_it_is_said() -> None:
    found = report(
        "hessian", "F.grid_sample(x, g).sum()", shapes={"x": (1, 1, 2, 2), "g": (1, 1, 1, 2)}, init="uniform"
    )
    assert isinstance(found.details, HessianDetails)
    assert "forward AD" in found.details.method
    assert found.verdict == "match"


def test_a_second_derivative_that_pytorch_lacks_is_undecided() -> None:
    found = report("double-backward", "F.pdist(x).sum()", shapes={"x": (3, 2)}, init="randn")
    assert isinstance(found.details, DoubleBackwardDetails)
    second = found.details.lifecycle.with_create_graph.second["x"]
    assert (second.verdict, second.gradient) == ("undecided", None)
    assert "not implemented" in (second.note or "")


def test_nothing_is_verified_without_verification() -> None:
    for command in ("jvp", "jacobian", "hessian", "double-backward"):
        found = report(command, "x**2", verify=False, tangents={"x": 1})
        assert found.verdict == "unverified"
        assert found.to_dict()["verdict"] == "unverified"


@pytest.mark.parametrize(
    ("command", "program", "settings", "error", "words"),
    [
        ("jvp", "x*y", {}, InputError, "tangent of at least one leaf"),
        ("jvp", "x*y", {"tangents": {"z": 1}}, InputError, "not a leaf"),
        ("jvp", "x*y", {"tangents": {"x": [1, 2]}}, InputError, "has shape scalar, and its tangent 2"),
        ("jvp", "x*y", {"tangents": {"x": 1}, "constants": ("x",)}, InputError, "is a constant"),
        ("jvp", "torch.cdist(x, y)", {"shapes": {None: (2, 2)}, "tangents": {"x": 1}}, ExecutionError, "forward AD"),
        ("jacobian", "y = x*2; y*y", {"wrt": ("y",)}, InputError, "non-leaf"),
        ("jacobian", "x*2", {"wrt": ("z",)}, InputError, "no tensor 'z'"),
        ("hessian", "x*y", {"shapes": {None: (3,)}}, InputError, "a Hessian is a scalar's"),
        ("jacobian", "outer(x, y)", {"shapes": {None: (2000,)}}, LimitError, "8,000,000,000 elements"),
        ("hessian", "x @ x", {"shapes": {None: (5000,)}}, LimitError, "25,000,000 elements"),
        (
            "jacobian",
            "tanh(x)",
            {"shapes": {None: (1000,)}, "limits": Limits(memory=10**6)},
            LimitError,
            "estimated",
        ),
    ],
)
def test_refusals(command: str, program: str, settings: dict[str, Any], error: type[GradcliError], words: str) -> None:
    with pytest.raises(error) as caught:
        report(command, program, **settings)
    assert words in caught.value.message


REPORTS = {
    "jvp": ("x*y", {"values": {"x": 2.0, "y": 3.0}, "tangents": {"x": 1, "y": 10}}, ["tangent", "Jv", "23"]),
    "jacobian": (
        "a @ x",
        {"values": {"a": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "x": [1.0, 1.0]}, "wrt": ("x",)},
        ["Jacobian by x", "[1 2]", "[5 6]"],
    ),
    "hessian": ("x**2*y", {"values": {"x": 2.0, "y": 3.0}}, ["Hessian", "6", "symmetric"]),
    "double-backward": (
        "y = x**3; z = y + 1",
        {"values": {"x": 2.0}},
        ["predicted", "PowBackward0", "second time", "24", "second derivative"],
    ),
}


@pytest.mark.parametrize("command", REPORTS)
def test_a_report_is_valid_and_shown_in_every_layout(command: str) -> None:
    program, settings, words = REPORTS[command]
    found = report(command, program, **settings)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    jsonschema.validate(data, report_schema())
    for name in ("table", "plain", "markdown"):
        for width in (80, 120):
            text = FORMATS[name].render(found, Style(width=width, colour=False, unicode=True))
            for word in words:
                assert word in text.replace("\\", ""), (name, width, word)
            if name != "markdown":
                assert max(map(len, text.splitlines())) <= width


def test_the_parts_of_the_json() -> None:
    hessian = report("hessian", "x**2*y", values={"x": 2.0, "y": 3.0}).to_dict()
    assert hessian["hessian"] == {"x": {"x": 6.0, "y": 4.0}, "y": {"x": 4.0, "y": 0.0}}
    life = report("double-backward", "y = x**3; z = y + 1", values={"x": 2.0}).to_dict()["lifecycle"]
    assert life["without_retain_graph"]["freed_by"] == "y"
    assert life["with_retain_graph"]["grads"] == [{"x": 12.0}, {"x": 24.0}]
    assert life["with_create_graph"]["second"]["x"]["gradient"] == 12.0
    jvp = report("jvp", "x*y", values={"x": 2.0, "y": 3.0}, tangents={"x": 1, "y": 10}).to_dict()["jvp"]
    assert (jvp["value"], jvp["symbolic"]["value"]) == (23.0, 23.0)


def test_the_second_derivative_is_of_the_weighted_output() -> None:
    found = report("double-backward", "x**3", values={"x": [1.0, 2.0]}, grad_output=[10.0, 1.0])
    assert isinstance(found.details, DoubleBackwardDetails)
    second = found.details.lifecycle.with_create_graph.second["x"]
    torch.testing.assert_close(second.gradient, torch.tensor([60.0, 12.0], dtype=torch.float64))
    assert second.symbolic is not None
    torch.testing.assert_close(second.symbolic.value, torch.tensor([60.0, 12.0], dtype=torch.float64))
