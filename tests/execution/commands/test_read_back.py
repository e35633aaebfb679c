"""What is printed says what autograd says: LaTeX, Typst and SymPy's code, read back by what those languages mean.

`benchmarks/notations.py` does the same for the examples of all ops.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from index_values import entries
from latex_values import check_latex
from sympy_values import sympy_entries
from typst_values import latex_of

from gradcli.derivation.notation.typst import typst
from gradcli.engine import derive_program
from gradcli.escaping import latex_name
from gradcli.render.derivation import text
from gradcli.render.style import Style
from gradcli.settings import Settings

PROGRAMS = [
    ("cumsum(x*y, dim=0)*y", {"x": (3,), "y": (3,)}),
    ("(x*y).cumsum(0).cumsum(0)", {"x": (3,), "y": (3,)}),
    ("x[1:]*y - flip(y, (0,))", {"x": (4,), "y": (3,)}),
    ("X[:, 1:]*exp(-X[:, :-1])", {"X": (2, 3)}),
    ("einsum('ijk,jl->ikl', X, y_1)", {"X": (2, 3, 2), "y_1": (3, 2)}),
    ("x*sum(exp(y))/y", {"x": (2,), "y": (2,)}),
    ("where((X > y) & (y < 0.5), X*y, y)", {"X": (3, 2), "y": (2,)}),
    ("roll(alpha, 1, 0)*y", {"alpha": (3,), "y": (3,)}),
    ("smooth_l1_loss(x, y, reduction='none')*y", {"x": (3,), "y": (3,)}),
    ("X[:, ::2]*y", {"X": (2, 3), "y": (2,)}),
    ("tensor([1.5, 2.5])*x[:2]", {"x": (3,)}),
    ("abs(x - y)**3/(1 + y)", {"x": (3,), "y": (3,)}),
    ("logsumexp(X, dim=1)*y", {"X": (3, 2), "y": (3,)}),
    ("triu(X)*X", {"X": (3, 3)}),
]


@pytest.mark.parametrize(("program", "shapes"), PROGRAMS)
def test_what_is_printed_says_what_autograd_says(program: str, shapes: Any) -> None:
    derivation = derive_program(program, Settings(command="derive", to="sympy", shapes=shapes))
    torch.manual_seed(3)
    leaves = {name: torch.rand(shape, dtype=torch.float64, requires_grad=True) for name, shape in shapes.items()}
    output = eval(program, vars(torch) | vars(torch.nn.functional) | leaves)  # noqa: S307 (ours)
    upstream = torch.randn_like(output)
    expected = torch.autograd.grad(output, [*leaves.values()], upstream)
    known = {name: value.detach() for name, value in leaves.items()} | {"g": upstream.detach()}
    named = {latex_name(name): value for name, value in known.items()}
    for one, reference in zip(derivation.derivatives, expected, strict=True):
        assert one.latex is not None
        check_latex(one.latex)
        assert torch.allclose(entries(one.latex, named, one.shape), reference)
        assert torch.allclose(entries(latex_of(typst(one.latex)), named, one.shape), reference)
    if all(one.sympy is not None for one in derivation.derivatives):
        found = sympy_entries(text(derivation, Style()), known, [one.shape for one in derivation.derivatives])
        assert all(torch.allclose(value, reference) for value, reference in zip(found, expected, strict=True))
