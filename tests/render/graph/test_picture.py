"""What a picture says in its boxes, whatever draws it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.render.graph.picture import MOST_IN_FULL, Box, Picture, picture_of
from gradcli.report.report import Extent, Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

Rows = list[tuple[str, ...]]


def drawn(program: str, **settings: object) -> Picture:
    return picture_of(evaluate_program(program, Settings(command="graph", **settings)))  # type: ignore[arg-type]


def box(picture: Picture, title: str) -> Box:
    boxes = [*picture.forward.boxes.values(), *picture.backward.boxes.values()]
    return next(box for box in boxes if box.lines[0] == title)


def test_a_box_has_name_value_gradient_and_verdict() -> None:
    picture = drawn("x=w1+w2; y=w2*w3; x+y")
    assert box(picture, "w2").lines == ("w2", "value 3", "gradient 6", "\N{CHECK MARK} match")
    assert box(picture, "y = w2*w3").lines[:3] == ("y = w2*w3", "value 15", "gradient 1")
    assert box(picture, "MulBackward0").lines == (
        "MulBackward0",
        "of y",
        "saves other = w3 (version 0)",
        "saves self = w2 (version 0)",
        "\N{CHECK MARK} match",
    )
    assert dict(box(picture, "w2").details)["formula"] == "w3 + 1"
    assert picture.facts == "x+y = 20"
    assert picture.verdict == Verdict.MATCH


def test_a_reduced_output_is_not_said_to_be_what_it_reduces() -> None:
    picture = drawn("w1*w2", shapes={None: (2,)}, reduce="sum")
    reduced = box(picture, "sum(w1*w2)")
    assert dict(reduced.details)["made by"] == "sum: sum(w1*w2)"


def test_kinds_of_boxes() -> None:
    picture = drawn("mean(x*c)", shapes={None: (2,)}, constants=("c",))
    assert [box.kind for box in picture.forward.boxes.values()] == ["leaf", "constant", "tensor", "tensor"]
    assert {box.kind for box in picture.backward.boxes.values()} == {"node", "accumulate"}
    constant = box(picture, "c")
    assert constant.lines == ("c", "shape 2", "value [3 3]")
    assert dict(constant.details)["gradient"] == "none: it does not require grad"


def test_without_a_check_there_is_no_verdict_in_a_box() -> None:
    picture = drawn("w*w", verify=False)
    assert box(picture, "w").lines == ("w", "value 2", "gradient 4")
    assert picture.verdict == Verdict.UNVERIFIED


def test_a_large_graph_says_less_in_each_box(make_graph: Callable[..., Report], make_rows: Callable[..., Rows]) -> None:
    few = picture_of(make_graph(make_rows(MOST_IN_FULL, 1)))
    many = picture_of(make_graph(make_rows(MOST_IN_FULL + 1, 1)))
    assert {len(box.lines) for box in few.forward.boxes.values()} == {4}
    assert {len(box.lines) for box in many.forward.boxes.values()} == {2}
    assert all("gradient" in dict(box.details) for box in many.forward.boxes.values())


def test_a_module_s_box_has_the_worst_of_its_verdicts(make_graph: Callable[..., Report]) -> None:
    rows = [("w", (), "net"), ("x", ()), ("a", ("x", "w"), "net"), ("b", ("a",), "net"), ("out", ("b",))]
    report = make_graph(rows, {"w": Verdict.MISMATCH})
    picture = picture_of(dataclasses.replace(report, extent=Extent(depth=1)))
    folded = box(picture, "net")
    assert folded.lines == ("net", "3 tensors", "\N{BALLOT X} mismatch")
    assert folded.verdict == Verdict.MISMATCH
    assert dict(folded.details)["tensors"] == "w, a, b"
    nodes = next(one for one in picture.backward.boxes.values() if one.kind == "module")
    assert nodes.lines == ("net", "3 nodes", "saves 2 tensors", "\N{BALLOT X} mismatch")
    assert picture.summary == "3 of 5 tensors are drawn as 1 box"
    assert picture.beside[folded.key] == nodes.key
    assert picture.forward.arrows == (("f1", folded.key), (folded.key, "f4"))


def test_only_the_grad_fn_of_a_tensor_has_its_verdict() -> None:
    picture = drawn("linear(x, W)", shapes={"x": (2, 3), "W": (4, 3)}, grad_output="ones")
    verdicts = {box.lines[0]: box.verdict for box in picture.backward.boxes.values()}
    assert verdicts == {"MmBackward0": "match", "TBackward0": None, "AccumulateGrad": "match"}
    assert drawn("w*w", verify=False).backward.boxes["b0"].verdict is None


def test_a_name_that_is_long_source_is_told_by_its_operation() -> None:
    picture = drawn("sin(aaaaaaaaaaaa*bbbbbbbbbbbb + cccccccccccc*dddddddddd)")
    titles = [box.lines[0] for box in picture.forward.boxes.values()]
    assert titles[-1] == "sin(...)"
    assert box(picture, "SinBackward0").lines[1] == "of sin(...)"
    assert max(map(len, titles)) <= 34


@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (50, 50)])
def test_values_take_one_short_line(shape: tuple[int, ...]) -> None:
    value = torch.linspace(-1, 1, max(1, torch.Size(shape).numel()), dtype=torch.float64).reshape(shape).tolist()
    picture = drawn("sum(exp(x) * 1e-3)", values={"x": value})
    for one in picture.forward.boxes.values():
        assert all(len(line) <= 36 for line in one.lines)
