"""Modules as programs: every parameter's symbolic gradient is the one that autograd computes alone."""

from __future__ import annotations

import copy
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import gradcli
from gradcli.engine import evaluate_code
from gradcli.settings import Settings


class Tied(nn.Module):
    """One weight under two names, a frozen parameter, and one that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        self.out.weight = self.embed.weight
        self.middle, self.unused = nn.Linear(3, 3), nn.Linear(2, 2)
        self.middle.bias.requires_grad_(False)

    def forward(self, labels: Tensor) -> Tensor:
        return functional.cross_entropy(self.out(self.middle(self.embed(labels))), labels)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


NUMBER = count()


def case_of(make: Any, *inputs: Tensor, output: str | None = None, train: bool = True) -> Any:
    return pytest.param(make, inputs, output, train, id=f"{next(NUMBER)}-{type(make()).__name__}")


MODULES = [
    case_of(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.GELU(), nn.Flatten()), drawn(2, 1, 4, 4)),
    case_of(lambda: nn.LayerNorm(4), drawn(3, 4)),
    case_of(
        lambda: nn.Sequential(nn.Conv2d(2, 2, 1), nn.Unfold(2, stride=2), nn.Tanh(), nn.Fold((4, 4), 2, stride=2)),
        drawn(1, 2, 4, 4),
    ),
    case_of(lambda: nn.MultiheadAttention(4, 2, batch_first=True), *[drawn(2, 3, 4)] * 3, output="0"),
    case_of(lambda: nn.TransformerEncoderLayer(4, 2, 6, dropout=0.2, batch_first=True), drawn(2, 3, 4)),
    case_of(lambda: nn.TransformerEncoderLayer(4, 2, 6, batch_first=True), drawn(2, 3, 4), train=False),
    case_of(lambda: nn.RNN(3, 4, nonlinearity="relu"), drawn(4, 2, 3), output="0"),
    case_of(lambda: nn.LSTM(3, 4, 2, dropout=0.3, bidirectional=True), drawn(4, 2, 3), output="0"),
    case_of(lambda: nn.LSTM(3, 4, proj_size=2, batch_first=True), drawn(2, 4, 3), output="0"),
    case_of(lambda: nn.GRU(3, 4, bias=False), drawn(4, 3), output="0"),
    case_of(lambda: nn.LSTMCell(3, 4), drawn(2, 3), output="1"),
    case_of(lambda: nn.GRUCell(3, 4), drawn(2, 3)),
    case_of(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), drawn(2, 3)),
    case_of(lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2)), drawn(2, 3)),
    case_of(lambda: nn.Sequential(nn.Conv2d(2, 2, 1), nn.FractionalMaxPool2d(2, output_size=2)), drawn(1, 2, 5, 5)),
    case_of(
        lambda: nn.Sequential(
            nn.Conv2d(3, 3, 1),
            nn.FractionalMaxPool2d((2, 3), None, (0.6, 0.5), _random_samples=drawn(1, 3, 2).sigmoid()),
        ),
        drawn(1, 3, 7, 6),
    ),
    case_of(Tied, torch.tensor([0, 3, 1])),
]


def autograd(module: nn.Module, inputs: tuple[Tensor, ...], output: str | None, cotangent: Tensor) -> dict[str, Tensor]:
    torch.manual_seed(0)
    returned = module(*inputs)
    result = returned if output is None else returned[int(output)]
    result.backward(cotangent)
    named = module.named_parameters()
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in named if p.requires_grad}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "inputs", "output", "train"), MODULES)
def test_the_symbolic_gradient_of_every_parameter_is_autograds(
    make: Any, inputs: tuple[Tensor, ...], output: str | None, train: bool
) -> None:
    torch.manual_seed(3)
    module = make().double().train(train)
    alone = copy.deepcopy(module)
    report = gradcli.check(module, inputs, output=output, witnesses="symbolic")
    assert report.verdict == "match", [(tensor.name, tensor.verdict, tensor.note) for tensor in report.tensors]
    cotangent = report.details.grad_output
    right = autograd(alone, inputs, output, torch.ones_like(report.output.value) if cotangent is None else cotangent)
    assert set(right) == {tensor.name for tensor in report.tensors if tensor.name in right}
    for name, gradient in right.items():
        assert torch.allclose(report[name].symbolic.value, gradient, rtol=1e-10, atol=1e-12), name


def test_what_is_checked_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).train()
    module[0].weight.grad = torch.ones(4, 3)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    inputs = (torch.randn(5, 3),)
    drawn_before, dtype = torch.get_rng_state(), torch.get_default_dtype()
    gradcli.check(module, inputs, train=False)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(module[0].weight.grad, torch.ones(4, 3))
    assert module.training
    assert next(module.parameters()).dtype is torch.float32
    assert torch.get_default_dtype() is dtype
    assert torch.equal(torch.get_rng_state(), drawn_before)


def test_a_packed_sequence_is_followed() -> None:
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(2, 3, bidirectional=True)

        def forward(self, x: Tensor) -> Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([4, 2]))
            out, last = self.rnn(packed)
            return out.data.square().sum() + last.sum()

    assert gradcli.check(Packed(), (drawn(4, 2, 2),), witnesses="symbolic").verdict == "match"


def test_a_module_in_a_lower_precision_is_judged_as_that_is() -> None:
    def f(x: Tensor, w: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return (x @ w).float().tanh().sum()

    report = gradcli.check(f, (drawn(3, 4), drawn(4, 2)), dtype="float32")
    assert report.verdict == "match"
    assert gradcli.check(lambda x: (x.float() * 2).double().sin().sum(), (drawn(3),)).verdict == "match"


def test_a_models_own_tensors_are_within_the_limits() -> None:
    from gradcli.engine import evaluate_code
    from gradcli.limits import Limits
    from gradcli.settings import Settings

    settings = Settings(command="check", witnesses=("symbolic",), limits=Limits(elements=10))
    model = nn.Sequential(nn.Embedding(20, 5), nn.Flatten(), nn.Linear(15, 2))
    assert evaluate_code(model, settings, (torch.tensor([[0, 7, 19]]),)).verdict == "match"


def test_values_that_parameters_are_given_are_those_of_the_trace() -> None:
    from gradcli.engine import evaluate_code
    from gradcli.settings import Settings

    module, given = nn.Sequential(nn.Linear(2, 1), nn.GELU()), [0.75]
    values: Any = {"0.bias": given}
    settings = Settings(command="eval", values=values, reduce="sum")
    x = drawn(3, 2)
    report = evaluate_code(module, settings, [x])
    assert report.verdict == "match"
    own = copy.deepcopy(module).double()
    own[0].bias.data = torch.tensor(given, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(own(x).sum(), own[0].bias)
    assert torch.allclose(report["0.bias"].symbolic.value, gradient, rtol=1e-10)


class Cells(nn.Module):
    """A cell makes its output of the new state, which goes on by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(2, 3)

    def forward(self, steps: Tensor) -> Tensor:
        h = c = torch.zeros(steps.shape[1], 3, dtype=steps.dtype)
        for step in steps:
            h, c = self.cell(step, (h, c))
        return h.square().sum()


def test_a_state_that_a_cell_goes_on_with_is_no_mismatch() -> None:
    torch.manual_seed(0)
    report = gradcli.check(Cells(), (drawn(3, 2, 2),), witnesses="symbolic")
    assert report.verdict == "match"
    assert {tensor.name for tensor in report.tensors} >= {"steps", "cell.weight_ih", "cell.bias_hh"}


def test_hooks_see_what_a_module_is_called_with_by_place() -> None:
    module, seen = nn.Bilinear(2, 2, 1), []
    module.register_forward_pre_hook(lambda _, given: seen.append(len(given)))
    report = gradcli.check(module, {"input1": drawn(3, 2), "input2": drawn(3, 2)}, witnesses="symbolic", reduce="sum")
    assert report.verdict == "match"
    assert set(seen) == {2}


class Filter(nn.Module):
    """A complex parameter beside a real one."""

    def __init__(self) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.randn(3, dtype=torch.complex64)), nn.Parameter(torch.randn(3))

    def forward(self, x: Tensor) -> Tensor:
        return (torch.fft.fft(x + self.shift) * self.gain).abs().square().sum()


def test_a_complex_parameter_stays_complex() -> None:
    torch.manual_seed(0)
    module, x = Filter(), drawn(2, 3)
    report = gradcli.check(module, (x,), witnesses="symbolic")
    assert report.verdict == "match"
    spectrum = torch.fft.fft(x + module.shift.detach().double())
    right = 2 * module.gain.detach().to(torch.complex128) * spectrum.abs().square().sum(0)
    torch.testing.assert_close(report["gain"].symbolic.value, right)  # type: ignore[union-attr]


class Own(Tensor):
    """A subclass, whose views have one more node in autograd's graph."""


def test_the_gradient_of_a_subclass_is_found() -> None:
    x = drawn(3)
    report = gradcli.check(lambda x: (x * 2).exp().sum(), {"x": x.as_subclass(Own)}, witnesses="symbolic")
    assert report.verdict == "match"
    torch.testing.assert_close(report["x"].gradient.as_subclass(Tensor), 2 * (2 * x).exp())  # type: ignore[union-attr]


@pytest.mark.parametrize("command", ["grad", "trace", "jvp", "jacobian", "double-backward", "accumulate"])
def test_every_command_takes_a_module_that_writes_to_its_buffers(command: str) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Tanh(), nn.Dropout(0.5), nn.Linear(2, 1))
    options: dict[str, Any] = {"tangents": {"input": drawn(4, 2).tolist()}} if command == "jvp" else {}
    options |= {"times": 2} if command == "accumulate" else {}
    settings = Settings(command=command, reduce="sum", formulas=False, **options)
    report = evaluate_code(module, settings, {"input": drawn(4, 2)})
    assert report.verdict == "match", [(tensor.name, tensor.verdict, tensor.note) for tensor in report.tensors]


def test_what_rounding_decides_in_one_call_is_undecided_in_their_sum() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU(), nn.Linear(2, 1))
    settings = Settings(command="accumulate", times=2, reduce="mean", formulas=False)
    report = evaluate_code(module, settings, {"input": torch.full((4, 2), 2.0, dtype=torch.float64)})
    assert "mismatch" not in {tensor.verdict for tensor in report.tensors}
    assert report["1.bias"].verdict == "undecided"
