"""What a report says of code: where its tensors come from, which of them, and at which line a check fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gradcli
from gradcli.engine import evaluate_code
from gradcli.errors import InputError
from gradcli.execution.targets.loading import load_code
from gradcli.report.check import CheckDetails
from gradcli.report.custom import SourcePlace
from gradcli.settings import MOST_ENTRIES, Settings

# The lines are counted: 14 applies the Function.
RESIDUAL = """import torch
from torch import nn
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return FACTOR * x * g
class Block(nn.Module):
    def forward(self, y):
        h = Square.apply(y)
        return y + h.sin()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.block = nn.Linear(2, 2, bias=False), Block()
    def forward(self, x):
        y = self.first(x)
        return self.block(y).sum()
def left(x):
    y = x * 2
    return (y / y.abs().max().item()).sum()
def unknown(x):
    y = x * x
    z = torch.igammac(torch.full_like(y, 2.0), y)
    return (z + y).sum()
def nan(x):
    y = x * 0
    z = y.sqrt()
    return (z * 2).sum()
class Right(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 3 * x
    @staticmethod
    def backward(ctx, g):
        return 3 * g
def two(x):
    y = x * 2
    h = y.sin()
    a = Square.apply(h)
    b = Right.apply(y)
    return (a + b).sum()
"""
QUICK = {"witnesses": ["symbolic"]}


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def loaded(name: str, factor: str = "2") -> Any:
        (tmp_path / "m.py").write_text(RESIDUAL.replace("FACTOR", factor), encoding="utf-8")
        return load_code(f"m.py:{name}")

    return loaded


def test_every_tensor_says_where_it_comes_from(code: Any) -> None:
    report = gradcli.check(code("Net"), {"x": torch.ones(3, 2)}, **QUICK)
    found = {tensor.name: (tensor.source, tensor.module) for tensor in report}
    assert found["x"] == (None, None)
    assert found["first.weight"] == (None, "first")
    assert found["y"] == ("m.py:21", "first")
    assert found["h"] == ("m.py:14", "block")
    data = {tensor["name"]: tensor for tensor in report.to_dict()["tensors"]}
    assert "source" not in data["x"]
    assert (data["h"]["source"], data["h"]["module"]) == ("m.py:14", "block")


def test_a_program_says_nothing_of_lines_and_modules() -> None:
    data = gradcli.check("y = x*x; y.sum()", {"x": [1.0]}, **QUICK).to_dict()
    assert all("source" not in tensor and "module" not in tensor for tensor in data["tensors"])
    assert "source" not in data


@pytest.mark.parametrize(
    ("name", "factor", "verdict", "line"),
    [
        ("Net", "1", "mismatch", 14),  # not 15, where a residual adds what is wrong already
        ("two", "1", "mismatch", 44),  # not 45, which reads what is wrong because of 44
        ("left", "2", "undecided", 25),
        ("unknown", "2", "undecided", 28),
        ("nan", "2", "undefined", 31),
    ],
)
def test_a_failure_points_at_the_line_that_it_begins_at(
    code: Any, name: str, factor: str, verdict: str, line: int
) -> None:
    report = gradcli.check(code(name, factor), {"x": torch.ones(3, 2)}, **QUICK)
    assert report.verdict == verdict
    assert isinstance(report.details, CheckDetails)
    assert report.details.source == SourcePlace("m.py", line)
    assert report.to_dict()["source"] == {"file": "m.py", "line": line}


def test_what_passes_points_nowhere(code: Any) -> None:
    report = gradcli.check(code("Net"), {"x": torch.ones(3, 2)}, **QUICK)
    assert report
    assert "source" not in report.to_dict()


def settings(**changes: Any) -> Settings:
    return Settings("check", witnesses=("symbolic",), shapes={"x": (3, 2)}, **changes)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (("first.*",), ["first.weight", "y"]),
        (("block.h",), ["h"]),
        (("x", "h"), ["x", "h"]),
        (("*",), None),
    ],
)
def test_only_picks_tensors_by_name_and_by_module(
    code: Any, patterns: tuple[str, ...], names: list[str] | None
) -> None:
    report = evaluate_code(code("Net"), settings(only=patterns))
    everything = evaluate_code(code("Net"), settings())
    assert [t.name for t in report.tensors] == ([t.name for t in everything.tensors] if names is None else names)


def test_the_verdict_is_of_what_only_picks(code: Any) -> None:
    assert evaluate_code(code("Net", "1"), settings(only=("h",))).verdict == "match"
    assert evaluate_code(code("Net", "1"), settings(only=("h", "y"))).verdict == "mismatch"


def test_a_pattern_of_nothing_is_refused(code: Any) -> None:
    with pytest.raises(InputError, match="no tensor's name is like 'frist") as caught:
        evaluate_code(code("Net"), settings(only=("frist.weight",)))
    assert "first.weight" in (caught.value.hint or "")


def test_large_tensors_of_code_are_summaries_and_their_verdict_is_of_every_entry() -> None:
    class Last(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
            return x * 1.0

        @staticmethod
        def backward(ctx: Any, *given: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
            gradient = given[0].clone()
            gradient[-1] += 1
            return gradient

    report = gradcli.check(lambda x: Last.apply(x).sum(), [torch.ones(MOST_ENTRIES + 1)], **QUICK)
    (tensor, *_) = report.to_dict()["tensors"]
    assert (tensor["value"], tensor["verdict"], tensor["symbolic"]["worst_index"]) == (None, "mismatch", [MOST_ENTRIES])
    assert tensor["summary"]["gradient"]["max"] == 2.0
    assert report["x"].gradient.shape == (MOST_ENTRIES + 1,)
    small = gradcli.check(lambda x: x.sum(), [torch.ones(MOST_ENTRIES)], **QUICK).to_dict()["tensors"][0]
    assert small["value"] == [1.0] * MOST_ENTRIES


def test_the_limit_is_an_argument_and_programs_have_none() -> None:
    def total(x: torch.Tensor) -> torch.Tensor:
        return x.sum()

    assert gradcli.check(total, [torch.ones(3)], max_entries=2, **QUICK).to_dict()["tensors"][0]["value"] is None
    big = gradcli.evaluate("x.sum()", {"x": torch.ones(MOST_ENTRIES + 1)}).to_dict()
    assert len(big["tensors"][0]["value"]) == MOST_ENTRIES + 1
    assert gradcli.evaluate("x.sum()", {"x": torch.ones(3)}, max_entries=2).to_dict()["tensors"][0]["value"] is None


def test_a_module_s_own_tensors_are_left_as_they_were() -> None:
    model = nn.Linear(2, 1)
    before = [parameter.clone() for parameter in model.parameters()]
    gradcli.check(model, [torch.ones(1, 2)], max_entries=1, **QUICK).to_dict()
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_a_model_is_built_the_same_each_time(code: Any) -> None:
    code("Net")
    weights = []
    for seed in (3, 4):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        weights.append(evaluate_code("m.py:Net", settings(seed=seed))["first.weight"].value)
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*weights)


@pytest.mark.parametrize("changes", [{"values": {"z": 3}}, {"constants": ("z",)}, {"shapes": {"x": (3, 2), "z": (1,)}}])
def test_an_option_for_what_the_code_does_not_take_is_refused(code: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="'z' is not a leaf") as caught:
        evaluate_code(code("Net"), replace(settings(), **changes))
    assert "x, first.weight" in (caught.value.hint or "")
    assert evaluate_code(code("Net"), replace(settings(), **changes, elsewhere=("z",))).verdict == "match"
