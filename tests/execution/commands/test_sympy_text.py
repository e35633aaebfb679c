"""`derive --to sympy`: what is printed, run by sympy, is what autograd says, on all sides of constants."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sympy_values import sympy_entries
from torch import Tensor

from gradcli.derivation.notation import sympy as notation
from gradcli.engine import derive_program
from gradcli.errors import ExitCode
from gradcli.execution.formulas import single_entries
from gradcli.render.derivation import text
from gradcli.render.style import Style
from gradcli.report.derivation import Derivation
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


def derived(program: str, shapes: Any, **settings: Any) -> Derivation:
    return derive_program(program, Settings(command="derive", to="sympy", shapes=shapes, **settings))


def values(derivation: Derivation, known: dict[str, Tensor]) -> list[Tensor]:
    """Return what the printed text comes to."""
    return sympy_entries(text(derivation, Style()), known, [one.shape for one in derivation.derivatives])


def at(program: str, known: dict[str, Tensor]) -> Tensor:
    return eval(program, vars(torch) | vars(torch.nn.functional) | known)  # type: ignore[no-any-return]  # noqa: S307 (ours)


CHOICES = [
    ("clamp(x, -10, 10)*y", {"x": (4,), "y": (4,)}, ("y",)),
    ("clamp(x, -0.5, 0.5)*y", {"x": (4,), "y": (4,)}, ("y",)),
    ("clamp(x, 0, 1)*y", {"x": (4,), "y": (4,)}, ("x", "y")),
    ("minimum(maximum(x, y), z)", {"x": (4,), "y": (4,), "z": (4,)}, ("z",)),
    ("cumsum(minimum(maximum(x, y), z), 0)", {"x": (4,), "y": (4,), "z": (4,)}, ("x", "z")),
]


@pytest.mark.parametrize(("program", "shapes", "wrt"), CHOICES)
def test_choices_are_right_on_all_sides(program: str, shapes: Any, wrt: tuple[str, ...]) -> None:
    derivation = derived(program, shapes, wrt=wrt)
    for seed, size in ((1, 1.0), (2, 1.0), (3, 30.0)):
        torch.manual_seed(seed)
        leaves = {name: size * torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}
        leaves = {name: value.requires_grad_() for name, value in leaves.items()}
        output = at(program, leaves)
        upstream = torch.randn_like(output)
        expected = torch.autograd.grad(output, [leaves[name] for name in wrt], upstream)
        known = {name: value.detach() for name, value in leaves.items()} | {"g": upstream}
        for value, reference in zip(values(derivation, known), expected, strict=True):
            assert torch.allclose(value, reference)
    assert derivation.verdict is Verdict.MATCH
    assert derivation.derivatives[0].checked.ran == ("torch", "numpy", "sympy")


EXECUTED = [
    ("x[[0, 2, 2]]*y", {"x": (4,), "y": (3,)}, ("y",)),
    ("sin(symbols)*IndexedBase", {"symbols": (3,), "IndexedBase": (3,)}, ("symbols", "IndexedBase")),
    ("exp(S)*I*E*pi_", {"S": (), "I": (), "E": (2,), "pi_": (2,)}, ("S", "E")),
    ("sum(x*Sum) + Rational/3", {"x": (3,), "Sum": (3,), "Rational": (2,)}, ("x", "Rational")),
    ("sum(silu(x))", {"x": (3,)}, ("x",)),
    ("sum(softplus(x))", {"x": (3,)}, ("x",)),
    ("binary_cross_entropy_with_logits(x, y)", {"x": (3,), "y": (3,)}, ("x", "y")),
    ("logsumexp(x, dim=0)*i", {"x": (4,), "i": (3,)}, ("i",)),
    ("prod(X, dim=1)", {"X": (2, 3)}, ("X",)),
    ("diag(x)@A", {"x": (3,), "A": (3, 2)}, ("x", "A")),
    ("einsum('ij,j->i', A, x)/norm(x)", {"A": (3, 2), "x": (2,)}, ("A",)),
    ("lgamma(x)*y", {"x": (3,), "y": (3,)}, ("y",)),
    ("cat([x, y])*z", {"x": (2,), "y": (2,), "z": (4,)}, ("z",)),
]


@pytest.mark.parametrize(("program", "shapes", "wrt"), EXECUTED)
def test_what_is_printed_can_be_executed(program: str, shapes: Any, wrt: tuple[str, ...]) -> None:
    derivation = derived(program, shapes, wrt=wrt)
    torch.manual_seed(4)
    leaves = {name: torch.randn(shape, dtype=torch.float64, requires_grad=True) for name, shape in shapes.items()}
    output = at(program, leaves)
    upstream = torch.randn_like(output) if output.ndim else torch.ones_like(output)
    expected = torch.autograd.grad(output, [leaves[name] for name in wrt], upstream)
    known = {name: value.detach() for name, value in leaves.items()} | {"g": upstream}
    for value, reference in zip(values(derivation, known), expected, strict=True):
        assert torch.allclose(value, reference)
    assert derivation.verdict is Verdict.MATCH


def test_second_derivatives_are_printed() -> None:
    derivation = derived("x@A@x", {"x": (3,), "A": (3, 3)}, wrt=("x",), order=2)
    matrix = torch.randn(3, 3, dtype=torch.float64)
    (value,) = values(derivation, {"A": matrix})
    assert torch.allclose(value, matrix + matrix.T)
    x = torch.randn(3, dtype=torch.float64)
    (value,) = values(derived("sum(x**3)", {"x": (3,)}, order=2), {"x": x})
    assert torch.allclose(value, torch.autograd.functional.hessian(lambda own: (own**3).sum(), x))


def test_products_with_tangents_are_printed() -> None:
    derivation = derived("x*A", {"x": (3,), "A": (2, 3)}, product="jvp")
    known = {"x": torch.randn(3), "A": torch.randn(2, 3), "dx": torch.randn(3), "dA": torch.randn(2, 3)}
    known = {name: value.double() for name, value in known.items()}
    (value,) = values(derivation, known)
    pairs = [(known["x"], known["A"]), (known["dx"], known["dA"])]
    _, reference = torch.autograd.functional.jvp(torch.mul, *pairs)
    assert torch.allclose(value, reference)


def test_jacobians_are_printed() -> None:
    derivation = derived("X@W", {"X": (2, 3), "W": (3, 2)}, product="jacobian")
    known = {"X": torch.randn(2, 3).double(), "W": torch.randn(3, 2).double()}
    expected = torch.autograd.functional.jacobian(torch.matmul, (known["X"], known["W"]))
    for value, reference in zip(values(derivation, known), expected, strict=True):
        assert torch.allclose(value, reference)


def test_lengths_that_have_names_are_declared() -> None:
    derivation = derived("X@W", {"X": (4, 3), "W": (3, 5)}, sizes={"n": 4, "m": 3, "k": 5})
    assert "n, m, k = symbols(" in text(derivation, Style())
    assert derivation.verdict is Verdict.MATCH


def test_what_has_no_text_is_undecided_and_says_why() -> None:
    derivation = derived("inv(A)@x", {"A": (2, 2), "x": (2,)}, wrt=("x",))
    assert derivation.exit_code == ExitCode.UNDECIDED
    assert "sympy has no word for `inv(A)[i, p]`" in str(derivation.derivatives[0].reason)


def test_a_wrong_text_is_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(notation.WRITTEN, "abs", "({0})")  # type: ignore[arg-type]
    assert derived("abs(x)*y", {"x": (3,), "y": (3,)}, wrt=("y",)).verdict is Verdict.MISMATCH


def test_a_text_that_is_wrong_beyond_a_constant_is_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = single_entries.sympy

    def lost(*given: Any) -> notation.Entry:
        entry = shown(*given)
        return notation.Entry(entry.text.replace("(10, ", "(11, "), entry.free, entry.letters)

    monkeypatch.setattr(single_entries, "sympy", lost)
    assert derived("clamp(x, -10, 10)*y", {"x": (), "y": ()}, wrt=("y",)).verdict is Verdict.MISMATCH


def test_a_text_that_cannot_be_executed_is_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(notation.WRITTEN, "abs", "nowhere({0})")  # type: ignore[arg-type]
    found = derived("abs(x)*y", {"x": (3,), "y": (3,)}, wrt=("y",))
    assert found.verdict is Verdict.UNDECIDED
    assert "nowhere" in str(found.derivatives[0].checked.note)
