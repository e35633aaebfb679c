"""Proofs of programs and Functions: what is proved, with which exceptions, and that nothing wrong is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli import engine
from gradcli.deadline import DeadlineError
from gradcli.report.proof import ProofReport
from gradcli.settings import Settings

Backward = Callable[[Tensor, Tensor], Tensor]


def proved(program: str, timeout: float = 60.0, **shapes: tuple[int, ...]) -> ProofReport:
    return engine.prove_program(program, Settings(command="prove", shapes=shapes, timeout=timeout))


def of_function(forward: Callable[[Tensor], Tensor], backward: Backward, shape: tuple[int, ...] = (2,)) -> ProofReport:
    def run(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return forward(x)

    def back(ctx: Any, g: Tensor) -> Tensor:
        return backward(ctx.saved_tensors[0], g)

    methods = {"forward": staticmethod(run), "backward": staticmethod(back)}
    made = type("Made", (torch.autograd.Function,), methods)
    return engine.prove_code(made, Settings(command="prove", shapes={None: shape}))


@pytest.mark.parametrize(
    "program",
    [
        "x*x",
        "gelu(x)",
        "gelu(x, approximate='tanh')",
        "sigmoid(x)",
        "tanh(x)",
        "silu(x)",
        "erf(x)",
        "sqrt(x)",
        "log(x)",
        "acosh(x)",
        "digamma(x)",
        "i0(x)",
        "expm1(x)",
        "deg2rad(x)",
        "logit(x)",
        "asinh(x)",
        "x**3",
        "2**x",
        "sin(x)/x",
    ],
)
def test_functions_of_a_number(program: str) -> None:
    report = proved(program)
    assert (report.verdict, report.exit_code) == ("proved", 0)
    assert any("holds of all" in words for words in report.assumptions)


@pytest.mark.parametrize(
    ("program", "shapes"),
    [
        ("x @ y", {"x": (2, 3), "y": (3, 2)}),
        ("F.linear(x, w, b)", {"x": (2, 3), "w": (2, 3), "b": (2,)}),
        ("softmax(x, dim=-1)", {"x": (2, 3)}),
        ("log_softmax(x, dim=-1)", {"x": (3,)}),
        ("logsumexp(x, dim=-1)", {"x": (3,)}),
        ("F.layer_norm(x, (3,), w)", {"x": (2, 3), "w": (3,)}),
        ("F.cross_entropy(x, tensor([0, 2]))", {"x": (2, 3)}),
        ("F.mse_loss(x, y)", {"x": (2,), "y": (2,)}),
        ("cumsum(x, 0)", {"x": (4,)}),
        ("var(x)", {"x": (3,)}),
        ("x[0, 1:]", {"x": (2, 3)}),
        ("gather(x, 1, tensor([[0], [0]]))", {"x": (2, 3)}),
        ("F.avg_pool1d(x, 2)", {"x": (1, 4)}),
        ("F.conv1d(x, w)", {"x": (1, 1, 3), "w": (1, 1, 2)}),
        ("F.scaled_dot_product_attention(q, k, v)", {"q": (2, 4), "k": (2, 4), "v": (2, 1)}),
    ],
)
def test_functions_of_tensors(program: str, shapes: dict[str, tuple[int, ...]]) -> None:
    report = proved(program, **shapes)
    assert report.verdict == "proved", report.to_dict()
    assert not any("holds of all" in words for words in report.assumptions)


@pytest.mark.parametrize(
    ("program", "regions"),
    [
        ("relu(x)", {"x = 0"}),
        ("abs(x)", {"x = 0"}),
        ("hardtanh(x)", {"x = -1", "x = 1"}),
        ("maximum(x, y)", {"x - y = 0"}),
        ("softplus(x)", {"x = 20"}),
        ("mish(x)", {"x = 20", "x > 20"}),
        ("hardshrink(x)", {"x = 0.5", "x = -0.5"}),
        # The two sides are those of x: y stays 1.
        ("where(y == 1, relu(x), -x)", {"y = 1 and x = 0"}),
    ],
)
def test_kinks_and_thresholds_are_exceptions(program: str, regions: set[str]) -> None:
    report = proved(program)
    assert report.verdict == "proved except"
    assert {one.region for gradient in report.gradients for one in gradient.exceptions} == regions
    assert report.exit_code == 0


@pytest.mark.parametrize(
    ("program", "shape"),
    [
        ("amax(x)", (3,)),
        ("amin(x, dim=1)", (2, 2)),
        ("max(x)", (3,)),
        ("max(x, 0)[0]", (3,)),
        ("min(x, 1, True)[0]", (1, 3)),
        ("norm(x)", (3,)),
        ("norm(x, p=1)", (2,)),
        ("norm(x, p=float('inf'))", (2,)),
        ("std(x)", (4,)),
        ("F.normalize(x)", (1, 2)),
        ("F.pairwise_distance(x, 2*x)", (1, 2)),
    ],
)
def test_extremes_norms_and_spreads_are_proved_but_for_ties_and_zeros(program: str, shape: tuple[int, ...]) -> None:
    report = proved(program.replace("float('inf')", "inf"), x=shape)
    assert report.verdict == "proved except", report.to_dict()


@pytest.mark.parametrize(
    "backward",
    [
        lambda x, g: g * (x == x.amin(0)),
        lambda x, g: g * (x == x.amax(0)) * torch.where(x.amax(0) > 7, 2.0, 1.0),
        lambda x, g: g * (x >= x.amax(0) - 0.01),
        lambda x, g: g * torch.nn.functional.one_hot(x.argmin(), 3),
        lambda x, g: g * torch.where(x[0] > x[1], x == x.amax(0), x == x[1]),
    ],
    ids=["the smallest", "twice where it is large", "near the largest", "the smallest's place", "of two entries"],
)
def test_a_wrong_backward_of_a_largest_entry_is_refuted(backward: Backward) -> None:
    assert of_function(lambda x: x.amax(0), backward, (3,)).verdict == "refuted"


def test_a_right_backward_of_a_largest_entry_is_proved_by_its_place_too() -> None:
    for pick in (lambda x: x == x.amax(0), lambda x: torch.zeros_like(x).scatter(0, x.max(0, keepdim=True)[1], 1.0)):
        report = of_function(lambda x: x.amax(0), lambda x, g, pick=pick: g * pick(x), (3,))
        assert report.verdict == "proved except", report.to_dict()


def test_what_jumps_with_another_leaf_is_no_kink_of_this_one() -> None:
    by_x, by_y = proved("where(x > 0, x**2, y)").gradients
    assert (by_x.verdict, by_y.verdict) == ("proved", "proved")


def test_a_kink_where_another_leaf_is_a_number_refutes_nothing() -> None:
    assert proved("where(y != -1, x, 0) + where(y != 1, relu(1 - x), 0)").verdict == "proved except"


def test_the_largest_difference_in_a_region_is_told() -> None:
    (region,) = (one for one in proved("mish(x)").gradients[0].exceptions if one.region == "x > 20")
    assert region.max_rel_error is not None
    assert 0 < region.max_rel_error < 1e-15


def test_strict_makes_an_exception_a_failure() -> None:
    settings = Settings(command="prove", strict=True)
    assert engine.prove_program("relu(x)", settings).exit_code == 1
    assert engine.prove_program("exp(x)", settings).exit_code == 0


def right(x: Tensor, g: Tensor) -> Tensor:
    return g * 3 * x**2


def test_the_right_backward_is_proved() -> None:
    report = of_function(lambda x: x**3, right)
    assert (report.verdict, report.exit_code) == ("proved", 0)
    assert report.gradients[0].witness is None


WRONG: dict[str, Backward] = {
    "a factor": lambda x, g: 1.01 * right(x, g),
    "a sign": lambda x, g: -right(x, g),
    "for negative numbers": lambda x, g: torch.where(x < 0, 2 * right(x, g), right(x, g)),
    "beyond 3": lambda x, g: torch.where(x.abs() > 3, 1.5 * right(x, g), right(x, g)),
    "far beyond": lambda x, g: torch.where(x > 1000, 1.5 * right(x, g), right(x, g)),
    "in a small interval": lambda x, g: torch.where((x > 0.2) & (x < 0.3), 0 * g, right(x, g)),
    "at integers": lambda x, g: torch.where(x == x.floor(), right(x, g) + 1, right(x, g)),
    "at rounded numbers": lambda x, g: torch.where(x == x.round(), right(x, g) + 1, right(x, g)),
    "at one number": lambda x, g: torch.where(x == 17, g, right(x, g)),
    "where a square is 4": lambda x, g: torch.where(x * x == 4, g, right(x, g)),
    "where an exponential is large": lambda x, g: torch.where(x.exp() > 20, g, right(x, g)),
    "a term too many": lambda x, g: right(x, g) + 1e-3 * g,
    "without the upstream gradient": lambda x, g: right(x, torch.ones_like(g)),
    "for large upstream gradients": lambda x, g: torch.where(g > 5, 0 * g, right(x, g)),
    "0 over 0": lambda x, g: right(x, g) * x / x,
    "by a value": lambda x, g: right(x, g) * (2 if x[0].item() > 1 else 1),
    "by a list of values": lambda x, g: right(x, g) * (x.tolist()[0] + g[0]),
    "outside of PyTorch": lambda x, g: right(x, g) + float(x.detach().numpy().max() > 2),
    "of the other entry": lambda x, g: right(x.flip(0), g),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_backward_is_refuted_by_a_point_that_anyone_can_run(name: str) -> None:
    report = of_function(lambda x: x**3, WRONG[name])
    assert (report.verdict, report.exit_code) == ("refuted", 1)
    witness = report.gradients[0].witness
    assert witness is not None
    x = torch.tensor(witness.leaves["x"], dtype=torch.float64)
    g = torch.tensor(witness.grad_output, dtype=torch.float64)
    found, wanted = WRONG[name](x, g)[witness.index], right(x, g)[witness.index]
    assert not torch.isclose(found, wanted, rtol=1e-9, atol=0.0)
    assert witness.derivative == pytest.approx(float(wanted), rel=1e-12)


def test_a_factor_that_is_nearly_1_is_not_proved() -> None:
    assert of_function(lambda x: x**3, lambda x, g: right(x, g) * (1 + 2.0**-27)).verdict == "undecided"
    assert of_function(lambda x: x**3, lambda x, g: right(x, g) * (1 + 2.0**-20)).verdict == "refuted"


def test_what_cannot_be_traced_for_all_values_is_undecided() -> None:
    report = of_function(lambda x: x**3, lambda x, g: right(x, g) * (1 if x[0].item() > -1e9 else 2))
    assert (report.verdict, report.exit_code) == ("undecided", 3)
    assert "cannot be traced for all values" in (report.gradients[0].reason or "")


@pytest.mark.parametrize(("factor", "verdict"), [(3.0, "proved"), (3.1, "refuted")])
def test_writes_in_place_are_followed(factor: float, verdict: str) -> None:
    assert of_function(lambda x: x**3, lambda x, g: _written(x, g, factor)).verdict == verdict


def _written(x: Tensor, g: Tensor, factor: float) -> Tensor:
    """Return the gradient, written into views of zeros."""
    found = torch.zeros_like(x)
    found[0] = x[0] * x[0]
    found[1].add_(x[1]).mul_(x[1])
    found *= g
    return found.mul_(factor)


@pytest.mark.parametrize(
    ("number", "meaning", "relative"),
    [(0.7071067811865476, "1/2*sqrt(2)", 1e-15), (0.1666666716337204, "1/6", 1e-7)],
)
def test_a_rounded_constant_is_named(number: float, meaning: str, relative: float) -> None:
    exact = 0.5**0.5 if relative < 1e-10 else 1 / 6
    assert number == pytest.approx(exact, rel=relative)
    report = of_function(lambda x: number * x, lambda _, g: number * g)
    assert report.verdict == "proved"
    assert any(meaning in words for words in report.assumptions), report.assumptions


def test_a_limit_of_time_is_undecided() -> None:
    started = time.monotonic()
    try:
        verdict = proved("softmax(x @ w, dim=-1) @ y", timeout=6.0, x=(4, 4), w=(4, 4), y=(4, 4)).verdict
    except DeadlineError:  # which is undecided too
        verdict = "undecided"
    assert verdict in {"undecided", "equal at 8 exact points"}
    assert time.monotonic() - started < 20


def test_a_program_that_decides_by_a_value_is_undecided() -> None:
    report = proved("y = x*x if x > 0 else x; y")
    assert report.verdict == "undecided"
    assert "decides by a value" in (report.gradients[0].reason or "")


def test_a_leaf_that_is_called_as_the_upstream_gradient_is_undecided() -> None:
    assert "a leaf is called grad_output" in (proved("x*grad_output").gradients[0].reason or "")


def test_an_op_without_a_formula_is_undecided() -> None:
    report = proved("linalg.inv(x)", x=(2, 2))
    assert (report.verdict, report.exit_code) == ("undecided", 3)
    assert report.gradients[0].reason


def loss(x: Tensor, y: Tensor) -> Tensor:
    """Return a mean squared difference."""
    return ((x - y) ** 2).mean()


def test_a_function_of_the_users_is_proved() -> None:
    report = engine.prove_code(loss, Settings(command="prove", shapes={None: (2,)}))
    assert report.verdict == "proved"
    assert [gradient.wrt for gradient in report.gradients] == ["x", "y"]


@pytest.mark.parametrize("name", ["hardshrink", "softshrink"])
def test_a_formula_that_is_written_by_hand_is_said_to_be(name: str) -> None:
    words = [words for words in proved(f"{name}(x)").assumptions if "written by hand" in words]
    assert words == [f"the kernel {name}_backward has no decomposition in PyTorch: its formula is written by hand"]
    assert not any("written by hand" in words for words in proved("relu(x)").assumptions)
