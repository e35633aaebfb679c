"""Claims: a gradient derived by hand is right where torch's own is equal, and wrong by the cause that was planted."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gradcli
from gradcli.errors import GradcliError
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict

# Programs with the right gradient of some tensors, and the shapes of the leaves.
RIGHT: list[tuple[str, dict[str, tuple[int, ...]], dict[str, str]]] = [
    ("mean(w1 + w2 + w2*w3)", {"w1": (2, 2), "w2": (2, 2), "w3": (2, 2)}, {"w2": "(w3 + 1)/4", "w1": "1/4"}),
    ("A @ x", {"A": (3, 4), "x": (4,)}, {"x": "A.T @ g", "A": "outer(g, x)"}),
    ("X @ W", {"X": (4, 3), "W": (3, 2)}, {"W": "X.T @ g", "X": "g @ W.T"}),
    ("X @ W + b", {"X": (4, 3), "W": (3, 2), "b": (2,)}, {"b": "g.sum(dim=0)"}),
    ("y = tanh(x); y**2", {"x": (5,)}, {"y": "2*y*g", "x": "2*y*(1 - y**2)*g"}),
    ("softmax(x, dim=-1)", {"x": (4,)}, {"x": "s = softmax(x, dim=-1); s*(g - (g*s).sum())"}),
    ("logdet(A @ A.T)", {"A": (3, 3)}, {"A": "2*linalg.inv(A).T"}),
]


def check(program: str, shapes: dict[str, tuple[int, ...]], claims: dict[str, str], seed: int = 0) -> Report:
    generator = torch.Generator().manual_seed(seed)
    inputs = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}
    shape = gradcli.check(program, inputs, grad_output=1.0, witnesses=["taylor"]).output.shape
    upstream = torch.randn(shape, generator=generator, dtype=torch.float64)
    options = {} if shape == () else {"grad_output": upstream}
    return gradcli.check(program, inputs, claims=claims, witnesses=["symbolic"], **options)


@pytest.mark.parametrize(("program", "shapes", "claims"), RIGHT)
def test_a_right_claim_matches(program: str, shapes: dict[str, tuple[int, ...]], claims: dict[str, str]) -> None:
    report = check(program, shapes, claims)
    assert report.verdict is Verdict.MATCH
    for name, text in claims.items():
        claim = report[name].claim
        assert claim is not None
        assert (claim.text, claim.verdict) == (text, Verdict.MATCH)
        assert torch.allclose(claim.value, report[name].gradient, rtol=1e-12)


@pytest.mark.parametrize(
    ("program", "shapes", "claim", "cause"),
    [
        ("mean(w1*w2)", {"w1": (2, 2), "w2": (2, 2)}, {"w1": "w2/2"}, "times 2"),
        ("mean(w1*w2)", {"w1": (2, 2), "w2": (2, 2)}, {"w1": "-w2/4"}, "sign"),
        ("A @ B", {"A": (3, 3), "B": (3, 3)}, {"B": "(A.T @ g).T"}, "transpose"),
        ("X @ W", {"X": (4, 3), "W": (3, 2)}, {"W": "g.T @ X"}, "transpose"),
        ("x**2", {"x": (5,)}, {"x": "2*x"}, "the factor g, the upstream gradient, is missing"),
        ("x*y", {"x": (5,), "y": (5,)}, {"x": "g"}, "the factor 'y' is missing"),
        ("X + b", {"X": (4, 3), "b": (3,)}, {"b": "g"}, "the sum over axis 0"),
        ("x*exp(x)", {"x": (5,)}, {"x": "g*exp(x)"}, "the term through 'exp(x)' is missing"),
        ("x*exp(x)", {"x": (5,)}, {"x": "g*exp(x) - g*x*exp(x)"}, "the term through 'exp(x)' has the wrong sign"),
    ],
)
def test_the_cause_of_a_wrong_claim(
    program: str, shapes: dict[str, tuple[int, ...]], claim: dict[str, str], cause: str
) -> None:
    report = check(program, shapes, claim)
    (name,) = claim
    assert report.verdict is report[name].verdict is Verdict.MISMATCH
    assert report[name].dissenter == "claim"
    assert cause in (report[name].note or "")


@settings(max_examples=20, deadline=None)
@given(
    case=st.sampled_from(RIGHT),
    seed=st.integers(0, 1000),
    factor=st.sampled_from([1.0, 1 + 1e-4, 1 - 1e-4, 1.0005, -1.0, 0.0, 2.0]),
)
def test_a_claim_off_by_a_factor(
    case: tuple[str, dict[str, tuple[int, ...]], dict[str, str]], seed: int, factor: float
) -> None:
    program, shapes, claims = case
    name, text = next(iter(claims.items()))
    *before, last = text.split("; ")
    scaled = "; ".join([*before, f"{factor!r}*({last})"])
    found = check(program, shapes, {name: scaled}, seed)[name].claim
    assert found is not None
    assert found.verdict is (Verdict.MATCH if factor == 1 else Verdict.MISMATCH)


def test_a_tensor_of_the_program_called_g_comes_before_the_upstream_gradient() -> None:
    report = gradcli.check("g*x", {"g": 3.0, "x": 5.0}, claims={"x": "g"})
    assert report.verdict is Verdict.MATCH


def test_a_claim_without_a_symbolic_derivative_is_compared_with_autograd() -> None:
    report = gradcli.check("x*y", {"x": 3.0, "y": 5.0}, claims={"x": "y", "y": "2*x"}, witnesses=["finite-difference"])
    assert report["x"].verdict is Verdict.MATCH
    assert report["y"].verdict is Verdict.MISMATCH
    assert "autograd's gradient" in (report["x"].claim.note or "")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"z": "1"}, "no tensor 'z'"),
        ({"x": "z*2"}, "no variable 'z'"),
        ({"x": "sinn(y)"}, "unknown function 'sinn'"),
        ({"x": "y +"}, "nothing on its right"),
        ({"x": "y.shape"}, "not a tensor"),
        ({"x": "cat([y, y])"}, "has shape 4, and 'x' has 2"),
        ({"x": "y[:1]*c"}, "has shape 1, and 'x' has 2"),
        ({"x": "y @ ones(3)"}, "PyTorch refuses"),
        ({"c": "x*y"}, "does not require grad"),
    ],
)
def test_a_claim_that_is_no_gradient_is_an_error(claims: dict[str, str], words: str) -> None:
    with pytest.raises(GradcliError) as caught:
        gradcli.check("(x*y*c).sum()", {"x": [3.0, 1.0], "y": [5.0, 2.0], "c": 2.0}, claims=claims, constants=["c"])
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("claim", "right"),
    [
        ("2*X/n", True),
        ("X*k/size", True),
        ("2*X*ones(n, 2)/n", True),
        ("2*Z/n", True),
        ("2*X/m", False),
        ("2*X.sum(dim=axis, keepdim=True)*ones(1, 2)/n", False),
    ],
)
def test_a_claim_may_use_every_name_of_the_program(claim: str, right: bool) -> None:
    program = "n = X.shape[0]; m = n + 1; k = 2; axis = 1; size = 5; Z = X; (Z*Z).sum()/n"
    report = gradcli.check(program, {"X": torch.arange(10.0).reshape(5, 2)}, claims={"X": claim}, witnesses="symbolic")
    assert report["X"].claim.verdict == ("match" if right else "mismatch")


@pytest.mark.parametrize("claim", ["Y.reshape(6, 1, 1)", "Y.flatten()", "Y.reshape(3, 2)", "Y[None]"])
def test_a_claim_of_another_shape_is_no_match_whatever_its_entries_are(claim: str) -> None:
    """The gradient of sum(X*Y) by X is Y, of its shape."""
    inputs = {"X": torch.ones(2, 3), "Y": torch.arange(6.0).reshape(2, 3)}
    try:
        verdict = str(gradcli.check("sum(X*Y)", inputs, claims={"X": claim}, witnesses=["symbolic"]).verdict)
    except GradcliError as error:
        verdict = error.message
    assert verdict == "mismatch" or "has shape" in verdict


def test_a_number_stands_for_every_entry() -> None:
    report = gradcli.check("sum(2*X)", {"X": torch.ones(2, 3)}, claims={"X": "2"}, witnesses=["symbolic"])
    assert report.verdict is Verdict.MATCH


@pytest.mark.parametrize("claim", ["[0, 1]", "[0., 1.]", "(0, 1)", " [x[0], 1] "])
def test_brackets_of_numbers_are_the_tensor_that_they_are_meant_to_be(claim: str) -> None:
    report = gradcli.check("amax(x)", {"x": [0.0, 1.0]}, claims={"x": claim})
    assert report.verdict == "match"
    assert report["x"].claim is not None
    assert report["x"].claim.value.tolist() == [0, 1]


def test_brackets_with_a_wrong_number_are_a_wrong_claim() -> None:
    report = gradcli.check("amax(x)", {"x": [0.0, 1.0]}, claims={"x": "[1, 1]"})
    assert report["x"].claim is not None
    assert report["x"].claim.verdict == "mismatch"
