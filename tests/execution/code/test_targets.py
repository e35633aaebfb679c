"""What a name of code means, what it is called with, and which tensor of what it returns is differentiated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import gradcli
from gradcli.engine import evaluate_code
from gradcli.settings import Settings

FILE = """
import torch
from torch import nn

print("loading")

def loss(x, w, power: float = 2.0, *, mode: str = "mean"):
    y = (x @ w).abs() ** power
    return y.mean() if mode == "mean" else y.sum()

class Net(nn.Module):
    def __init__(self, hidden, p=0.0):
        super().__init__()
        self.first, self.last = nn.Linear(3, hidden), nn.Linear(hidden, 1)
        self.drop = nn.Dropout(p)
    def forward(self, x):
        return self.last(self.drop(self.first(x))).sum()

ready = Net(2)

def case():
    return nn.Linear(3, 2), {"input": torch.ones(4, 3)}

class Other:
    def scaled(self, x): return 2 * x
    @staticmethod
    def doubled(x): return 2 * x
    def tripled(x): return 3 * x
number = 3
def nothing(): return 1
"""


@pytest.fixture
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code.py").write_text(FILE, encoding="utf-8")


def check(target: str, **settings: Any) -> Any:
    return evaluate_code(target, Settings(command="check", witnesses=("symbolic",), **settings))


def leaves(report: Any) -> list[str]:
    return [tensor.name for tensor in report.tensors if tensor.kind == "leaf"]


@pytest.mark.usefixtures("_file")
def test_a_function_is_called_with_its_tensors_and_arguments() -> None:
    shapes = {"x": (2, 3), "w": (3, 2)}
    report = check("code.py:loss", shapes=shapes, arguments={"mode": "sum", "power": 3})
    assert report.verdict == "match"
    assert leaves(report) == ["x", "w"]
    values = {name: report[name].value for name in ("x", "w")}
    assert report.output.value.item() == pytest.approx(((values["x"] @ values["w"]).abs() ** 3).sum().item())


@pytest.mark.usefixtures("_file")
def test_a_class_is_built_an_instance_is_taken_and_a_case_brings_its_inputs() -> None:
    built = check("code.py:Net", shapes={"x": (2, 3)}, arguments={"hidden": 5})
    assert built["first.weight"].shape == (5, 3)
    assert leaves(built) == ["x", "first.weight", "first.bias", "last.weight", "last.bias"]
    assert check("code.py:ready", shapes={"x": (2, 3)})["first.weight"].shape == (2, 3)
    assert leaves(check("code.py:case")) == ["input", "weight", "bias"]


@pytest.mark.usefixtures("_file")
@pytest.mark.parametrize(("mode", "match"), [("train", False), ("eval", True)])
def test_the_mode_of_a_module(mode: str, match: bool) -> None:
    report = check("code.py:Net", shapes={"x": (2, 3)}, arguments={"hidden": 8, "p": 0.5}, mode=mode)
    names = [tensor.name for tensor in report.tensors]
    assert report.verdict == "match"
    assert any("constant" in name for name in names) is not match


@pytest.mark.usefixtures("_file")
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("code.py:los", "did you mean 'loss'"),
        ("code.py:Net", "needs 'hidden'"),
        ("code.py:Other", "no nn.Module"),
        ("code.py:number", "is int, and not code"),
        ("code.py:Other.scaled", "is a method, and needs an object of its class; write `made = Other(...)`"),
        ("code.py:Net.forward", "is a method, and needs an object of its class; name the class, code.py:Net,"),
        ("code.py:nothing", "takes no parameters"),
        ("missing.py:f", "there is no file"),
    ],
)
def test_what_is_no_code_is_told(target: str, message: str) -> None:
    with pytest.raises(gradcli.GradcliError) as caught:
        check(target)
    assert message in f"{caught.value.message}; {caught.value.hint}"


@pytest.mark.usefixtures("_file")
@pytest.mark.parametrize(("name", "factor"), [("doubled", 2.0), ("tripled", 3.0)])
def test_a_function_in_a_class_is_one(name: str, factor: float) -> None:
    report = check(f"code.py:Other.{name}")
    assert leaves(report) == ["x"]
    assert report["x"].gradient.item() == factor


class Named(NamedTuple):
    first: Tensor
    second: Tensor


@dataclass
class Fields:
    loss: Tensor
    hidden: list[Tensor]


OUTPUTS = {
    "dict": lambda x: {"hidden": x.tanh(), "loss": x.square().sum()},
    "tuple": lambda x: (x.tanh(), x.square().sum()),
    "named": lambda x: Named(x.tanh(), x.square().sum()),
    "fields": lambda x: Fields(x.square().sum(), [x.tanh()]),
    "constant beside": lambda x: (x.detach(), x.square().sum()),
    "of pytorch": lambda x: {"sorted": torch.sort(x.square().sum(0, keepdim=True))},
}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("dict", None),
        ("fields", None),
        ("constant beside", None),
        ("tuple", "1"),
        ("named", "second"),
        ("named", "1"),
        ("of pytorch", "sorted.values"),
        ("of pytorch", "sorted.0"),
    ],
)
def test_the_output_that_is_differentiated(name: str, path: str | None) -> None:
    x = torch.tensor([1.0, -2.0])
    report = gradcli.check(OUTPUTS[name], (x,), output=path)
    assert report.verdict == "match"
    assert report["x"].gradient.tolist() == [2.0, -4.0]


@pytest.mark.parametrize("name", ["tuple", "named"])
def test_several_outputs_have_to_be_told_apart(name: str) -> None:
    with pytest.raises(gradcli.GradcliError, match="2 tensors") as caught:
        gradcli.check(OUTPUTS[name], (torch.ones(2),))
    assert "--output" in (caught.value.hint or "")
    with pytest.raises(gradcli.GradcliError, match="no tensor 'third'"):
        gradcli.check(OUTPUTS[name], (torch.ones(2),), output="third")


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_torchscript_is_told() -> None:
    for code in (torch.jit.script(torch.nn.Linear(2, 2)), torch.jit.trace(torch.sin, torch.ones(2))):
        with pytest.raises(gradcli.GradcliError, match="is TorchScript"):
            gradcli.check(code, {"input": torch.ones(2)})


def test_nested_inputs_are_leaves_by_path() -> None:
    def f(state: Any, extra: Any) -> Tensor:
        return (state[0] * state[1]["w"]).sum() + extra["k"].sum()

    ones = torch.ones(2)
    report = gradcli.check(f, {"state": (ones, {"w": 2 * ones}), "extra": {"k": ones, "n": 3}})
    assert leaves(report) == ["state[0]", "state[1].w", "extra.k"]
    assert report["state[0]"].gradient.tolist() == [2.0, 2.0]


@dataclass(frozen=True)
class Batch:
    """What a function is called with, as one value that takes no field but the first when it is made."""

    x: Tensor
    extra: dict[str, Tensor] = field(default_factory=dict)
    scale: float = 2.0
    doubled: Tensor | None = field(default=None, init=False)


def test_the_fields_of_a_dataclass_are_leaves_by_path() -> None:
    batch = Batch(torch.tensor([1.0, 2.0], dtype=torch.float64), {"b": torch.tensor(3.0, dtype=torch.float64)})

    def f(batch: Batch) -> Tensor:
        assert isinstance(batch, Batch)
        return (batch.x * batch.extra["b"] * batch.scale).sum()

    report = gradcli.check(f, {"batch": batch})
    assert report.verdict == "match"
    assert report["batch.x"].symbolic.value.tolist() == [6.0, 6.0]
    assert report["batch.extra.b"].symbolic.value.tolist() == 6.0
    assert not batch.x.requires_grad


def test_nothing_to_differentiate_by_is_told() -> None:
    frozen = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(gradcli.GradcliError, match="nothing to differentiate"):
        gradcli.check(frozen, (torch.ones(1, 2, dtype=torch.int64),))


def squares(x: Tensor, n: int = 2) -> Tensor:
    return (x**n).sum()


def reshaped(x: Any, sizes: Any, factor: Any) -> Any:
    return (x.reshape(sizes) * factor).sum()


def test_nested_lists_are_the_tensors_that_code_takes() -> None:
    for given in ({"x": [[1.0, 2.0], [3.0, 4.0]]}, [[[1.0, 2.0], [3.0, 4.0]]]):
        for function in (squares, lambda x: x.square().sum()):
            found = gradcli.evaluate(function, given)
            assert found.verdict == "match"
            assert found["x"].gradient.tolist() == [[2.0, 4.0], [6.0, 8.0]]
    assert gradcli.evaluate(squares, {"x": 3.0, "n": 3})["x"].gradient == 27.0
    assert gradcli.evaluate(nn.Linear(2, 1), {"input": [1.0, 2.0]}, reduce="sum")["weight"].gradient.tolist() == [
        [1, 2]
    ]


def test_sizes_and_numbers_stay_what_they_are() -> None:
    found = gradcli.evaluate(reshaped, {"x": [1.0, 2.0, 3.0, 4.0], "sizes": [2, 2], "factor": 3.0})
    assert [one.name for one in found.tensors if one.kind == "leaf"] == ["x"]
    assert found["x"].gradient.tolist() == [3.0] * 4


def test_a_function_that_does_not_say_what_it_takes_is_named() -> None:
    with pytest.raises(gradcli.GradcliError, match="Python does not know which arguments") as caught:
        gradcli.evaluate(torch.sin, [torch.ones(())])
    assert "def f(x)" in (caught.value.hint or "")
