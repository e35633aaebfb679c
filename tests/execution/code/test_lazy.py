"""Lazy modules as programs: they get their parameters first, and the caller's own stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter, is_lazy

import gradcli
from gradcli.engine import evaluate_code
from gradcli.settings import Settings


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class Own(nn.Module):
    """Makes its parameter by itself, without PyTorch's class for lazy modules."""

    def __init__(self) -> None:
        super().__init__()
        self.w = UninitializedParameter()

    def forward(self, x: Tensor) -> Tensor:
        if is_lazy(self.w):
            self.w.materialize((x.shape[-1],))
            nn.init.constant_(self.w, 0.5)
        return (x * self.w).sin()


MODULES = [
    (nn.LazyConv1d(3, 3), drawn(2, 3, 7)),
    (nn.LazyConvTranspose2d(2, 2), drawn(1, 2, 3, 3)),
    (nn.Sequential(nn.LazyConv2d(2, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(3)), drawn(2, 1, 4, 4)),
    (nn.Sequential(nn.Linear(4, 5), nn.Sequential(nn.Tanh(), nn.LazyLinear(2, bias=False))), drawn(3, 4)),
    (Own(), drawn(2, 3)),
]


@pytest.mark.parametrize(("module", "x"), MODULES, ids=["conv", "transposed", "deep", "nested", "own"])
def test_every_parameter_is_checked_and_the_callers_module_stays_lazy(module: nn.Module, x: Tensor) -> None:
    lazy = [name for name, value in (*module.named_parameters(), *module.named_buffers()) if is_lazy(value)]
    report = gradcli.check(module, [x])
    assert report.verdict == "match"
    leaves = {tensor.name for tensor in report if tensor.kind == "leaf"}
    assert {name for name, _ in module.named_parameters()} < leaves
    own = [*module.named_parameters(), *module.named_buffers()]
    assert lazy == [name for name, value in own if is_lazy(value)]


def test_running_statistics_are_those_before_the_first_run() -> None:
    seen = []

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.known = nn.LazyBatchNorm1d(), nn.BatchNorm1d(3)

        def forward(self, x: Tensor) -> Tensor:
            if not is_lazy(self.norm.running_mean):
                seen.append((self.norm.running_mean.clone(), self.known.running_mean.clone()))
            return self.norm(self.known(x))

    assert gradcli.evaluate(Watched(), [drawn(4, 3) + 5], reduce="sum").verdict == "match"
    assert seen
    assert all(not value.any() for pair in seen for value in pair)


COMMANDS = ["eval", "grad", "jvp", "jacobian", "hessian", "check", "double-backward", "accumulate", "trace", "graph"]
FURTHER: dict[str, Any] = {
    "grad": {"wrt": ("0.weight",)},
    "jvp": {"tangents": {"0.bias": 1.0}},
    "accumulate": {"times": 2},
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_one(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from torch import nn\nnet = nn.Sequential(nn.LazyLinear(2), nn.GELU())\n"
    (tmp_path / "model.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    settings = Settings(command=command, shapes={"input": (3, 2)}, reduce="sum", **FURTHER.get(command, {}))
    assert evaluate_code("model.py:net", settings, {}).verdict == "match"


def test_lazy_parameters_take_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from torch import nn\nnet = nn.Sequential(nn.LazyLinear(2), nn.Tanh())\n"
    (tmp_path / "model.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    values: Any = {"input": [[0.5, -1.0]], "0.weight": [[1.0, 2.0], [0.0, 3.0]], "0.bias": [0.25, -0.5]}
    report = evaluate_code("model.py:net", Settings(command="eval", values=values, reduce="sum"), {})
    assert report.verdict == "match"
    # By hand: the derivative of tanh by its argument is 1 - tanh².
    slope = 1 - torch.tanh(torch.tensor([0.5 - 2.0 + 0.25, -3.0 - 0.5], dtype=torch.float64)) ** 2
    assert torch.allclose(report["0.bias"].gradient, slope, rtol=1e-12)
