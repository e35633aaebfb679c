"""Modules of `torch.nn` in a program: what each computes, and the gradients of its parameters, are PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.errors import GradcliError, LimitError
from gradcli.language.modules import CONTAINERS, MODULES
from gradcli.limits import Limits
from gradcli.report.report import Report
from gradcli.settings import Settings

ROWS = "torch.randn(4, 3)"
LINES, IMAGES, BLOCKS = "torch.randn(2, 4, 6)", "torch.randn(2, 4, 6, 6)", "torch.randn(2, 2, 4, 4, 4)"
SPACES = {1: LINES, 2: IMAGES, 3: BLOCKS}
PAIR = f"{ROWS}, {ROWS}"
SIGNS = "torch.randint(0, 2, (4,)).float()*2 - 1"
PROBABILITIES = "torch.rand(4, 3)"
# How a module is made, and on what it is called.
CASES = [
    *((f"nn.{name}()", PAIR) for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")),
    ("nn.HuberLoss('sum', 0.5)", PAIR),
    ("nn.CrossEntropyLoss(weight=torch.tensor([1., 2., 3.]))", f"{ROWS}, torch.tensor([0, 2, 1, 1])"),
    ("nn.CrossEntropyLoss(label_smoothing=0.1, reduction='sum')", f"{ROWS}, torch.tensor([0, 2, 1, 1])"),
    ("nn.NLLLoss()", f"F.log_softmax({ROWS}, dim=1), torch.tensor([0, 2, 1, 1])"),
    ("nn.BCELoss()", f"{PROBABILITIES}, {PROBABILITIES}"),
    ("nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2., 1., 3.]))", f"{ROWS}, {PROBABILITIES}"),
    ("nn.KLDivLoss(reduction='batchmean')", f"F.log_softmax({ROWS}, dim=1), F.softmax({ROWS}, dim=1)"),
    ("nn.PoissonNLLLoss()", f"{ROWS}, {PROBABILITIES}"),
    ("nn.GaussianNLLLoss()", f"{ROWS}, {ROWS}, {PROBABILITIES} + 0.1"),
    ("nn.SoftMarginLoss()", f"torch.randn(4), {SIGNS}"),
    ("nn.MultiMarginLoss()", f"{ROWS}, torch.tensor([0, 2, 1, 1])"),
    ("nn.HingeEmbeddingLoss()", f"torch.randn(4), {SIGNS}"),
    ("nn.CosineEmbeddingLoss(margin=0.1)", f"{PAIR}, {SIGNS}"),
    ("nn.MarginRankingLoss(margin=0.5)", f"torch.randn(4), torch.randn(4), {SIGNS}"),
    ("nn.TripletMarginLoss(2.0)", f"{PAIR}, {ROWS}"),
    ("nn.CosineSimilarity(dim=0)", PAIR),
    ("nn.PairwiseDistance(p=3, keepdim=True)", PAIR),
    *((f"nn.{name}()", ROWS) for name in ("ReLU6", "Sigmoid", "Tanh", "Softsign", "Tanhshrink", "SiLU", "Mish")),
    *((f"nn.{name}()", ROWS) for name in ("SELU", "Hardswish", "Hardsigmoid", "LogSigmoid", "Hardtanh", "Identity")),
    ("nn.ReLU(inplace=True)", ROWS),
    ("nn.GELU(approximate='tanh')", ROWS),
    ("nn.ELU(0.5)", ROWS),
    ("nn.CELU(0.5)", ROWS),
    ("nn.GLU(dim=0)", ROWS),
    ("nn.LeakyReLU(0.2)", ROWS),
    ("nn.Softplus(beta=2, threshold=10)", ROWS),
    ("nn.Softshrink(0.3)", ROWS),
    ("nn.Hardshrink(0.3)", ROWS),
    ("nn.Threshold(0.1, 5.0)", ROWS),
    ("nn.Softmax(dim=1)", ROWS),
    ("nn.Softmin(dim=1)", ROWS),
    ("nn.LogSoftmax(dim=1)", ROWS),
    ("nn.Flatten()", IMAGES),
    ("nn.Unflatten(1, (3, 1))", ROWS),
    ("nn.Upsample(scale_factor=2)", LINES),
    ("nn.PixelShuffle(2)", IMAGES),
    ("nn.Dropout(0.4)", ROWS),
    ("nn.Linear(3, 2)", ROWS),
    ("nn.Linear(in_features=3, out_features=2, bias=False)", ROWS),
    ("nn.Bilinear(3, 3, 2)", PAIR),
    ("nn.Embedding(5, 2, padding_idx=0)", "torch.tensor([[0, 2], [4, 2]])"),
    ("nn.EmbeddingBag(5, 2)", "torch.tensor([[0, 2], [4, 2]])"),
    ("nn.EmbeddingBag(5, 2, mode='sum', padding_idx=1)", "torch.tensor([0, 2, 1]), torch.tensor([0, 2])"),
    ("nn.PReLU(init=0.3)", ROWS),
    ("nn.LayerNorm(3)", ROWS),
    ("nn.LayerNorm((4, 3), elementwise_affine=False)", ROWS),
    ("nn.RMSNorm(3)", ROWS),
    ("nn.GroupNorm(2, 4)", LINES),
    *((f"nn.BatchNorm{n}d({2 if n == 3 else 4})", SPACES[n]) for n in (1, 2, 3)),
    *((f"nn.InstanceNorm{n}d({2 if n == 3 else 4}, affine=True)", SPACES[n]) for n in (1, 2, 3)),
    ("nn.Conv1d(4, 2, 3, stride=2, padding='valid')", LINES),
    ("nn.Conv2d(4, 6, (3, 2), padding=1, dilation=(1, 2), groups=2, bias=False)", IMAGES),
    ("nn.Conv3d(2, 1, 2)", BLOCKS),
    ("nn.ConvTranspose1d(4, 2, 3, stride=2, output_padding=1)", LINES),
    ("nn.ConvTranspose2d(4, 1, 2)", IMAGES),
    ("nn.ConvTranspose3d(2, 1, 2)", BLOCKS),
    *((f"nn.MaxPool{n}d(2)", SPACES[n]) for n in (1, 2, 3)),
    *((f"nn.AvgPool{n}d(2, stride=1)", SPACES[n]) for n in (1, 2, 3)),
    *((f"nn.AdaptiveAvgPool{n}d(2)", SPACES[n]) for n in (1, 2, 3)),
    *((f"nn.AdaptiveMaxPool{n}d(1)", SPACES[n]) for n in (1, 2, 3)),
    ("nn.MultiLabelMarginLoss()", f"{ROWS}, torch.tensor([[2, 0, -1]]*4)"),
    ("nn.MultiLabelSoftMarginLoss(weight=torch.tensor([1., 2., 3.]))", f"{ROWS}, torch.tensor([[1., 0., 1.]]*4)"),
    (
        "nn.CTCLoss(blank=2, zero_infinity=True)",
        "F.log_softmax(torch.randn(5, 1, 4), -1), torch.tensor([[1, 3]]), torch.tensor([5]), torch.tensor([2])",
    ),
    ("nn.PixelUnshuffle(2)", IMAGES),
    ("nn.ChannelShuffle(2)", IMAGES),
    ("nn.Unfold(2, padding=1)", IMAGES),
    ("nn.Fold((4, 5), 2)", "torch.randn(2, 4, 12)"),
    ("nn.LocalResponseNorm(2, alpha=0.5)", IMAGES),
    ("nn.AlphaDropout(0.3)", ROWS),
    ("nn.FeatureAlphaDropout(0.3)", IMAGES),
    ("nn.RReLU(0.1, 0.4)", ROWS),
    *((f"nn.Dropout{n}d(0.3)", space) for n, space in SPACES.items()),
    *((f"nn.LPPool{n}d(2, 2)", f"{space}.abs() + 0.1") for n, space in SPACES.items()),
]
SPACE = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}


def report(program: str, **settings: Any) -> Report:
    return evaluate_program(program, Settings(formulas=False, verify=False, **settings))


def expected(program: str) -> dict[str, Any]:
    """Return the names of a program that PyTorch has run up to `backward()`."""
    space: dict[str, Any] = dict(SPACE)
    torch.manual_seed(0)
    exec(program, space)  # noqa: S102 (the programs are ours)
    return space


def assert_same(found: Report, space: dict[str, Any]) -> None:
    """Assert that the leaves are PyTorch's, their values and their gradients, in float32's rounding."""
    known = {name: value for name, value in space.items() if isinstance(value, torch.Tensor) and value.is_leaf}
    for top, module in space.items():
        if isinstance(module, torch.nn.Module):
            known |= dict(module.named_parameters(top))
    known = {name: value for name, value in known.items() if value.requires_grad}
    leaves = {tensor.name: tensor for tensor in found.tensors if tensor.kind == "leaf"}
    assert known.keys() == leaves.keys()
    for name, leaf in known.items():
        close = {"rtol": 1e-3, "atol": 1e-4}
        assert torch.allclose(leaves[name].value.float(), leaf.detach(), **close), name
        assert leaf.grad is not None
        assert torch.allclose(leaves[name].gradient.float(), leaf.grad, **close), name


@pytest.mark.parametrize(("module", "inputs"), CASES, ids=[case[0] for case in CASES])
def test_a_module_computes_what_pytorch_computes(module: str, inputs: str) -> None:
    program = (
        f"m = {module}\ns = torch.tensor(1.5, requires_grad=True)\nout = m({inputs})*s\n(out*out).sum().backward()"
    )
    assert_same(report(program), expected(program))


def test_every_module_is_looked_at() -> None:
    made = {case[0].removeprefix("nn.").partition("(")[0] for case in CASES}
    assert made == {name for name, row in MODULES.items() if not row.is_whole}  # those: test_embedded.py
    assert all(hasattr(torch.nn, name) for name in (*MODULES, *CONTAINERS))


PROGRAMS = {
    "several layers draw one after the other": """
m = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
x = torch.randn(5, 3)
m(x).mean().backward()""",
    "what is evaluated does not drop out": """
m = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
m.eval()
m(torch.randn(4, 3)).pow(2).sum().backward()""",
    "what trains again drops out": """
m = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
m.eval()
m.train()
m(torch.randn(4, 3)).pow(2).sum().backward()""",
    "parameters are filled": """
m = nn.Linear(2, 2)
nn.init.xavier_normal_(m.weight)
nn.init.constant_(m.bias, 0.5)
m(torch.ones(1, 2)).pow(2).sum().backward()""",
    "parameters are given values": """
m = nn.Linear(2, 1)
with torch.no_grad():
    m.weight.copy_(torch.tensor([[0.3, 0.7]]))
m.bias.data.fill_(1.0)
m(torch.ones(1, 2)).pow(2).sum().backward()""",
    "an activation in place changes its input": """
m = nn.Linear(3, 3)
act = nn.LeakyReLU(0.1, inplace=True)
h = m(torch.randn(4, 3))
y = act(h)
(y + 3 * h).pow(2).sum().backward()""",
    "a parameter is shared": """
m = nn.Linear(2, 2)
(m(m(torch.ones(1, 2))) @ m.weight).sum().backward()""",
    "a class holds parameters and modules": """
class Net(nn.Module):
    def __init__(self, n, bias=True):
        super().__init__()
        self.scale = nn.Parameter(torch.full((n,), 2.0))
        self.layers = nn.ModuleList([nn.Linear(n, n, bias=bias) for _ in range(2)])
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=0.1)

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = torch.tanh(layer(x)) * self.scale if i == 0 else layer(x)
        return x

net = Net(3, bias=False)
net(torch.randn(2, 3)).sum().backward()""",
    "a method of its own": """
class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc = nn.Linear(2, 2)

    def encode(self, x, power=2):
        return self.fc(x) ** power

    def forward(self, x):
        return self.encode(x, power=3) + self.encode(x)

net = Net()
net(torch.ones(1, 2)).sum().backward()""",
    "penalties run over parameters": """
m = nn.Linear(3, 1)
x = torch.randn(4, 3)
penalty = sum(p.pow(2).sum() for p in m.parameters())
for name, p in m.named_parameters():
    if "bias" not in name:
        penalty = penalty + p.abs().sum()
del p
loss = m(x).pow(2).mean() + 0.1 * penalty
loss.backward()""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_with_modules_has_pytorchs_gradients(name: str) -> None:
    assert_same(report(PROGRAMS[name]), expected(PROGRAMS[name]))


def test_every_witness_sees_the_same_parameters() -> None:
    program = "m = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Dropout(0.3))\nm(torch.randn(4, 2)).sum()"
    found = evaluate_program(program, Settings(command="check"))
    assert found.verdict == "match"
    for leaf in ("m.0.weight", "m.0.bias"):
        assert all(witness.verdict == "match" for witness in (found[leaf].witnesses or {}).values())


@pytest.mark.parametrize(
    "freeze",
    [
        "for p in m[0].parameters():\n    p.requires_grad = False",
        "for p in m[0].parameters():\n    p.requires_grad_(False)",
        "m[0].requires_grad_(False)",
        "m[0].weight.requires_grad = False\nm[0].bias.requires_grad = False",
    ],
)
def test_what_is_frozen_has_no_gradient(freeze: str) -> None:
    program = f"m = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))\n{freeze}\nm(torch.ones(1, 2)).backward()"
    found = {tensor.name: tensor for tensor in report(program).tensors if tensor.kind == "leaf"}
    assert found["m.1.weight"].gradient.abs().sum() > 0
    frozen = [found[name] for name in ("m.0.weight", "m.0.bias") if name in found]
    assert not any(leaf.gradient.any() for leaf in frozen if leaf.gradient is not None)


def test_an_option_gives_a_parameter_its_value() -> None:
    found = report(
        "m = nn.Linear(2, 1)\nm(torch.ones(1, 2)).pow(2)", values={"m.weight": [[1.0, 2.0]], "m.bias": [0.5]}
    )
    assert found["m.weight"].gradient.tolist() == [[7.0, 7.0]]
    assert found["m.bias"].gradient.tolist() == [7.0]


def test_a_refused_input_is_explained_by_the_function() -> None:
    with pytest.raises(GradcliError) as caught:
        report("nn.Linear(3, 2)(x)", shapes={"x": (2,)})
    assert "`F.linear(x, weight, bias)`, where weight is 2x3, bias is 2" in (caught.value.hint or "")
    assert "'x' is 2" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ("nn.Linear(3)(x)", "nn.Linear(in_features, out_features, bias)"),
        ("m = nn.Sequential(nn.Linear(2, 2)); m(x, x)", None),
        ("nn.ModuleList([nn.ReLU()])(x)", None),
        ("m = nn.ModuleList(nn.ReLU()); x", "nn.ModuleList([...])"),
        ("m = nn.Linear(2, 2); m.in_features(x)", None),
        ("m = nn.Linear(2, 2).half(); m(x)", "--dtype float16"),
        ("m = nn.Linear(2, 2).to(torch.bfloat16); m(x)", "--dtype float16"),
        ("nn.Conv1d(1, 1, 3, padding_mode='reflect')(x)", "`gradcli run FILE.py`"),
        ("nn.MaxPool1d(2, return_indices=True)(x)", "`gradcli run FILE.py`"),
        ("nn.InstanceNorm1d(2, track_running_stats=True)(x)", "`gradcli run FILE.py`"),
        ("nn.ReLU(inplace=True)(x)", "leave `inplace=True` out"),
        ("x.sigmoid_()", "`y = x.sigmoid(...)`"),
        ("y = x*2; v = y.view(1); nn.ReLU(inplace=True)(y) + v", "leave `inplace=True` out"),
        ("m = nn.Linear(2, 2); m.apply(1); m(x)", None),
        ("w = torch.randn(3, requires_grad=True); y = w*2; w.data.fill_(1.); (y*w).sum()", "before it is used"),
        ("w = torch.randn(3, requires_grad=True); w.fill_(1.); w.sum()", "no_grad"),
        ("y = x*2; y.data.fill_(1.); y", "`where`"),
        ("x.data.fill_(1.); x", "--value x="),
    ],
)
def test_what_a_module_is_not_made_for_is_refused(program: str, hint: str | None) -> None:
    with pytest.raises(GradcliError) as caught:
        report(program)
    assert caught.value.exit_code == 2
    assert caught.value.span is not None
    assert (hint or "") in (caught.value.hint or "")


def test_a_module_is_no_larger_than_a_tensor_may_be() -> None:
    with pytest.raises(LimitError, match="elements"):
        report("nn.Linear(10**6, 10**6)(x)")
    with pytest.raises(LimitError, match="elements"):
        report("nn.Linear(100, 100)(torch.ones(100))", limits=Limits(elements=1000))
