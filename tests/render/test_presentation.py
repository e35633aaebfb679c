"""What only one command reports is shown: its record's type leads to the module that shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch

from gradcli.render import FORMATS
from gradcli.render.presentation import PLAIN, presentation_of
from gradcli.render.style import Style
from gradcli.report.accumulate import AccumulateDetails, Accumulation, BackwardCall, LeafCall
from gradcli.report.check import CheckDetails, Point
from gradcli.report.custom import Check, CustomDetails, FunctionNode, SourcePlace
from gradcli.report.derivative import Derivative
from gradcli.report.double_backward import (
    DoubleBackwardDetails,
    Lifecycle,
    WithCreateGraph,
    WithoutRetainGraph,
    WithRetainGraph,
)
from gradcli.report.eval import EvalDetails, HookCall
from gradcli.report.grad import GradDetails, JacobianProduct, VectorJacobianProduct
from gradcli.report.graph import ForwardNode, Graph, GraphDetails
from gradcli.report.hessian import HessianDetails, Symmetry
from gradcli.report.jacobian import JacobianDetails
from gradcli.report.jvp import JvpDetails
from gradcli.report.notes import NoteKind, noted
from gradcli.report.page import PageDetails
from gradcli.report.plot import Plot, PlotDetails
from gradcli.report.report import Details, Report, TensorReport, WitnessReport
from gradcli.report.run import RunDetails
from gradcli.report.trace import TraceDetails
from gradcli.report.verdict import Verdict

ONE = torch.tensor(1.0)
CALL = BackwardCall(ONE, (LeafCall("w", ONE, None, ONE, ONE, None, None),))
LIFECYCLE = Lifecycle(
    WithoutRetainGraph("ok", "ok", None, None, ()), WithRetainGraph(({"w": ONE},)), WithCreateGraph({})
)
LEAF = ForwardNode("w", "leaf", None, "w", (), (), "float64", requires_grad=True, node=None)
# A record of each type, and a title that only its command shows.
SHOWN: dict[str, tuple[Details, str]] = {
    "eval": (EvalDetails((HookCall("tensor hook", "w", (ONE,)),)), "Hooks"),
    "grad": (GradDetails(VectorJacobianProduct(ONE, {"w": JacobianProduct(ONE, ONE)})), "J^T v"),
    "check": (CheckDetails((Point(7, Verdict.MATCH), Point(8, Verdict.MATCH))), "Points"),
    "accumulate": (AccumulateDetails(Accumulation(None, None, (CALL,))), "Backward calls"),
    "jvp": (JvpDetails(Derivative(ONE, None, None), "torch.func.jvp"), "Jacobian-vector product"),
    "jacobian": (JacobianDetails("torch.func.jacrev"), "Jacobian by w"),
    "hessian": (HessianDetails(hessian={"w": {"w": ONE}}, symmetry=Symmetry(True, 0.0), method=""), "Hessian"),
    "double-backward": (DoubleBackwardDetails(LIFECYCLE), "A second backward"),
    "trace": (TraceDetails(()), "The chain rule"),
    "graph": (GraphDetails(Graph((LEAF,), ())), "Forward, from the output"),
    "plot": (PlotDetails(Plot("maps", maps=("w",))), "value of w"),
    "report": (PageDetails(Graph((LEAF,), ()), ()), "Backward, as autograd runs it"),
    "custom": (CustomDetails(checks=(), node=FunctionNode("Square", {"w": None}, (ONE,), {"w": ONE})), "Node Square"),
    "run": (RunDetails("Tensor.backward", 3, SourcePlace("train.py", 14)), "Call of the script"),
}


# What `report` shows is what the other two show.
ALIKE = {"report", "graph", "trace"}


def with_details(command: str, report: Report) -> Report:
    tensors = tuple(dataclasses.replace(tensor, jacobian=ONE) for tensor in report.tensors)
    return dataclasses.replace(report, command=command, tensors=tensors, details=SHOWN[command][0])


@pytest.fixture
def report(make_tensor: Callable[..., TensorReport], make_report: Callable[..., Report]) -> Report:
    inner = make_tensor("inner", 2.0, 1.0, kind="non-leaf")
    return make_report(make_tensor("w", 1.0, 1.0), inner, verdict=Verdict.MATCH)


def test_there_is_a_record_of_every_type() -> None:
    assert {type(details) for details, _ in SHOWN.values()} == set(get_args(Details))


@pytest.mark.parametrize("command", SHOWN)
def test_every_record_is_shown_by_the_module_of_its_command(command: str, report: Report) -> None:
    title = SHOWN[command][1]
    for name in ("table", "plain", "markdown"):
        text = FORMATS[name].render(with_details(command, report), Style(100)).replace("\\", "")
        assert title in text
        apart = [other for one, (_, other) in SHOWN.items() if not {one, command} <= ALIKE and one != command]
        assert not [other for other in apart if other in text]


def test_a_report_without_details_is_shown_as_all_are(report: Report) -> None:
    assert presentation_of(report) is PLAIN


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("eval", ["Leaf tensors", "Non-leaf tensors"]),
        ("trace", ["Leaf tensors"]),
        ("graph", []),
        ("check", []),
        ("custom", ["Leaf tensors"]),
    ],
)
def test_each_command_shows_the_tensors_that_concern_it(command: str, shown: list[str], report: Report) -> None:
    text = FORMATS["plain"].render(with_details(command, report), Style(100))
    assert [title for title in shown if title in text] == shown
    assert ("Non-leaf" in text) == (command == "eval")
    assert ("Leaf tensors" in text) == (command not in {"check", "graph"})


@pytest.mark.parametrize("command", SHOWN)
def test_a_column_of_gradients_is_for_commands_that_have_gradients(command: str, report: Report) -> None:
    wrong = dataclasses.replace(report.tensors[0], verdict=Verdict.MISMATCH)
    data: Any = dataclasses.replace(with_details(command, report), tensors=(wrong,))
    text = FORMATS["plain"].render(data, Style(200))
    assert (".grad = gradient" in text) == (command not in {"jvp", "jacobian", "hessian", "graph", "plot", "report"})


@pytest.mark.parametrize("command", ["check", "custom"])
def test_what_the_witnesses_say_is_shown_by_both_commands_that_ask_them(command: str, report: Report) -> None:
    heard = dataclasses.replace(report.tensors[0], witnesses={"taylor": WitnessReport(Verdict.MATCH, order=2.0)})
    data = dataclasses.replace(with_details(command, report), tensors=(heard,))
    assert "Taylor order" in FORMATS["plain"].render(data, Style(100))


def test_a_failed_check_of_a_function_is_named_beside_the_verdict(report: Report) -> None:
    node = FunctionNode("Square", {}, (), {})
    checks = (Check("vmap", Verdict.MISMATCH, noted(NoteKind.ERROR, "a note")), Check("jvp", Verdict.MATCH))
    details = CustomDetails(checks=checks, node=node)
    failed = dataclasses.replace(report, command="custom", details=details, verdict=Verdict.MISMATCH)
    assert "backward fails (vmap)" in FORMATS["plain"].render(failed, Style(100))
