"""Proofs of programs and Functions: what is proved, with which exceptions, and that nothing wrong is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gradcli import engine
from gradcli.deadline import DeadlineError
from gradcli.errors import ExecutionError
from gradcli.execution.proof.examine import CAUSES, ROUNDING, SERIES
from gradcli.render.proof import text
from gradcli.render.style import Style
from gradcli.report.proof import ProofReport
from gradcli.settings import Settings

Backward = Callable[[Tensor, Tensor], Tensor]

# A threshold of PyTorch's, as it is shown.
EPS = "2.22044604925e-16"
EDGES = {f"x = {EPS}", f"x = -{EPS}"}


def proved(program: str, timeout: float = 60.0, **shapes: tuple[int, ...]) -> ProofReport:
    return engine.prove_program(program, Settings(command="prove", shapes=shapes, timeout=timeout))


def of_function(
    forward: Callable[[Tensor], Tensor], backward: Backward, shape: tuple[int, ...] = (2,), timeout: float = 60.0
) -> ProofReport:
    def run(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return forward(x)

    def back(ctx: Any, g: Tensor) -> Tensor:
        return backward(ctx.saved_tensors[0], g)

    methods = {"forward": staticmethod(run), "backward": staticmethod(back)}
    made = type("Made", (torch.autograd.Function,), methods)
    return engine.prove_code(made, Settings(command="prove", shapes={None: shape}, timeout=timeout))


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
        "special.ndtri(x)",
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
        ("softmax(q @ k.T / 3**0.5, dim=-1) @ v", {"q": (3, 3), "k": (3, 3), "v": (3, 3)}),
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
        ("F.interpolate(x, size=(4, 2), mode='bilinear')", {"x": (1, 1, 2, 2)}),
        ("F.bilinear(x, y, w)", {"x": (2,), "y": (2,), "w": (2, 2, 2)}),
        ("F.scaled_dot_product_attention(q, k, v)", {"q": (2, 4), "k": (2, 4), "v": (2, 1)}),
    ],
)
def test_functions_of_tensors(program: str, shapes: dict[str, tuple[int, ...]]) -> None:
    report = proved(program, **shapes)
    assert report.verdict == "proved", report.to_dict()
    assert not any("holds of all" in words for words in report.assumptions)


@pytest.mark.parametrize(
    ("program", "shapes"),
    [
        ("view_as_real(torch.complex(x, y)*torch.complex(y, x).conj())", {"x": (), "y": ()}),
        ("view_as_real(torch.polar(x, y) + exp(1j*x)/y)", {"x": (), "y": ()}),
        ("view_as_real(torch.complex(x, y) @ torch.complex(x, 2*y).mH).sum()", {"x": (2, 2), "y": (2, 2)}),
        ("view_as_real(torch.fft.fft(x, norm='ortho'))", {"x": (5,)}),
        ("torch.fft.irfft(x)", {"x": (4,)}),
        ("torch.fft.irfft(torch.fft.rfft(x)*torch.fft.rfft(y), n=3)", {"x": (3,), "y": (3,)}),
        ("view_as_real(torch.fft.ihfft2(x, s=(2, 5), norm='forward'))", {"x": (2, 3)}),
        ("view_as_real(torch.stft(x, 4, window=w, center=False, return_complex=True))", {"x": (5,), "w": (4,)}),
    ],
)
def test_functions_by_way_of_complex_numbers(program: str, shapes: dict[str, tuple[int, ...]]) -> None:
    report = proved(program, **shapes)
    assert report.verdict == "proved", report.to_dict()
    assert report.kernel is not None
    assert report.kernel.max_rel_error < 1e-14


@pytest.mark.parametrize(
    ("program", "shapes"),
    [
        ("torch.linalg.inv(x)", {"x": (2, 2, 2)}),
        ("torch.linalg.inv(x + x.T)", {"x": (3, 3)}),
        ("torch.linalg.solve(x, y)", {"x": (3, 3), "y": (3,)}),
        ("torch.linalg.solve(x, y, left=False)", {"x": (2, 2), "y": (3, 2)}),
        ("torch.linalg.solve_triangular(x, y, upper=True, unitriangular=True)", {"x": (3, 3), "y": (3, 1)}),
    ],
)
def test_inverse_matrices(program: str, shapes: dict[str, tuple[int, ...]]) -> None:
    report = proved(program, **shapes)
    assert report.verdict == "proved", report.to_dict()
    assert report.kernel is not None
    assert report.kernel.max_rel_error < 1e-9


def test_an_inverse_that_is_not_transposed_is_refuted() -> None:
    def backward(x: Tensor, g: Tensor) -> Tensor:
        y = torch.linalg.inv(x)
        return -y.mT @ g @ y.mT

    assert of_function(torch.linalg.inv, backward, (2, 2)).verdict == "proved"
    assert of_function(torch.linalg.inv, lambda x, g: backward(x.mT, g), (2, 2)).verdict == "refuted"


def test_a_backward_may_refuse_a_matrix_that_is_singular_but_for_rounding() -> None:
    def forward(x: Tensor) -> Tensor:
        return torch.linalg.solve(x, torch.eye(2, dtype=x.dtype))

    def backward(x: Tensor, g: Tensor) -> Tensor:
        return -torch.linalg.solve(x.mT, g) @ forward(x).mT

    assert of_function(forward, backward, (2, 2)).verdict == "proved"


def test_an_output_that_is_no_tensor_is_refused() -> None:
    with pytest.raises(ExecutionError, match="the program's output is not a tensor"):
        proved("sort(x)", x=(2,))


def test_a_complex_output_is_undecided() -> None:
    report = proved("torch.complex(x, y)")
    assert (report.verdict, report.exit_code) == ("undecided", 3)
    assert "the output is complex" in str(report.gradients[0].reason)


def test_what_a_mask_picks_is_undecided() -> None:
    report = proved("x[x > 0].sum()", x=(3,))
    assert report.verdict == "undecided"
    assert "picked depends on a leaf's values" in text(report, Style())


def test_a_conjugate_that_is_missing_is_refuted() -> None:
    def forward(x: Tensor) -> Tensor:
        return torch.view_as_real(torch.fft.fft(x))

    def backward(g: Tensor, inverse: Callable[..., Tensor]) -> Tensor:
        return inverse(torch.view_as_complex(g.contiguous()), norm="forward").real

    assert of_function(forward, lambda _, g: backward(g, torch.fft.ifft), (3,)).verdict == "proved"
    assert of_function(forward, lambda _, g: backward(g.flip(0), torch.fft.ifft), (3,)).verdict == "refuted"


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
        # The two sides are those of x: y stays 1, but it jumps by y.
        ("where(y == 1, relu(x), -x)", {"y = 1 and x = 0", "y = 1"}),
        # Beside its threshold the derivative is by a recurrence: I0 - I1/x is (I0 + I2)/2.
        ("special.i1(x)", {f"{sign}{EPS} < x < 0" if sign else f"0 < x < {EPS}" for sign in ("-", "")} | EDGES),
        ("special.i0e(x)", {"x = 0", "x = 300", "x > 300", "x = -300", "x < -300"}),
        ("special.log_ndtr(x)", {"x**2 = 200 and x < 0", "x < -1 and x**2 > 200"}),
        # The root of a square is that of either side.
        ("relu(10 - sqrt(x**2/2))", {"x = 0", "x**2 = 200 and x > 0", "x**2 = 200 and x < 0"}),
    ],
)
def test_kinks_and_thresholds_are_exceptions(program: str, regions: set[str]) -> None:
    report = proved(program)
    assert report.verdict == "proved except"
    assert {one.region for gradient in report.gradients for one in gradient.exceptions} == regions
    assert report.exit_code == 0


def test_what_is_found_of_one_entry_is_told_of_others_by_their_names() -> None:
    by_x, by_y = proved("where(exp(x) > y, relu(x), y)", x=(2,), y=(2,)).gradients
    assert (by_x.verdict, by_y.verdict) == ("proved except", "proved except")
    regions = [one.region for one in by_x.exceptions]
    first, other = ([part for part in regions if f"x[{place}]" in part] for place in (0, 1))
    assert any("exp(x[0]) = y[0]" in part for part in first)
    assert other == [part.replace("[0]", "[1]") for part in first]
    assert len(regions) == 2 * len(first)


def test_a_gradient_that_is_nan_through_what_was_not_chosen_is_refuted() -> None:
    (by_x,) = proved("where(x > 0, sqrt(1*x), 0)").gradients
    assert by_x.verdict == "refuted"
    assert by_x.witness is not None
    assert (str(by_x.witness.gradient), by_x.witness.derivative) == ("nan", 0)
    # Here the function itself has no value below 0.
    assert proved("where(x > 0, 1, 0)*sqrt(1*x)").verdict == "proved except"


def test_a_difference_below_a_tiny_norm_is_found() -> None:
    report = proved("F.cosine_similarity(x, y, dim=0)", x=(2,), y=(2,))
    by_x = report.gradients[0]
    assert report.verdict == "refuted"
    assert by_x.witness is not None
    x, y = (torch.tensor(by_x.witness.leaves[name], dtype=torch.float64) for name in "xy")
    assert 0 < x.norm() < 1e-8
    # The norm of x is clamped there, so that the similarity is x·y/(eps·|y|).
    assert isinstance(by_x.witness.grad_output, float)
    expected = by_x.witness.grad_output * y[by_x.witness.index[0]] / (1e-8 * y.norm())
    assert by_x.witness.derivative == pytest.approx(float(expected), rel=1e-12)


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
        ("F.max_pool1d(x, 2, 1, 1)", (1, 3)),
        ("F.max_pool2d(x, (2, 1))", (1, 2, 2)),
        ("F.max_pool3d(x, (1, 1, 2), padding=(0, 0, 1))", (1, 1, 1, 4)),
        ("F.adaptive_max_pool1d(x, 2)", (1, 3)),
        ("F.adaptive_max_pool2d(x, (1, None))", (1, 2, 2)),
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
    for pick in (lambda x: _shared(x == x.amax(0)), lambda x: torch.zeros_like(x).scatter(0, x.max(0, True)[1], 1.0)):
        report = of_function(lambda x: x.amax(0), lambda x, g, pick=pick: g * pick(x), (3,))
        assert report.verdict == "proved except", report.to_dict()


@pytest.mark.parametrize(
    ("backward", "verdict"),
    [
        (lambda x, g: _unpooled(functional.max_pool1d(x, 2, 1, return_indices=True)[1], g), "proved except"),
        # Where windows share their largest entry, it gets one gradient, and not their sum.
        (
            lambda x, g: torch.zeros_like(x).scatter(1, functional.max_pool1d(x, 2, 1, return_indices=True)[1], g),
            "refuted",
        ),
        (lambda x, g: _unpooled(functional.max_pool1d(-x, 2, 1, return_indices=True)[1], g), "refuted"),
    ],
    ids=["right", "the last window's", "the smallest entry's"],
)
def test_a_backward_of_a_max_pool(backward: Backward, verdict: str) -> None:
    report = of_function(lambda x: functional.max_pool1d(x, 2, 1), backward, (1, 3))
    assert report.gradients[0].verdict == verdict, report.to_dict()


def _unpooled(places: Tensor, g: Tensor) -> Tensor:
    return g.new_zeros(1, 3).scatter_add(1, places, g)


def _shared(ties: Tensor) -> Tensor:
    return ties / ties.sum(0)


def test_four_entries_that_tie_are_a_kink() -> None:
    def backward(x: Tensor, g: Tensor) -> Tensor:
        return 2 * g * x.amax(0) * _shared(x == x.amax(0))

    report = of_function(lambda x: x.max(0)[0] ** 2, backward, (4,))
    assert report.verdict == "proved except", report.to_dict()
    assert any(one.region.count(" = ") == 3 for one in report.gradients[0].exceptions)


def test_ties_among_random_points_are_no_refutation() -> None:
    def backward(x: Tensor, g: Tensor) -> Tensor:
        ties = (x == x.max()).to(x.dtype)
        return g * ties / ties.sum()

    report = of_function(lambda x: x.max(), backward, (6,), timeout=20)  # too many cells: it is looked at at points
    assert report.verdict in {"equal at 8 exact points", "proved except"}


def test_what_forward_of_a_function_detaches_is_followed() -> None:
    def forward(x: Tensor) -> Tensor:
        with torch.no_grad():
            return x * x.detach()

    assert of_function(forward, lambda x, g: 2 * g * x).gradients[0].verdict == "proved"
    assert of_function(forward, lambda x, g: g * x).gradients[0].verdict == "refuted"


def test_the_sign_of_an_exponential_less_1_is_that_of_its_exponent() -> None:
    def forward(x: Tensor) -> Tensor:
        return torch.clamp(x, min=0) + torch.clamp(2 * torch.expm1(x / 2), max=0)

    def backward(x: Tensor, g: Tensor, factor: float = 0.5) -> Tensor:
        return g * torch.where(x > 0, torch.ones_like(x), torch.exp(factor * x))

    assert of_function(forward, backward).verdict == "proved"
    assert of_function(forward, lambda x, g: backward(x, g, 0.25)).gradients[0].verdict == "refuted"


def test_a_gradient_that_is_wrong_where_two_choices_meet_is_refuted() -> None:
    # At 0 the formula of the derivative takes both sides, and comes to 2, as this backward does.
    def backward(x: Tensor, g: Tensor) -> Tensor:
        return g * (torch.where(x > 0, torch.ones_like(x), torch.exp(x)) + (x == 0))

    report = of_function(lambda x: torch.clamp(x, min=0) + torch.clamp(torch.expm1(x), max=0), backward)
    (by_x,) = report.gradients
    assert by_x.verdict == "refuted"
    assert by_x.witness is not None
    assert by_x.witness.derivative == pytest.approx(by_x.witness.gradient / 2, rel=1e-12)


def test_a_gradient_that_every_tie_gets_in_full_is_refuted_by_running_it() -> None:
    report = of_function(lambda x: x.amax(0), lambda x, g: g * (x == x.amax(0)), (3,))
    assert report.gradients[0].verdict == "proved except"  # each entry has one of its one-sided derivatives
    assert report.verdict == "refuted"
    assert report.ran is not None
    assert "other points" in [check.name for check in report.ran.failed]


def test_what_jumps_with_another_leaf_is_no_kink_of_this_one() -> None:
    by_x, by_y = proved("where(x > 0, x**2, y)").gradients
    assert (by_x.verdict, by_y.verdict) == ("proved except", "proved")
    assert [(one.region, one.cause) for one in by_x.exceptions] == [("x = 0", CAUSES["jump"])]


@pytest.mark.parametrize(
    ("program", "regions"),
    [
        ("where(x > 0, x + 1, x)", {"x = 0": "jump"}),
        ("where(x > 1, x*x + 1, 2*x - 1)", {"x = 1": "jump"}),
        ("where(x > 1, x*x, 2*x - 1)", {}),  # it goes on smoothly
        ("x*(x > 0) + (x > 1)", {"x = 0": "kink", "x = 1": "jump"}),
        ("F.hardshrink(x)", {"x = 0.5": "jump", "x = -0.5": "jump"}),
        ("F.threshold(x, 1.0, 5.0)", {"x = 1": "jump"}),
        ("F.threshold(x, 1.0, 1.0)", {"x = 1": "kink"}),
        ("selu(x)", {"x = 0": "kink", "x < 0": "rounded"}),  # its slopes are 1.758 and 1.051
        ("floor(x)*x", {"x is an integer": "stair"}),  # at 0 it has slopes of -1 and 0, and does not jump
        ("round(x) + x", {"x + 0.5 is an integer": "stair"}),
        ("fmod(x, 0.75)", {"x/0.75 is an integer": "stair"}),
        ("x - floor(x**3)", {"x**3 is an integer": "stair"}),
        ("floor(x) + remainder(x, 1)", {}),  # that is x
        ("where(x > 0, (x*x)**0.03125, 0*x)", {"x = 0": "undefined"}),  # infinitely steep, and no jump
    ],
)
def test_where_the_program_jumps_is_an_exception(program: str, regions: dict[str, str]) -> None:
    (by_x,) = proved(program).gradients
    assert {one.region: one.cause for one in by_x.exceptions} == {
        where: CAUSES.get(kind, ROUNDING) for where, kind in regions.items()
    }
    assert by_x.verdict == ("proved except" if regions else "proved")


def test_kernels_are_compared_absolutely_where_the_derivative_is_0() -> None:
    report = proved("sin(x)**2 + cos(x)**2")
    kernel = report.kernel
    assert kernel is not None
    assert kernel.max_rel_error is None
    assert kernel.max_abs_error is not None
    assert kernel.max_abs_error < 1e-15
    assert "where the derivative is 0" in text(report, Style())
    assert proved("sin(x)**2").kernel.max_abs_error is None  # type: ignore[union-attr]


@pytest.mark.parametrize("bounds", ["[0.0, 2.0]", "[0.0, 0.0]"])
def test_an_entry_jumps_by_itself_alone(bounds: str) -> None:
    """The formulas of the gradients are alike in both entries, and those of the program are not."""
    (by_x,) = proved(f"where(x > tensor({bounds}), x + tensor([1.0, 0.0]), x)", x=(2,)).gradients
    assert [(one.region, one.cause) for one in by_x.exceptions] == [("x[0] = 0", CAUSES["jump"])]


@pytest.mark.parametrize("program", ["sinc(x)", "special.erfcx(x)"])
def test_where_a_series_begins_is_no_kink(program: str) -> None:
    report = proved(program)
    assert {one.cause for one in report.gradients[0].exceptions} == {SERIES}


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
    (by_x,) = of_function(lambda x: x**3, lambda x, g: right(x, g) * (1 + 2.0**-27)).gradients
    assert by_x.verdict == "undecided"
    assert of_function(lambda x: x**3, lambda x, g: right(x, g) * (1 + 2.0**-20)).verdict == "refuted"


def test_what_cannot_be_traced_for_all_values_is_undecided() -> None:
    report = of_function(lambda x: x**3, lambda x, g: right(x, g) * (1 if x[0].item() > -1e9 else 2))
    assert (report.verdict, report.exit_code) == ("undecided", 3)
    assert "cannot be traced for all values" in (report.gradients[0].reason or "")


@pytest.mark.parametrize(("factor", "verdict"), [(3.0, "proved"), (3.1, "refuted")])
def test_writes_in_place_are_followed(factor: float, verdict: str) -> None:
    (by_x,) = of_function(lambda x: x**3, lambda x, g: _written(x, g, factor)).gradients
    assert by_x.verdict == verdict


def _written(x: Tensor, g: Tensor, factor: float) -> Tensor:
    """Return the gradient by two entries, written into views of zeros."""
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
        program = "softmax(softmax(x @ w, dim=-1) @ softmax(x, dim=-1), dim=-1) @ y"
        verdict = proved(program, timeout=6.0, x=(6, 6), w=(6, 6), y=(6, 6)).verdict
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
    report = proved("linalg.eigvalsh(x)", x=(2, 2))
    assert (report.verdict, report.exit_code) == ("undecided", 3)
    assert report.gradients[0].reason


def failed(report: ProofReport) -> list[str]:
    """Return what fails although the formula of every gradient is the derivative."""
    assert {gradient.verdict for gradient in report.gradients} == {"proved"}
    assert (report.verdict, report.exit_code) == ("refuted", 1)
    assert report.ran is not None
    return [check.name for check in report.ran.failed]


def test_what_a_formula_does_not_show_is_run() -> None:
    report = of_function(lambda x: x**3, lambda x, g: 3 * g * x * x)
    assert (report.verdict, report.exit_code) == ("proved", 0)
    assert report.ran is not None
    assert {"other shapes", "in float32", "double backward"} <= {check.name for check in report.ran.checks}
    assert report.to_dict()["ran"]["checks"][0]["verdict"] == "match"


def test_a_second_derivative_that_is_lost_is_no_proof() -> None:
    report = of_function(lambda x: x**3, lambda x, g: 3 * g * x.detach() ** 2)
    assert failed(report) == ["double backward"]
    shown = text(report, Style())
    assert "by x: proved" in shown
    assert "double backward: silently wrong" in " ".join(shown.split())
    assert "refuted: the Function fails as it is run" in shown


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (lambda x, g: 2 * g * x * (1.01 if g.dtype == torch.float32 else 1), "in float32"),
        (lambda x, g: 2 * g * x * (1 if g.is_contiguous() else 2), "non-contiguous tensors"),
        (lambda x, g: 2 * g * x * (2 if len(g) > 64 else 1), "other shapes"),
    ],
)
def test_code_that_looks_at_more_than_values_is_no_proof(wrong: Backward, name: str) -> None:
    assert name in failed(of_function(lambda x: x * x, wrong))


def test_an_upstream_gradient_that_is_changed_in_place_is_still_what_was_given() -> None:
    def changing(x: Tensor, g: Tensor) -> Tensor:
        found = 2 * g * x
        g.mul_(2)
        return found

    assert "arguments unmodified" in failed(of_function(lambda x: x * x, changing))


def test_a_random_backward_is_refuted_by_running_it() -> None:
    report = of_function(lambda x: x * x, lambda x, g: 2 * g * x * (1 + 1e-12 * torch.rand_like(x)))
    assert report.verdict == "refuted"
    assert report.ran is not None
    assert "deterministic" in [check.name for check in report.ran.failed]


def test_forward_is_followed_where_it_chooses_by_values() -> None:
    def forward(x: Tensor) -> Tensor:
        inside = (x > 0).to(x.dtype)
        return torch.where(x < -1, -x, inside * x * x)

    def backward(x: Tensor, g: Tensor) -> Tensor:
        return g * torch.where(x < -1, -torch.ones_like(x), 2 * x * (x > 0))

    assert of_function(forward, backward).verdict == "proved except"
    # Right for x > 0 alone: whatever the point is that is drawn, it is refuted.
    assert of_function(forward, lambda x, g: 2 * g * x).gradients[0].verdict == "refuted"
    assert of_function(forward, lambda x, g: g * -torch.ones_like(x)).gradients[0].verdict == "refuted"


def choosing(x: Tensor) -> Tensor:
    """Return what differs by the signs of entries, times what no gradient passes."""
    with torch.no_grad():
        total = x.sum()
    return torch.where(x > 0, x * x, x.sin()) * (total + x.detach())


def test_a_function_that_chooses_by_values_is_proved() -> None:
    report = engine.prove_code(choosing, Settings(command="prove", shapes={None: (2,)}))
    assert report.verdict == "proved except"
    assert {one.region for one in report.gradients[0].exceptions} == {"x[0] = 0", "x[1] = 0"}


class Halved(torch.autograd.Function):
    """A Function whose backward is half of the derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[0]


def calling(x: Tensor) -> Tensor:
    """Call a Function."""
    return Halved.apply(x).sin()  # type: ignore[no-untyped-call,no-any-return]


def test_a_function_inside_of_code_is_what_its_forward_is() -> None:
    assert engine.prove_code(calling, Settings(command="prove", shapes={None: (1,)})).verdict == "refuted"


def choosing_beside(x: Tensor) -> Tensor:
    """Call a Function beside a condition."""
    return torch.where(x > 0, Halved.apply(x), x)  # type: ignore[no-untyped-call,no-any-return]


def test_constants_beside_a_function_inside_of_code_are_not_taken_for_constants() -> None:
    report = engine.prove_code(choosing_beside, Settings(command="prove", shapes={None: (1,)}))
    assert report.verdict == "undecided"
    assert "may depend on the leaves" in (report.gradients[0].reason or "")


def test_convolutions_in_a_backward_are_followed() -> None:
    conv1d, turned = torch.nn.functional.conv1d, torch.nn.functional.conv_transpose1d

    def weight(x: Tensor) -> Tensor:
        return torch.arange(1.0, 3.0, dtype=x.dtype).reshape(1, 1, 2)

    def of(factor: float) -> str:
        def backward(_: Tensor, g: Tensor) -> Tensor:
            return factor * turned(g, weight(g), stride=2)

        return of_function(lambda x: conv1d(x, weight(x), stride=2), backward, (1, 1, 4)).gradients[0].verdict

    assert (of(1.0), of(2.0)) == ("proved", "refuted")


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
