"""Shapes of leaves that have none: what a textbook takes the names for, and lengths apart that may be."""

from __future__ import annotations

import pytest
import torch

import gradcli
from gradcli.errors import GradcliError


def shapes(program: str, given: dict[str, object] | None = None) -> dict[str, str]:
    """Return the shapes of the leaves of a derivation, in the names of their lengths."""
    found = gradcli.derive(program, given)
    names = {length: name for name, length in (found.sizes or {}).items()}
    return {leaf: "x".join(names.get(size, str(size)) for size in shape) for leaf, shape in found.leaves.items()}


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("x @ A @ x", {"x": "n", "A": "nxn"}),
        ("x @ A @ y", {"x": "n", "A": "nxm", "y": "m"}),
        ("trace(A @ X @ B)", {"A": "nxm", "X": "mxk", "B": "kxn"}),
        ("logdet(X)", {"X": "nxn"}),
        ("norm(X @ w - y)**2 + lam*(w @ w)", {"X": "nxm", "w": "m", "y": "n", "lam": ""}),
        ("X @ w + lam", {"X": "nxm", "w": "m", "lam": ""}),
        ("s*trace(A)", {"s": "", "A": "nxn"}),
        ("sum(X @ w + n)", {"X": "mxk", "w": "k", "n": "m"}),  # a leaf has the name that a length would
        ("outer(x, y) @ z", {"x": "n", "y": "m", "z": "m"}),
    ],
)
def test_names_say_the_ranks_and_the_program_the_lengths(program: str, expected: dict[str, str]) -> None:
    """As matrixcalculus.org reads them: capitals, small letters, Greek letters."""
    assert shapes(program) == expected


def test_shapes_that_are_given_are_kept() -> None:
    """The others follow from them: by number, or by name."""
    assert shapes("x @ A @ y", {"A": (3, 4)}) == {"x": "3", "A": "3x4", "y": "4"}
    assert shapes("x @ A @ y", {"A": ("p", "q")}) == {"x": "p", "A": "pxq", "y": "q"}
    assert shapes("x @ A @ y", {"x": [1.0, 2.0]}) == {"x": "2", "A": "2xn", "y": "n"}


def test_the_derivative_of_a_quadratic_form_needs_no_shapes() -> None:
    """That of x'Ax by x twice is A + A' (Petersen and Pedersen, The Matrix Cookbook, equation 98)."""
    found = gradcli.derive("x @ A @ x", wrt="x", order=2)
    assert found.formula == "A + A.T"
    assert found.notes is not None
    assert "no shape is given for x, A: capitals are matrices" in found.notes[0]
    namespace: dict[str, object] = {}
    exec(found.code("torch"), namespace)  # noqa: S102 (what is shown is run)
    x, matrix = torch.randn(6), torch.randn(6, 6)
    hessian = torch.autograd.functional.hessian(lambda one: one @ matrix @ one, x)
    torch.testing.assert_close(namespace["gradient"](x, matrix), hessian)  # type: ignore[operator]


def test_a_program_that_runs_on_scalars_is_of_scalars() -> None:
    """As leaves without a shape are for every command."""
    found = gradcli.derive("X*y")
    assert found.leaves == {"X": (), "y": ()}
    assert found.notes is None


def test_steps_are_of_numbers() -> None:
    """They have no lengths by name."""
    found = gradcli.derive("x @ A @ x", wrt="x", steps=True)
    assert found.sizes is None
    assert found.leaves == {"x": (4,), "A": (4, 4)}


def test_what_runs_on_no_usual_shapes_says_what_pytorch_says() -> None:
    """A batch of matrices has three axes."""
    with pytest.raises(GradcliError, match="batch1 must be a 3D tensor"):
        gradcli.derive("bmm(A, B)")
