"""PyTorch's own networks and distributions in programs, each beside what PyTorch computes with the same numbers."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.errors import GradcliError
from gradcli.settings import Settings

NETWORKS = {
    "nn.LSTM(3, 2, num_layers=2, bidirectional=True)": "net(x)[0]",
    "nn.GRU(3, 2, batch_first=True)": "net(x)[0]",
    "nn.RNN(3, 2, nonlinearity='relu')": "net(x)[0]",
    "nn.LSTM(3, 4, proj_size=2)": "net(x)[1][0]",
    "nn.GRUCell(3, 2, bias=False)": "net(x[0])",
    "nn.LSTMCell(3, 2)": "net(x[0])[1]",
    "nn.RNNCell(3, 2)": "net(x[0])",
    "nn.MultiheadAttention(3, 1)": "net(x, x, x)[0]",
    "nn.TransformerEncoderLayer(3, 1, 5, dropout=0.0)": "net(x)",
    "nn.TransformerDecoderLayer(3, 3, 4, dropout=0.3)": "net(x, x.flip(0))",
}


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("made", NETWORKS)
def test_a_network_has_the_gradients_that_pytorch_gives_it(made: str) -> None:
    text = f"x = torch.randn(4, 2, 3)\nnet = {made}\nout = {NETWORKS[made]}\n(out**2).sum().backward()"
    report = evaluate_program(text, Settings(formulas=False))
    assert report.verdict is not None
    assert report.verdict.passes
    space: dict[str, Any] = {"torch": torch, "nn": torch.nn}
    torch.manual_seed(0)
    exec(text, space)  # noqa: S102 (the texts are ours)
    found = {tensor.name: tensor.gradient for tensor in report.tensors if tensor.kind == "leaf"}
    for name, parameter in space["net"].named_parameters("net"):
        if parameter.grad is not None:
            assert torch.allclose(found[name].float(), parameter.grad, rtol=2e-4, atol=2e-5), name


def test_only_what_the_program_computes_is_shown() -> None:
    text = "cell = nn.GRUCell(3, 2)\nh = torch.zeros(1, 2)\nfor row in x:\n  h = cell(row, h)\nh.sum()"
    report = evaluate_program(text, Settings(formulas=False), {"x": torch.randn(3, 1, 3)})
    inner = [tensor.name for tensor in report.tensors if tensor.kind != "leaf" and not tensor.name.startswith("h")]
    assert len([name for name in inner if name.startswith("cell(")]) <= 2


DISTRIBUTIONS = {
    "Normal(a, b).log_prob(torch.tensor([0.3, 1.2]))": None,
    "Normal(loc=a, scale=b).rsample()": None,
    "Bernoulli(logits=a).entropy()": None,
    "Categorical(logits=a).log_prob(torch.tensor(1))": None,
    "Exponential(b).log_prob(torch.tensor([0.3, 1.2]))": None,
    "Laplace(a, b).cdf(torch.tensor([0.3, 1.2]))": None,
    "Poisson(b).log_prob(torch.tensor([1., 2.]))": None,
    "kl_divergence(Normal(a, b), Normal(0., 1.))": None,
    "MultivariateNormal(a, torch.diag(b)).log_prob(torch.zeros(2))": None,
    "Independent(Normal(a, b), 1).log_prob(torch.zeros(2))": None,
    "Normal(a, b).variance * Normal(a, b).mean": None,
}


@pytest.mark.parametrize("made", DISTRIBUTIONS)
def test_a_distribution_has_the_gradients_that_pytorch_gives(made: str) -> None:
    text = (
        "from torch.distributions import *\nfrom torch.distributions import Bernoulli, Categorical, Exponential, "
        "Independent, Laplace, MultivariateNormal, Normal, Poisson, kl_divergence\n"
        "a = torch.tensor([0.2, -0.4], requires_grad=True)\nb = torch.tensor([0.6, 1.3], requires_grad=True)\n"
        f"({made}).sum().backward()"
    )
    report = evaluate_program(text, Settings(formulas=False))
    assert report.verdict is not None
    assert report.verdict.passes
    space: dict[str, Any] = {"torch": torch}
    torch.manual_seed(0)
    exec(text, space)  # noqa: S102 (the texts are ours)
    for name in ("a", "b"):
        known = space[name].grad
        if known is not None:
            assert torch.allclose(report[name].gradient.float(), known, rtol=1e-4, atol=1e-6), name


def test_a_sample_is_a_constant_to_every_witness() -> None:
    text = "d = torch.distributions.Categorical(logits=x)\na = d.sample()\n(-d.log_prob(a)*2.).backward()"
    report = evaluate_program(text, Settings(command="check", formulas=False), {"x": [0.1, 0.2, -0.3]})
    assert report.verdict is not None
    assert report.verdict.passes


def test_an_alias_of_a_module_is_read_as_the_module() -> None:
    text = "import torch.distributions as D\nimport torch.nn.functional as fun\nD.Normal(x, 1.).log_prob(fun.relu(x))"
    report = evaluate_program(text, Settings(formulas=False), {"x": 1.5})
    assert report["x"].gradient == pytest.approx(0.0)  # of -(relu(x) - x)**2/2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torch.distributions.Normal(x, -1.).log_prob(x)", "PyTorch refuses"),
        ("d = torch.distributions.Normal(x, 1.); d.nothing*x", "nothing"),
        ("nn.LSTM(1, 1, 10**6)(x.view(1, 1))[0]", "1,000,000 layers"),
        ("torch.distributions.Gamma(x, x).rsample()", "writes to a tensor"),
    ],
)
def test_what_is_not_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(GradcliError, match=message):
        evaluate_program(text, Settings(formulas=False), {"x": 2.0})


def test_what_writes_a_tensor_leaves_pytorch_as_it_is() -> None:
    """Where a distribution refuses its parameters, it writes them; an error in there would switch functorch off."""
    program = "from torch.distributions import MultivariateNormal\nMultivariateNormal(a, torch.diag(b)).log_prob(a*0)"
    gc.disable()
    try:
        evaluate_program(program, Settings(values={"a": [0.1, 0.2], "b": [1.0, 2.0]}, formulas=False))
        assert torch.func.jacrev(torch.abs)(torch.ones(2)).equal(torch.eye(2))
    finally:
        gc.enable()
