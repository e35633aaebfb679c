"""What is said of a script's backward calls: what they compute, what was not seen, what failed and why."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gradcli.engine import run_script
from gradcli.errors import ExitCode, GradcliError
from gradcli.execution.code.script.session import Session, Wanted
from gradcli.execution.commands.run import CheckedCall
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

Run = Callable[..., tuple[list[CheckedCall], GradcliError | None]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the text of a script in this process; return what its backward calls came to, and how it failed."""
    monkeypatch.setattr(sys, "argv", ["pytest"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", True)  # which torch.compile turns off
    monkeypatch.chdir(tmp_path)

    def runs(text: str, **settings: Any) -> tuple[list[CheckedCall], GradcliError | None]:
        (tmp_path / "script.py").write_text("import torch\nfrom torch import nn\n" + text, encoding="utf-8")
        found: list[CheckedCall] = []
        settings = {"formulas": False, **settings}
        try:
            run_script("script.py", [], Settings(command="run", **settings), found.append)
        except GradcliError as error:
            return found, error
        return found, None

    return runs


def report(found: CheckedCall) -> Report:
    assert found.report is not None, found.error
    return found.report


def names(found: CheckedCall) -> list[str]:
    return [tensor.name for tensor in report(found)]


SEVERAL = """
x = torch.tensor([1.0, 2.0], requires_grad=True)
w = torch.tensor([3.0, 1.0], requires_grad=True)
a, b = (w * x).sum(), (w + x) ** 2
torch.autograd.backward([a, b], [None, torch.ones(2)], retain_graph=True)
torch.autograd.grad([a, b], [w, x], grad_outputs=[torch.tensor(2.0), torch.tensor([1.0, 3.0])], retain_graph=True)
a.backward(inputs=[w], retain_graph=True)
torch.autograd.grad(b.sum(), [a, w], allow_unused=True, retain_graph=True)
b.backward(torch.tensor([1.0, 0.0]))
"""


def test_every_way_to_call_it(run: Run) -> None:
    found, error = run(SEVERAL)
    assert error is None
    assert [report(one).verdict for one in found] == [Verdict.MATCH] * 5
    gradients = [report(one)["w"].gradient.tolist() for one in found]
    # By hand: d(w x) = x and d(w + x)^2 = 2 (w + x), each times its upstream gradient.
    assert gradients == [[9.0, 8.0], [10.0, 22.0], [1.0, 2.0], [8.0, 6.0], [8.0, 0.0]]
    assert "x" not in names(found[2])
    assert "a" not in names(found[3])


TRAINING = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)
    def forward(self, x):
        hidden = torch.tanh(self.inner(x))
        return hidden.sum()
def main():
    nets = [Net(), nn.Linear(2, 2, bias=False)]
    optimizer = torch.optim.Adam([p for net in nets for p in net.parameters()], lr=0.1)
    scale = torch.tensor(2.0, requires_grad=True)
    for _ in range(3):
        optimizer.zero_grad()
        loss = scale * nets[0](nets[1](torch.ones(1, 2)))
        loss.backward()
        optimizer.step()
main()
"""


def test_parameters_are_called_by_the_variable_that_holds_their_module(run: Run) -> None:
    found, error = run(TRAINING)
    assert error is None
    assert [report(one).verdict for one in found] == [Verdict.MATCH] * 3
    for one in found:
        leaves = {tensor.name for tensor in report(one) if tensor.kind == "leaf"}
        assert leaves == {"scale", "nets[1].weight", "nets[0].inner.weight", "nets[0].inner.bias"}
        assert {"hidden", "loss"} <= set(names(one))


MODULAR = """
class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]
class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(2, 2)
    def forward(self, x):
        return Wrong.apply(self.q(x))
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn, self.norm = Head(), nn.LayerNorm(2)
    def forward(self, x):
        return x + self.attn(self.norm(x))
def main():
    torch.manual_seed(0)
    model = nn.ModuleDict({"body": nn.Sequential(Block(), Block())})
    loss = model["body"](torch.tensor([[1.0, -2.0]])).square().sum()
    loss.backward()
main()
"""


def test_what_is_made_in_a_module_has_its_path_by_the_variable_that_holds_the_model(run: Run) -> None:
    found, error = run(MODULAR)
    assert error is None
    tensors = {tensor.name: tensor for tensor in report(found[0])}
    assert tensors["model.body.0.attn.q.weight"].module == "model.body.0.attn.q"
    assert tensors["loss"].module is None
    inside = {tensor.module for tensor in tensors.values() if tensor.kind == "non-leaf"}
    assert {"model.body.0", "model.body.1", "model.body.0.norm", "model.body.1.attn", "model.body.1.attn.q"} <= inside
    assert any("in module 'model.body.1.attn'" in (tensor.note or "") for tensor in tensors.values())


def test_a_leaf_that_an_optimizer_writes_to_begins_anew(run: Run) -> None:
    text = "w = torch.tensor(1.0, requires_grad=True)\nfor _ in range(3):\n    (w ** 3).backward()\n"
    found, _ = run(text + "    with torch.no_grad():\n        w += 1\n")
    assert [report(one)["w"].gradient.item() for one in found] == [3.0, 12.0, 27.0]
    assert [names(one) for one in found] == [["w", "w ** 3"]] * 3


TWO_VALUES = """
w = torch.tensor(1.0, requires_grad=True)
a = w * 3
with torch.no_grad():
    w += 1
(a + w ** 2).backward()
"""


def test_a_leaf_at_two_values_in_one_graph_has_one_gradient(run: Run) -> None:
    found, error = run(TWO_VALUES)
    assert error is None
    assert report(found[0]).verdict is Verdict.MATCH
    assert report(found[0])["w"].gradient.item() == 7.0


UNSEEN = """
w = torch.tensor([1.0, 2.0], requires_grad=True)
v = torch.tensor([1.5, 2.0], requires_grad=True)
h, k = (v * w).tanh(), v.exp()
(w * 2).sum().backward()
(h * w).sum().backward(retain_graph=True)
(k * w).sum().backward()
"""


def test_what_was_made_before_the_script_was_followed_is_not_judged(run: Run) -> None:
    found, _ = run(UNSEEN, calls=(3,))
    (one,) = found
    assert report(one).verdict is Verdict.MATCH
    assert "v" not in names(one)
    assert report(one)["k"].kind == "non-leaf"
    assert "made before the script was followed" in str(report(one)["k"].note)


def test_a_leaf_of_which_only_a_part_was_seen_is_undecided(run: Run) -> None:
    found, _ = run(UNSEEN, calls=(2,))
    (one,) = found
    assert report(one)["w"].verdict is Verdict.UNDECIDED
    assert "is not known" in str(report(one)["w"].note)
    assert report(one).verdict is Verdict.UNDECIDED


def test_an_output_that_was_not_seen_is_undecided(run: Run) -> None:
    found, _ = run("w = torch.ones(2, requires_grad=True)\na = w.sum()\nw.sum().backward()\na.backward()\n", calls=(2,))
    assert found[0].report is None
    assert "was not seen" in str(found[0].error)


SECOND = """
w = torch.tensor([1.0, 2.0], requires_grad=True)
(g,) = torch.autograd.grad((w ** 3).sum(), w, create_graph=True)
(g ** 2).sum().backward()
"""


def test_a_second_derivative_is_one_of_the_gradient_that_was_asked_for(run: Run) -> None:
    found, _ = run(SECOND)
    assert [report(one).verdict for one in found] == [Verdict.MATCH, Verdict.MATCH]
    assert report(found[1])["g"].verdict is Verdict.MATCH
    assert report(found[1])["w"].symbolic.value.tolist() == [36.0, 288.0]  # 2 * 3w² * 6w


KEPT_IN_GRAD = """
import warnings
warnings.simplefilter("ignore")  # PyTorch's, of the circle between a tensor and its `.grad`
w = torch.tensor([1.0, 2.0], requires_grad=True)
(w ** 3).sum().backward(create_graph=True)
g, w.grad = w.grad, None
(g ** 2).sum().backward()
"""


def test_a_second_derivative_by_way_of_grad_is_undecided_for_what_it_rests_on(run: Run) -> None:
    found, _ = run(KEPT_IN_GRAD)
    assert [report(one).verdict for one in found] == [Verdict.MATCH, Verdict.UNDECIDED]
    assert report(found[1])["g"].verdict is Verdict.MATCH


ENSEMBLE = """
import copy
models = [nn.Linear(2, 1).double() for _ in range(2)]
parameters, buffers = torch.func.stack_module_state(models)
base = copy.deepcopy(models[0]).to("meta")
def of_one(parameters, buffers, x):
    return torch.func.functional_call(base, (parameters, buffers), (x,))
x = torch.ones(3, 2, dtype=torch.float64)
torch.vmap(of_one, (0, 0, None))(parameters, buffers, x).sum().backward()
"""


def test_an_ensemble_whose_module_is_on_the_meta_device_is_followed(run: Run) -> None:
    found, error = run(ENSEMBLE)
    assert error is None
    assert report(found[0]).verdict is Verdict.MATCH
    assert [report(found[0])[f"parameters['{name}']"].grad.flatten().tolist() for name in ("weight", "bias")] == [
        [3.0] * 4,
        [3.0] * 2,
    ]


SHARED = """
w, b = torch.tensor(2.0, requires_grad=True), torch.tensor(1.0, requires_grad=True)
gw, gb = torch.autograd.grad((w * 3 + b) ** 2, [w, b], create_graph=True)
(gw**2 + gb**2).backward()
"""


def test_a_gradient_of_which_another_is_made_has_no_row(run: Run) -> None:
    found, error = run(SHARED)
    assert error is None
    assert [report(one).verdict for one in found] == [Verdict.MATCH, Verdict.MATCH]
    assert names(found[1])[:3] == ["w", "b", "gw"]
    assert "gb" not in names(found[1])
    assert [report(found[1])[name].grad.item() for name in ("w", "b")] == [1680.0, 560.0]  # of (9 + 1) (2 · 7)²


SECOND_OF_MODULES = """
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
x = torch.randn(4, 2, dtype=torch.float64)
unused = torch.ones(2, requires_grad=True)
def penalty(inputs):
    return sum((g ** 2).sum() for g in torch.autograd.grad(net(x).square().mean(), inputs, create_graph=True))
penalty(dict(net.named_parameters()).values()).backward()
penalty(net.parameters()).backward(inputs=net.parameters())
given = {**dict(net.named_parameters()), "unused": unused}
of_names = torch.autograd.grad(net(x).square().mean(), given, create_graph=True, allow_unused=True)
sum((g ** 2).sum() for g in of_names.values() if g is not None).backward()
"""


def test_what_is_differentiated_by_may_be_a_view_a_generator_or_a_mapping(run: Run) -> None:
    found, error = run(SECOND_OF_MODULES)
    assert error is None
    assert [report(one).verdict for one in found] == [Verdict.MATCH] * 5
    for one in found:
        assert set(names(one)) >= {"net.0.weight", "net.0.bias", "net.2.weight"}
    leaves = [report(one)["net.0.weight"].gradient for one in found[1::2]]
    torch.testing.assert_close(leaves[0], leaves[1])


STEPS_IN_HOOKS = """
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
def step(p):
    with torch.no_grad():
        p -= 0.1 * p.grad
    p.grad = None
for p in net.parameters():
    p.register_post_accumulate_grad_hook(step)
x = torch.randn(4, 2, dtype=torch.float64)
for _ in range(2):
    net(x).square().mean().backward()
"""


def test_an_optimizer_may_step_in_hooks(run: Run) -> None:
    found, error = run(STEPS_IN_HOOKS)
    assert error is None
    assert [report(one).verdict for one in found] == [Verdict.MATCH, Verdict.MATCH]
    first, second = (report(one)["net.2.bias"] for one in found)
    torch.testing.assert_close(second.value, first.value - 0.1 * first.gradient)
    assert first.grad is None
    assert "set `.grad` to None after the gradient had arrived" in (first.note or "")


IN_A_THREAD = """
import threading
def work():
    w = torch.ones(2, requires_grad=True)
    (w ** 2).sum().backward()
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


TIES = """
x = torch.tensor(2.0, requires_grad=True)
for _ in range(2):
    y = x if x >= 2 else 3 * x
    y.backward()
    with torch.no_grad():
        x += 1
"""


def test_where_a_script_compares_what_is_equal_that_is_said_of_the_call_that_it_leads_to(run: Run) -> None:
    found, _ = run(TIES, every="all")
    assert [report(one).verdict for one in found] == [Verdict.MATCH] * 2
    assert "compares what is equal at script.py:6" in str(report(found[0])["x"].note)
    assert report(found[1])["x"].note is None


def test_calls_of_other_threads_are_told(run: Run) -> None:
    found, error = run(IN_A_THREAD)
    assert found == []
    assert error is not None
    assert "in other threads alone" in error.message


def test_calls_of_other_threads_beside_those_of_this_one_are_not_passed_over(run: Run) -> None:
    text = IN_A_THREAD + "(torch.ones(2, requires_grad=True) ** 3).sum().backward()\n"
    (here, elsewhere), error = run(text)
    assert error is None
    assert report(here).verdict is Verdict.MATCH
    assert elsewhere.name == "script.py:7, in another thread"
    assert elsewhere.error is not None
    assert elsewhere.error.exit_code == 3
    assert len(run(text, calls=(1,))[0]) == 1  # what was asked for


OF_PYTORCH = """
x = torch.ones(2, requires_grad=True)
torch.autograd.functional.hessian(lambda t: (t ** 3).sum(), torch.ones(2))
torch.func.grad(lambda t: (t ** 3).sum())(torch.ones(2))
x.sum().backward()
"""


def test_what_pytorch_differentiates_itself_is_no_call_of_the_script(run: Run) -> None:
    found, _ = run(OF_PYTORCH)
    assert [one.name for one in found] == ["script.py:7 #1"]


WRONG = """
class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u):
        ctx.save_for_backward(u)
        return u ** 3
    @staticmethod
    def backward(ctx, g):
        (u,) = ctx.saved_tensors
        return g * 2 * u ** 2
x = torch.tensor([1.0, -2.0], requires_grad=True)
Cube.apply(x.exp()).sum().backward()
"""


@pytest.mark.parametrize("every", [None, "last"])
def test_a_wrong_function_is_named(run: Run, every: str | None) -> None:
    found, _ = run(WRONG, every=every)
    assert report(found[0]).verdict is Verdict.MISMATCH
    assert "the backward of Cube (script.py:10), applied at script.py:14, is not" in str(report(found[0])["x"].note)
    assert report(found[0]).reproduce is not None


OPTIMIZED = """
m = nn.Linear(2, 2)
a = m(m(w))
opt = torch.optim.SGD(m.parameters(), 0.1)
m(w).sum().backward()
opt.step()
a.sum().backward()
"""
FAILURES = [
    (
        "h = w ** 3\na, b = h + 1, h * 2\na.sum().backward()\nb.sum().backward()\n",
        "the backward at script.py:6 has freed what PowBackward0 had saved",
    ),
    (
        "y = w.exp()\nz = y * 2\ny += 1\nz.sum().backward()\n",
        "`add_` wrote to a value that backward needs at script.py:6",
    ),
    (
        "h = w * 2\ny, z = h.tanh(), h.tanh()\nz.add_(1)\ny.mul_(3)\ny.add_(2)\nh.add_(1)\n(y * 2).sum().backward()\n",
        "`mul_` wrote to a value that backward needs at script.py:7",
    ),
    (
        OPTIMIZED,
        "`add_` wrote to a value that backward needs at script.py:9",
    ),
    ("y = (w * 2).detach()\nz = y.sum()\nz.backward()\n", "the gradient ends at script.py:4: `detach()`"),
    (
        "with torch.no_grad():\n    y = w * 2\ny.sum().backward()\n",
        "the gradient ends at script.py:5: `mul()` runs under no_grad",
    ),
    ("y = torch.tensor((w * 2).sum().item())\ny.backward()\n", "the last number that left PyTorch is at script.py:4"),
    ("y = w * 2\ny.backward()\n", "made at script.py:4, has shape 2"),
]


@pytest.mark.parametrize(("text", "hint"), FAILURES)
def test_the_line_that_caused_a_failure_is_named(run: Run, text: str, hint: str) -> None:
    _, error = run("w = torch.tensor([1.0, 2.0], requires_grad=True)\n" + text)
    assert error is not None
    assert hint in str(error.hint)
    assert error.exit_code == 2


CAUGHT = """
w = torch.ones(2, requires_grad=True)
z = (w ** 2).sum()
z.backward()
try:
    z.backward()
except RuntimeError:
    pass
"""


def test_a_failure_that_the_script_catches_is_none(run: Run) -> None:
    found, error = run(CAUGHT)
    assert error is None
    assert len(found) == 1


DRAWING = """
import pathlib
torch.manual_seed(0)
w = torch.ones(2, requires_grad=True)
with torch.device("cpu"):
    w.cos().sum().backward()
pathlib.Path("drawn.txt").write_text(repr(torch.randn(2).tolist()))
w.sin().sum().backward()
"""


def test_the_scripts_modes_and_random_numbers_are_its_own(run: Run) -> None:
    found, error = run(DRAWING, calls=(1,))
    assert error is None
    assert len(found) == 1
    torch.manual_seed(0)
    assert Path("drawn.txt").read_text() == repr(torch.randn(2).tolist())
    assert torch.overrides._get_current_function_mode_stack() == []


def test_nothing_is_kept_of_steps_that_are_followed() -> None:
    w = torch.ones(1000, requires_grad=True)
    session = Session(Wanted(frozenset(), every=True), lambda _, __, run: run())
    kept = []
    with session.watching():
        for _ in range(30):
            (w.exp() * w).sum().backward()
            with torch.no_grad():
                w -= 0.01 * w.grad
            values = session._follower.steps.values  # type: ignore[union-attr]
            kept.append(len(values._known) + len(values._held))
    assert session.count == 30
    assert kept[-1] == kept[5] <= 12
    assert torch.Tensor.backward.__module__ == "torch._tensor"
    assert not hasattr(torch.Tensor.backward, "__wrapped__")


COMPILED = """
net = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
compiled = torch.compile(net, backend="eager")
@torch.compile(backend="eager")
def loss(output):
    return (output ** 2).sum()
head = nn.Linear(4, 1)
head.compile(backend="eager")
for _ in range(3):
    value = loss(head(compiled(torch.ones(2, 3))))
    value.backward()
"""


@pytest.mark.filterwarnings("ignore")  # of the compiler's own
def test_what_is_compiled_is_followed_as_it_is_written(run: Run) -> None:
    found, error = run(COMPILED, calls=(1, 2))
    assert error is None
    assert [report(one).verdict for one in found] == [Verdict.MATCH] * 2
    leaves = {tensor.name for tensor in report(found[1]) if tensor.kind == "leaf"}
    assert {"net.0.weight", "head.bias"} < leaves


def test_a_write_by_way_of_data_is_seen(run: Run) -> None:
    text = "w = torch.tensor([1.0, 2.0], requires_grad=True)\nfor _ in range(3):\n    (w ** 3).sum().backward()\n"
    found, error = run(text + "    w.data -= 0.1 * w.grad\n    w.grad = None\n")
    assert error is None
    assert [report(one).verdict for one in found] == [Verdict.MATCH] * 3
    # By hand: w - 0.3 w² after each step, and 3 w².
    values = [torch.tensor([1.0, 2.0])]
    for _ in range(2):
        values.append(values[-1] - 0.3 * values[-1] ** 2)
    for one, value in zip(found, values, strict=True):
        assert torch.allclose(report(one)["w"].symbolic.value.float(), 3 * value**2, rtol=1e-5)


def test_a_sparse_gradient_is_compared(run: Run) -> None:
    text = "e = nn.Embedding(4, 2, sparse=True)\ne(torch.tensor([1, 3, 3])).sum().backward()\n"
    found, error = run(text)
    assert error is None
    assert report(found[0]).verdict is Verdict.MATCH
    # By hand: each row's number of uses.
    expected = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [2.0, 2.0]])
    assert torch.equal(report(found[0])["e.weight"].gradient, expected)
    assert torch.equal(report(found[0])["e.weight"].grad, expected)


OF_KINDS = """
x = torch.randn(3, 2, requires_grad=True)
A = torch.eye(3).to_sparse()
torch.sparse.mm(A, x).square().sum().backward()
n = torch.nested.as_nested_tensor([x, x], layout=torch.jagged)
(n * 2).values().sum().backward()
torch.sparse.mm(torch.eye(3).to_sparse().requires_grad_(), x).sum().backward()
(x * 2).sum().backward()
"""


def test_a_script_goes_on_where_it_cannot_be_followed(run: Run) -> None:
    found, error = run(OF_KINDS)
    codes = [call.error.exit_code if call.error is not None else report(call).verdict for call in found]
    assert error is None
    assert codes == [Verdict.MATCH, ExitCode.UNDECIDED, ExitCode.UNDECIDED, Verdict.MATCH]
