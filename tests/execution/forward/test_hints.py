"""What to write instead is said for programs that newcomers type, in one step."""

from __future__ import annotations

import pytest

from gradcli.engine import evaluate_program
from gradcli.errors import GradcliError
from gradcli.settings import Settings


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ("torch.svd(x.reshape(3, 1))", "`(torch.svd(x.reshape(3, 1)))[0]`"),
        ("x.data[0] = 1; x.sum()", "`--value x=...`"),
        ("x = 2; x**2", "`--value x=2`"),
        ("if x.sum() > 0:\n    z = x\nelse:\n    z = -x", "such as `z`"),
        ("F.binary_cross_entropy_with_logits(x, t)", "`t.float()`"),
        ("x.numpy()", "leave it out"),
    ],
)
def test_a_hint_says_what_to_write(program: str, hint: str) -> None:
    values = {"x": [1.0, 2.0, 3.0], **({"t": [0, 1, 1]} if " t)" in program else {})}
    constants = ("t",) if "t" in values else ()
    settings = Settings(values={} if program.startswith("x = ") else values, constants=constants)
    with pytest.raises(GradcliError) as caught:
        evaluate_program(program, settings)
    assert caught.value.exit_code == 2
    assert hint in (caught.value.hint or "")


def test_an_index_that_a_tensor_has_not_is_no_defect() -> None:
    with pytest.raises(GradcliError) as caught:
        evaluate_program("x.data[0] = 1; x*y", Settings())
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("program", "marked"),
    [
        ("x.sum(dims=0)", "0"),
        ("y = 2*x; y.transpose(0)", "transpose"),
        ("torch.sum(x, 0, True, 2)", "2"),
        ("def f(a): return a.sum(dims=1)\nf(x)", "1"),
    ],
)
def test_an_argument_that_does_not_fit_is_marked_in_the_program(program: str, marked: str) -> None:
    with pytest.raises(GradcliError) as caught:
        evaluate_program(program, Settings())
    error = caught.value
    assert error.source is not None
    assert error.span is not None
    assert error.source[error.span.start : error.span.end] == marked
