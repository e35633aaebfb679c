"""What a program means beside the options that are given, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import evaluate_program
from gradcli.errors import ProgramError
from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.settings import Settings


def report(program: str, **settings: Any) -> Any:
    return evaluate_program(program, Settings(formulas=False, **settings))


@pytest.mark.parametrize("program", ["sin*w", "w + exp", "y = 2*relu; y*w"])
def test_a_function_without_an_argument_is_refused(program: str) -> None:
    with pytest.raises(ProgramError) as caught:
        report(program)
    assert "is a function" in caught.value.message
    assert "(x)`" in (caught.value.hint or "")
    assert caught.value.source is not None and caught.value.span is not None  # noqa: PT018
    assert caught.value.source[caught.value.span.start : caught.value.span.end] in {"sin", "exp", "relu"}


@pytest.mark.parametrize("given", [{"values": {"sin": 2.0}}, {"shapes": {"sin": ()}}, {"constants": ("sin",)}])
def test_a_leaf_that_is_described_may_be_called_so(given: Any) -> None:
    found = report("sin*w", **given)
    assert found["w"].gradient == 2
    assert "'sin' is a leaf here, not the function" in found.notes[0]


@pytest.mark.parametrize("name", ["mean", "std", "var", "norm", "diff", "neg", "softmax_", "zeta", "beta", "gamma"])
def test_names_of_quantities_stay_leaves(name: str) -> None:
    name = name.rstrip("_") if name != "softmax_" else "logit"
    assert report(f"{name}*w").tensors[0].name == name


@pytest.mark.parametrize("name", ["index", "target", "input", "x", "t", "T"])
def test_there_is_no_note_on_other_names(name: str) -> None:
    assert report(f"{name}*w").notes is None


def test_euler_s_number_is_noted() -> None:
    assert "math.e" in report("e**x").notes[0]
    assert report("e*x").notes is None


def test_a_random_upstream_gradient_is_shown_and_the_same_for_one_seed() -> None:
    first, again, other = (
        report("X @ W", command="check", shapes={"X": (2, 3), "W": (3, 2)}, seed=s) for s in (0, 0, 1)
    )
    assert first.verdict == "match"
    assert first.notes is None
    assert "drawn at random" in FORMATS["plain"].render(first, Style())
    assert first["X @ W"].gradient.equal(again["X @ W"].gradient)
    assert not first["X @ W"].gradient.equal(other["X @ W"].gradient)
    assert report("(X @ W).sum()", command="check", shapes={"X": (2, 3), "W": (3, 2)}).notes is None


@pytest.mark.parametrize("form", ["table", "plain", "markdown"])
def test_why_grad_is_none_is_said_once_for_a_named_tensor(form: str) -> None:
    shown = FORMATS[form].render(report("y = x*x; z = y.mean()", shapes={"x": (2,)}), Style(width=200))
    assert shown.count("--retain-grad y") == 1
    assert FORMATS[form].render(report("x*x"), Style(width=200)).count("--retain-grad NAME") == 1
    kept = report("y = x*x; z = y + 1", retain_grad=("all",))
    assert "--retain-grad" not in FORMATS[form].render(kept, Style(width=200))


def test_notes_are_in_the_json() -> None:
    assert report("mean*w").to_dict()["notes"] == ["'mean' is a leaf here, not the function: `mean(...)` calls that"]
