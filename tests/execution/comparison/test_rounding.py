from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from typing import Any

import pytest
import torch

import gradcli
from gradcli.engine import evaluate_program
from gradcli.execution.comparison import rounding
from gradcli.execution.comparison.rounding import RUNS, Point
from gradcli.execution.reference.contributions import terms
from gradcli.execution.reference.last_bits import perturb
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


def run(program: str, **values: Any) -> Report:
    return evaluate_program(program, Settings(values=values, grad_output="ones"))


@pytest.fixture
def plant_wrong_exp(plant: Callable[..., None]) -> Callable[[float], None]:
    """Make the gradient of the exponential a little wrong."""
    return lambda error: plant("exp", torch.exp, lambda gradient, _, result: gradient * result * (1 + error))


@pytest.mark.parametrize(
    "program", ["1 - tanh(x)**2", "softmax(x, dim=0).sum()", "log(exp(x) + 1) - log(exp(x))", "logsumexp(x, dim=0) - x"]
)
def test_digits_that_cancellation_ate_are_no_mismatch(program: str) -> None:
    assert run(program, x=[9.0, 1.0, -12.0]).verdict is Verdict.MATCH


@pytest.mark.parametrize(("error", "verdict"), [(1e-12, Verdict.MATCH), (1e-7, Verdict.MISMATCH)])
def test_a_wrong_gradient_is_more_than_noise(
    error: float, verdict: Verdict, plant_wrong_exp: Callable[[float], None]
) -> None:
    plant_wrong_exp(error)
    assert run("exp(x)*y", x=[1.0, 2.0], y=3.0).verdict is verdict


@pytest.mark.parametrize(
    "program", ["where(y > 0, exp(x), y)", "masked_fill(exp(x), x > y, 0.5)", "exp(x)[argsort(x*y)]", "exp(x)*(x > y)"]
)
def test_a_wrong_gradient_beside_truth_values_and_integers(
    program: str, plant_wrong_exp: Callable[[float], None]
) -> None:
    plant_wrong_exp(1e-3)
    assert run(program, x=[0.5, 2.0], y=[1.0, 1.0]).verdict is Verdict.MISMATCH


def hilbert(size: int) -> list[list[float]]:
    return [[1 / (i + j + 1) for j in range(size)] for i in range(size)]


@pytest.mark.parametrize("program", ["logdet(A)", "inv(A).sum()"])
@pytest.mark.parametrize(("size", "verdict"), [(4, Verdict.MATCH), (8, Verdict.UNDECIDED), (12, Verdict.UNDECIDED)])
def test_a_matrix_that_is_nearly_singular_decides_nothing(program: str, size: int, verdict: Verdict) -> None:
    report = evaluate_program(program, Settings(values={"A": hilbert(size)}))
    # Which last digits LAPACK leaves depends on the processor: at 8 it may happen to agree.
    assert report.verdict in {verdict, Verdict.MATCH}
    assert report.verdict is Verdict.MATCH or "ill-conditioned" in (report["A"].note or "")


def test_a_gradient_far_beyond_the_noise_is_wrong_at_any_point(plant_wrong_exp: Callable[[float], None]) -> None:
    plant_wrong_exp(0.1)
    report = evaluate_program("inv(A*exp(x)).sum()", Settings(values={"A": hilbert(8), "x": 0.0}))
    assert report["x"].verdict is Verdict.MISMATCH


def test_a_jump_between_two_values_is_no_noise() -> None:
    assert run("fmod(x, y)", x=6.7, y=1.34)["y"].verdict is Verdict.MISMATCH


KEY_BIAS = "k = X @ W + b; a = softmax(Q @ k.T, dim=-1); (a @ V).sum()"  # the same is added to a whole row of scores


def test_a_gradient_that_is_zero_by_an_identity_says_so_without_measuring_everything_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Point, "noise", None)
    shapes = {"X": (5, 4), "W": (4, 3), "b": (3,), "Q": (5, 3), "V": (5, 2)}
    report = evaluate_program(KEY_BIAS, Settings(shapes=shapes, init="randn"))
    assert report.verdict is Verdict.MATCH
    assert "zero, within rounding" in (report["b"].note or "")
    assert float(report["b"].gradient.abs().max()) < 1e-14  # type: ignore[union-attr]
    assert report["W"].note is None


def test_terms_that_cancel_do_not_hide_a_wrong_one(plant: Callable[..., None]) -> None:
    plant("exp", torch.exp, lambda gradient, _, result: gradient * result * (1 + 1e-9))
    assert run("exp(x) - 2.718281828459045*x", x=1.0)["x"].verdict is Verdict.MISMATCH


@pytest.mark.parametrize("command", ["eval", "check", "grad", "jacobian"])
@pytest.mark.parametrize("program", ["svd(outer(x, y), full_matrices=False)[0]", "eigh(outer(x, x))[1]"])
def test_a_gradient_of_which_rounding_leaves_nothing_is_no_match(program: str, command: str) -> None:
    """The vectors to equal singular values or eigenvalues, here 0, have no derivative."""
    settings = Settings(
        values={"x": [1.0, 0.3, -0.7], "y": [0.2, 1.1]} if "y" in program else {"x": [1.0, 0.3, -0.7]},
        command=command,
        grad_output=None if command == "jacobian" else "ones",
        wrt=("x",) if command == "grad" else None,
        formulas=False,
    )
    report = evaluate_program(f"torch.linalg.{program}[:, 1].sum()", settings)
    assert report["x"].verdict in {Verdict.UNDECIDED, Verdict.UNDEFINED}


def test_no_cause_is_looked_for_where_rounding_excuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient of normalised values' sum is zero, and what rounding leaves of it is not."""
    monkeypatch.setattr("gradcli.execution.comparison.compare.likely_cause", lambda *_: pytest.fail("it was"))
    values = torch.randn(8, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    report = gradcli.check("layer_norm(x, (6,)).sum()", {"x": values}, witnesses=("symbolic",))
    assert report.verdict == "match"
    assert "rounding" in str(report["x"].notes)


def rotation(seed: int, place: int) -> torch.Tensor:
    torch.manual_seed(seed)
    drawn = [torch.linalg.qr(torch.randn(n, n, dtype=torch.float64)).Q for n in islice(cycle((4, 3)), place + 1)]
    drawn[-1][:, 0] *= torch.det(drawn[-1]).sign()
    return drawn[-1]


# A rotation plus its transpose has every eigenvalue twice, but for the last bits: what its eigenvectors are, and how
# they turn, is told by those. PyTorch's gradients are about 1e14.
@pytest.mark.parametrize(
    ("program", "drawn"),
    [
        ("torch.linalg.eigh(v + v.T)[1].pow(3).sum()", (0, 0)),
        ("torch.linalg.eigh(v + v.T)[0].pow(2).sum()", (0, 0)),
        ("torch.linalg.eigh(v + v.T)[1].pow(3).sum()", (5, 51)),
        ("(torch.linalg.eigh(v + v.T)[1] @ v).sin().sum()", (0, 9)),
    ],
)
def test_eigenvalues_that_are_equal_but_for_rounding_decide_nothing(program: str, drawn: tuple[int, int]) -> None:
    report = evaluate_program(program, Settings(command="check", values={"v": rotation(*drawn).tolist()}))
    assert report.verdict is Verdict.UNDECIDED


def test_an_inverse_of_which_few_digits_are_known_decides_nothing() -> None:
    """Without 1e-15 the matrix is singular. By mpmath the last entry is -9.7919e28, by the definition -9.7933e28."""
    values = [
        [-0.9878789142745354, -0.021100612572832994, 0.15378561337399757],
        [-0.13088273170142092, -0.419425145223549, -0.8983052143322886],
        [0.0834563435224628, -0.9075446609965023, 0.41157955126877294],
    ]
    report = evaluate_program("inv(v - v.T + 1e-15*v).sum()", Settings(values={"v": values}))
    assert report.verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("shape", [(3,), (41, 101), (64, 64), (0,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex128])
def test_last_bits_are_changed_in_every_entry_by_itself(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    values = torch.ones(shape, dtype=dtype)
    moved = torch.view_as_real(perturb(values, torch.Generator().manual_seed(0), 1e-3) - values + 0j).double()[..., 0]
    assert moved.shape == shape
    assert bool((moved.abs() <= 1.001e-3).all())
    if moved.numel() > 1000:
        assert abs(float(moved.mean())) < 4e-5
        assert float(moved.std()) == pytest.approx(1e-3 / 3**0.5, rel=0.05)
        neighbours = moved.flatten()
        assert abs(float((neighbours[1:] * neighbours[:-1]).mean())) < 1e-7


def test_last_bits_of_what_is_no_finite_number() -> None:
    values = torch.full((5000,), torch.inf, dtype=torch.float64)
    assert bool((perturb(values, torch.Generator().manual_seed(0)) == torch.inf).all())
    integers = torch.arange(5)
    assert perturb(integers, torch.Generator()) is integers


def test_terms_that_cancel_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Point, "last_noise", None)
    x = torch.randn(50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert gradcli.check("F.batch_norm(x, None, None, training=True).sum()", {"x": x}, witnesses="symbolic")


def test_what_is_off_by_more_than_the_rounding_of_its_terms_is_measured(
    plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    measure = Point.last_noise
    monkeypatch.setattr(Point, "last_noise", lambda *given: asked.append(given) or measure(*given))
    plant("tanh", torch.tanh, lambda gradient, _, result: gradient * (1 - result**2) + 1e-15 * gradient)
    assert run("tanh(x)", x=[9.0]).verdict is Verdict.MATCH
    ((point, traced, _),) = asked
    assert _runs(partial(measure, point, traced), enough=0.0) == 1
    assert _runs(partial(measure, point, traced), enough=1.0) == RUNS - 1


def test_the_terms_of_a_gradient_are_found_once(plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    monkeypatch.setattr(rounding, "terms", lambda *given: found.append(terms(*given)) or found[-1])
    plant("tanh", torch.tanh, lambda gradient, _, result: gradient * (1 - result**2) + 1e-15 * gradient)
    assert run("tanh(x)", x=[9.0]).verdict is Verdict.MATCH
    (own,) = found
    assert own.sizes >= own.value.abs()
    assert float(own.value) == pytest.approx(1 / math.cosh(9.0) ** 2, rel=1e-6)


def _runs(measure: Callable[[Callable[[torch.Tensor], bool]], torch.Tensor], enough: float) -> int:
    """Return how many times it is asked if the noise is enough: after each run but the last, and it only grows."""
    errors: list[float] = []

    def is_enough(error: torch.Tensor) -> bool:
        errors.append(float(error.max()))
        return errors[-1] >= enough

    last = float(measure(is_enough).max())
    assert sorted([*errors, last]) == [*errors, last]
    return len(errors)
