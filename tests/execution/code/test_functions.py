"""Functions as programs: their symbolic gradients are those that autograd computes without anybody following."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import gradcli
from gradcli.engine import evaluate_code
from gradcli.execution.forward.equivalents import DRAWN_IF
from gradcli.ops.table import OPS
from gradcli.settings import Settings

Function = Callable[..., Tensor]


def point(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def branch_and_loop(x: Tensor, w: Tensor) -> Tensor:
    h = x
    for _ in range(3):
        h = torch.tanh(h @ w)
        if h.sum() > 0:
            h = h * 2
    return h.pow(2).sum()


def stacked_states(x: Tensor, w: Tensor) -> Tensor:
    rows, state = [], torch.zeros(3, dtype=x.dtype)
    for row in x:
        state = 0.5 * state + (row @ w).sin()
        rows.append(state)
    return torch.stack(rows).pow(2).mean()


def in_place(x: Tensor, w: Tensor) -> Tensor:
    y = x * 2
    y += 1
    y.mul_(w.sum())
    y[0] = 0
    y[1, 1:] = w[0, 0]
    return (y * x).sum()


def through_views(x: Tensor, w: Tensor) -> Tensor:
    a = x.clone()
    a[1:].mul_(w[:1])
    a.t()[0].add_(1)
    below = a[-1]
    a.narrow(0, 0, 1).tanh_()
    return (a * x).sum() + (below * w[0]).sum()


def a_view_of_a_view(x: Tensor, w: Tensor) -> Tensor:
    a = x.clone()
    first = a[0]
    second = first[1:]
    second *= w[0, 0]
    first.sin_()
    a += 1
    return (second.sum() + first.prod()) * a.mean()


def written_into_zeros(x: Tensor, w: Tensor) -> Tensor:
    out = torch.zeros(2, 3, dtype=x.dtype)
    out[0] = x[0] * w[0]
    out[1].copy_(x[1])
    out[:, 0] += w[0, 1]
    return out.square().sum()


def masked_in_place(x: Tensor, w: Tensor) -> Tensor:
    scores = x.t() @ x * w.sum()
    scores.fill_diagonal_(-math.inf)
    scores.masked_fill_(torch.eye(3, dtype=torch.bool).flip(0), 0.5)
    return torch.logsumexp(scores, -1).sum()


def constants(x: Tensor, w: Tensor) -> Tensor:
    with torch.no_grad():
        target = (x @ w).sigmoid()
    return ((x @ w).tanh() - target).pow(2).mean() + (x.detach() * x).sum()


def written_without_autograd(x: Tensor, w: Tensor) -> Tensor:
    y = x * w.sum()
    with torch.no_grad():
        y += 1
    y.data.mul_(2)
    return (y + x).sum()


def random_numbers(x: Tensor, w: Tensor) -> Tensor:
    dropped = functional.dropout(x @ w, 0.5)
    return (dropped + torch.randn_like(dropped)).square().sum() + functional.alpha_dropout(x, 0.3, training=True).sum()


def slopes_that_are_drawn(x: Tensor, w: Tensor) -> Tensor:
    y = x * w.sum()
    functional.dropout(y[0], 0.4, True, True)
    functional.rrelu(y[:, 1:], 0.1, 0.4, True, True)
    z = torch.nn.RReLU(inplace=True)(y - 1) * torch.rrelu(x, training=True)
    return (z + functional.rrelu(y + 0.5)).square().sum()


def an_axis_kept_by_place(x: Tensor, w: Tensor) -> Tensor:
    return functional.linear(x[None], w.T, w[0]).sum(-1, True).square().sum()  # linear makes a view of what nobody sees


def checkpointed(x: Tensor, w: Tensor) -> Tensor:
    h = checkpoint(lambda a: torch.tanh(a @ w), x, use_reentrant=False)
    return (h @ w.T).pow(2).sum()


def checkpointed_reentrant(x: Tensor, w: Tensor) -> Tensor:
    return checkpoint(lambda a: torch.tanh(a @ w), x, use_reentrant=True).pow(2).sum()


def composites(x: Tensor, w: Tensor) -> Tensor:
    z = functional.normalize(torch.cat([x, w.t()]), dim=1)
    a, b = z.chunk(2)
    return (
        functional.cosine_similarity(a, b).sum()
        + functional.pairwise_distance(a, b).sum()
        + torch.norm(z, p=2, dim=0).sum()
    )


def complex_inside(x: Tensor, w: Tensor) -> Tensor:
    return (torch.fft.fft(x) * torch.polar(w.t()[:2].exp(), w.t()[:2])).abs().square().sum()


FUNCTIONS = [
    branch_and_loop,
    stacked_states,
    in_place,
    through_views,
    a_view_of_a_view,
    written_into_zeros,
    masked_in_place,
    constants,
    written_without_autograd,
    random_numbers,
    slopes_that_are_drawn,
    an_axis_kept_by_place,
    checkpointed,
    checkpointed_reentrant,
    composites,
    complex_inside,
]


# Of w, where it is not 3x2; x is 2x3.
SHAPES = dict.fromkeys([branch_and_loop, stacked_states], (3, 3))
SHAPES |= dict.fromkeys([in_place, through_views, a_view_of_a_view, written_into_zeros], (2, 3))


def autograd(function: Function, given: list[Tensor]) -> list[Tensor]:
    leaves = [value.clone().requires_grad_() for value in given]
    torch.manual_seed(0)
    function(*leaves).backward()
    return [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_symbolic_gradients_of_a_function_are_autograds(function: Function) -> None:
    given = point((2, 3), SHAPES.get(function, (3, 2)))
    report = gradcli.check(function, given, witnesses="symbolic")
    names = [tensor.name for tensor in report.tensors if tensor.kind == "leaf"][:2]
    assert report.verdict == "match", [(tensor.name, tensor.verdict, tensor.note) for tensor in report.tensors]
    for name, right in zip(names, autograd(function, given), strict=True):
        assert torch.allclose(report[name].symbolic.value, right, rtol=1e-12, atol=1e-12), name
        assert torch.allclose(report[name].gradient, right, rtol=1e-12, atol=1e-12), name


@pytest.mark.parametrize(
    "function", [branch_and_loop, constants, random_numbers], ids=lambda function: function.__name__
)
def test_differences_run_the_code_again_with_its_constants_and_random_numbers(function: Function) -> None:
    given = point((2, 3), SHAPES.get(function, (3, 2)))
    report = gradcli.check(function, given)
    assert report.verdict == "match"
    assert report["x"].witnesses["finite-difference"].verdict == "match"


def test_every_op_of_the_table_that_can_draw_says_what_makes_it_draw() -> None:
    def draws(name: str) -> bool:
        packet = getattr(torch.ops.aten, name, None)
        overloads = [] if packet is None else [getattr(packet, overload) for overload in packet.overloads()]
        return any(torch.Tag.nondeterministic_seeded in overload.tags for overload in overloads)

    assert {op.name for op in OPS if draws(op.name)} == {*DRAWN_IF} - {"multi_head_attention_forward"}


def test_slopes_that_are_drawn_meet_at_a_kink() -> None:
    point = [torch.tensor([0.0, 1.0], dtype=torch.float64)]
    report = gradcli.check(lambda x: functional.rrelu(x, training=True).sum(), point)
    assert report.verdict == gradcli.check("rrelu(x, training=True).sum()", {"x": [0.0, 1.0]}).verdict == "subgradient"


def test_non_leaves_are_called_by_their_variables() -> None:
    def f(x: Tensor, w: Tensor) -> Tensor:
        hidden = x @ w
        out = hidden.tanh()
        return out.sum()

    report = gradcli.evaluate(f, point((2, 3), (3, 2)))
    assert [tensor.name for tensor in report.tensors] == ["x", "w", "hidden", "out", "sum(out)"]
    assert report["hidden"].grad_fn == "MmBackward0"
    assert report["hidden"].grad is None
    assert report["x"].grad is not None


def test_a_number_that_leaves_is_a_constant_for_eval_and_nothing_to_decide_by_for_check() -> None:
    def f(x: Tensor) -> Tensor:
        return (x / x.abs().max().item()).sum()

    given = point((3,))
    assert gradcli.evaluate(f, given).verdict == "match"
    report = gradcli.check(f, given)
    assert report.verdict == "undecided"
    assert f"item() at {__file__.rpartition('/')[2]}" in (report["x"].note or "").replace("tests/execution/code/", "")


def overwritten(x: Tensor) -> Tensor:
    y, h = x.exp(), x.exp()
    h.mul_(2)
    z = y.sum()
    y.add_(1)  # this
    y.mul_(2)
    return z + y.sin().sum()


def overwritten_without_autograd(x: Tensor) -> Tensor:
    h = x * 2
    y = h.sin()
    with torch.no_grad():
        h.clamp_(max=1)  # this
    return y.sum() + (x + 1).clamp_(max=1).sum()


def overwritten_through_a_view(x: Tensor) -> Tensor:
    y = x.clone()
    y[:1].exp_()
    w = y.view(2, -1).t()
    w[0][:1].mul_(w[0][1:])  # this
    return y.square().sum()


@pytest.mark.parametrize("f", [overwritten, overwritten_without_autograd, overwritten_through_a_view])
def test_an_overwritten_value_that_backward_needs_is_told_with_the_line_that_wrote(f: Function) -> None:
    with pytest.raises(gradcli.GradcliError, match="modified by an inplace operation") as caught:
        gradcli.check(f, point((4,)))
    lines, first = inspect.getsourcelines(f)
    line = first + next(number for number, text in enumerate(lines) if "# this" in text)
    assert f"test_functions.py:{line};" in (caught.value.hint or "")


def test_what_has_no_definition_leaves_undecided_only_what_depends_on_it() -> None:
    def f(x: Tensor, w: Tensor) -> Tensor:
        with forward_ad.dual_level():
            tangent = forward_ad.unpack_dual(forward_ad.make_dual(x, torch.ones_like(x)) ** 3).tangent
        return tangent.sum() + w.square().sum()

    report = gradcli.evaluate(f, point((3,), (2,)))
    assert {tensor.name: tensor.verdict for tensor in report.tensors if tensor.kind == "leaf"} == {
        "x": "undecided",
        "w": "match",
    }


COMMANDS = ["grad", "trace", "jvp", "jacobian", "hessian", "double-backward", "accumulate"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_code(command: str) -> None:
    def f(x: Tensor, w: Tensor) -> Tensor:
        h = x.clone()
        h[0] *= w.sum()
        return h.tanh().square().sum()

    options = {"tangents": {"x": [1.0, 2.0], "w": [0.5]}} if command == "jvp" else {}
    options |= {"times": 2} if command == "accumulate" else {}
    settings = Settings(command=command, **options)
    report = evaluate_code(f, settings, dict(zip(("x", "w"), point((2,), (1,)), strict=True)))
    assert report.verdict == "match", [(tensor.name, tensor.verdict, tensor.note) for tensor in report.tensors]


def test_a_module_runs_again_beside_a_graph_of_its_own() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    report = evaluate_code(module, Settings(command="double-backward", reduce="sum"), point((2, 3)))
    assert report.verdict == "match"
    assert report.details.lifecycle.with_create_graph.second["0.weight"].verdict == "match"


def test_leaves_that_code_makes_or_has_from_elsewhere_are_told_apart_when_it_runs_again() -> None:
    elsewhere = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)

    def f(x: Tensor) -> Tensor:
        one, three = (torch.full((n, 2), float(n), dtype=x.dtype, requires_grad=True) for n in (1, 3))
        w = torch.ones(2, dtype=x.dtype, requires_grad=True)
        (g,) = torch.autograd.grad((w**2 * x).sum(), w, create_graph=True)
        w = w - g
        return ((one**3).sum() + (three**3).sum() + (w**3 + elsewhere**2).sum()) * x.sum()

    report = evaluate_code(f, Settings(command="double-backward", times=2), point((2,)))
    x = report["x"].value
    second = report.details.lifecycle.with_create_graph.second
    total = x.sum()
    expected = {
        "elsewhere": (2 * total).expand(2),
        "one": (6 * total).expand(1, 2),
        "three": (18 * total).expand(3, 2),
        "w": 6 * (1 - 2 * x) ** 3 * total,
    }
    assert report.verdict == "match"
    torch.testing.assert_close({name: second[name].gradient for name in expected}, expected)
    first, both = report.details.lifecycle.with_retain_graph.grads
    torch.testing.assert_close(first["elsewhere"], 2 * elsewhere.detach() * total)
    torch.testing.assert_close(both["elsewhere"], 2 * first["elsewhere"])


def test_a_leaf_that_code_makes_is_what_it_is_when_it_is_first_read() -> None:
    def f(x: Tensor) -> Tensor:
        w = torch.nn.Parameter(torch.full((2,), 1e300, dtype=x.dtype))  # as memory that nothing has filled
        w.register_hook(lambda _: None)
        torch.nn.init.constant_(w, 2.0)
        return (w**2 * x).sum()

    report = evaluate_code(f, Settings(command="check"), point((2,)))
    assert report.verdict == "match"
    torch.testing.assert_close(report["w"].value, torch.full((2,), 2.0, dtype=torch.float64))


def test_what_a_function_has_from_elsewhere_is_moved_by_the_witnesses_and_called_by_its_variable() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh()).double()
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    before = net[0].weight.detach().clone()

    def loss(x: Tensor) -> Tensor:
        return (net(x) * scale).square().sum()

    report = gradcli.check(loss, [torch.randn(4, 3, dtype=torch.float64)])
    assert report.verdict == "match"
    leaves = {tensor.name: tensor for tensor in report if tensor.kind == "leaf"}
    assert set(leaves) == {"x", "net.0.weight", "net.0.bias", "scale"}
    for leaf in leaves.values():
        assert {row.verdict for row in leaf.witnesses.values()} == {"match"}, leaf.name
    assert leaves["net.0.weight"].module == "net.0"
    assert torch.equal(net[0].weight, before)
    assert net[0].weight.grad is None


def test_a_leaf_that_a_function_makes_whenever_it_runs_is_not_moved() -> None:
    def loss(x: Tensor) -> Tensor:
        w = torch.ones(3, dtype=torch.float64, requires_grad=True)
        return (x * w).sin().sum()

    report = gradcli.check(loss, [torch.randn(2, 3, dtype=torch.float64)])
    assert report.verdict == "match"
    assert not report["w"].witnesses


def test_what_a_function_has_from_elsewhere_is_left_as_it_was() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).double()
    net[0].weight.grad = torch.ones(2, 3, dtype=torch.float64)
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    report = gradcli.check(lambda x: (net(x) * scale).sin().sum(), [torch.randn(4, 3, dtype=torch.float64)])
    assert report.verdict == "match"
    assert torch.allclose(report["net.0.weight"].grad, report["net.0.weight"].gradient)
    assert torch.equal(net[0].weight.grad, torch.ones(2, 3, dtype=torch.float64))
    assert net[0].bias.grad is None
    assert scale.grad is None
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_module_from_elsewhere_computes_in_the_precision_of_the_check(dtype: str) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1)).eval()
    net[0].weight.grad = torch.ones(2, 3)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    report = gradcli.check(lambda x: net(x).sin().sum(), [torch.randn(4, 3)], dtype=dtype)
    assert report.verdict == "match"
    assert str(report["net.2.weight"].gradient.dtype) == f"torch.{dtype}"
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert {value.dtype for value in net.parameters()} == {torch.float32}
    assert torch.equal(net[0].weight.grad, torch.ones(2, 3))
    net(torch.randn(4, 3)).sum().backward()
    assert net[2].weight.grad.dtype == torch.float32


def test_two_precisions_are_told_apart() -> None:
    weights = torch.ones(3, 2, requires_grad=True)
    with pytest.raises(gradcli.GradcliError, match="same dtype") as caught:
        gradcli.check(lambda x: (x @ weights).sum(), [torch.randn(4, 3)])
    assert "`--dtype float32`" in (caught.value.hint or "")
    assert gradcli.check(lambda x: (x @ weights).sum(), [torch.randn(4, 3)], dtype="float32").verdict == "match"


def test_buffers_of_what_a_function_has_from_elsewhere_are_the_same_each_time() -> None:
    layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(3, 2).double())
    report = gradcli.check(lambda x: layer(x).sin().sum(), [torch.randn(4, 3, dtype=torch.float64)])
    assert report.verdict == "match"


def test_accumulate_steps_along_leaves_from_elsewhere_and_puts_them_back() -> None:
    w = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    settings = Settings(command="accumulate", times=3, learning_rate=0.25, zero_grad="zeros")
    report = evaluate_code(lambda x: x * w * w, settings, {"x": 1.0})
    assert report.verdict == "match"
    # By hand: a step from w ends at w - 2 w / 4 = w / 2, and the gradient is 2 w.
    assert [call["w"] for call in report.to_dict()["calls"]] == [6.0, 3.0, 1.5]
    assert w.item() == 3.0
    assert w.grad is None


def test_a_constant_that_a_function_of_pytorchs_makes_inside_stays_as_it_was() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 4, dtype=torch.float64)
    report = gradcli.check(lambda x: (functional.gumbel_softmax(x, tau=0.7, hard=True) * x).sum(), [x])
    assert report.verdict == "match"
    assert {row.verdict for row in report["x"].witnesses.values()} == {"match"}


def test_a_pooling_that_also_returns_its_places_is_the_tables() -> None:
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def f(x: Tensor) -> Tensor:
        pooled, places = functional.max_pool2d(x, 2, return_indices=True)
        return functional.max_unpool2d(pooled.sin(), places, 2).square().sum()

    report = gradcli.check(f, [x])
    assert report.verdict == "match"
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf)
    assert torch.allclose(report["x"].symbolic.value, gradient, rtol=1e-10)


def normal_around(x: Tensor) -> Tensor:
    return torch.normal(x, 1.0)


def gamma(x: Tensor) -> Tensor:
    return torch.distributions.Gamma(x.exp(), 1.0).rsample()


def dirichlet(x: Tensor) -> Tensor:
    return torch.distributions.Dirichlet(x.exp()).rsample()


@pytest.mark.parametrize("draw", [normal_around, gamma, dirichlet])
def test_differences_of_what_is_drawn_are_no_evidence(draw: Function) -> None:
    report = gradcli.check(lambda x, y: (draw(x) * y + y.sin()).sum(), point((3,), (3,)))
    assert report["x"].verdict == "undecided"
    assert "draws random numbers" in (report["x"].note or "")
    assert report["y"].verdict == "match"
