"""What `eval` reports: which tensors, and what there is to say of them."""

from __future__ import annotations

from typing import Any

from gradcli.engine import evaluate_program
from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.settings import Settings

NEWTON = "y = 1.0\nwhile abs(y*y - a) > 1e-6:\n    y = (y + a/y)/2\ny"


def evaluated(program: str, **options: Any) -> Report:
    return evaluate_program(program, Settings(**options))


def names(report: Report) -> list[str]:
    return [tensor.name for tensor in report.tensors]


def test_what_only_a_condition_has_read_is_not_reported() -> None:
    report = evaluated(NEWTON, formulas=False)
    assert not [name for name in names(report) if "y*y" in name]
    assert names(report)[:3] == ["a", "a/y", "y + a/y"]


def test_what_has_a_name_is_reported_though_the_output_does_not_depend_on_it() -> None:
    report = evaluated("y = x*2; z = x*3; z", formulas=False)
    assert names(report) == ["x", "y", "z"]
    assert report["y"].gradient.item() == 0


def test_what_a_formula_is_a_sum_of_leads_to_the_output() -> None:
    formula = evaluated(NEWTON)["a"].symbolic
    assert formula is not None
    assert "y*y" not in (formula.formula or "")


def test_the_leaves_alone() -> None:
    report = evaluated("y = x*w; y.sum()", shapes={None: (2,)}, leaves=True)
    assert names(report) == ["x", "w"]
    assert report["x"].gradient.tolist() == [3, 3]


def test_equal_entries_with_a_zero_gradient_get_a_hint() -> None:
    program, shapes = "softmax(x, dim=0).sum()", {"x": (3,)}
    assert "--init randn" in (evaluated(program, shapes=shapes, formulas=False)["x"].note or "")
    for options in ({"init": "ones"}, {"values": {"x": [1.0, 1.0, 1.0]}}):
        assert evaluated(program, formulas=False, **({"shapes": shapes} | options))["x"].note is None  # type: ignore[arg-type]
    assert evaluated("(x**2).sum()", shapes=shapes, formulas=False)["x"].note is None


def test_why_grad_is_none_is_said_once_below_the_non_leaves() -> None:
    for name in ("table", "plain", "markdown"):
        text = FORMATS[name].render(evaluated("y = x*x; z = y*x; z.mean()", shapes={"x": (2,)}), Style())
        assert text.replace("\\", "").count("--retain-grad") == 1, name
        assert "None\n" not in text


def test_a_grad_that_was_retained_is_shown_beside_those_that_were_not() -> None:
    report = evaluated("y = x*x; z = y*x; z.mean()", shapes={"x": (2,)}, retain_grad=("y",), formulas=False)
    text = FORMATS["plain"].render(report, Style())
    assert "None" in text
    assert "--retain-grad" in text
    everything = evaluated("y = x*x; y.mean()", shapes={"x": (2,)}, retain_grad=("all",), formulas=False)
    assert "--retain-grad" not in FORMATS["plain"].render(everything, Style())


def test_a_formula_that_only_names_the_call_again_is_left_out_of_the_text_alone() -> None:
    report = evaluated("y = linalg.inv(x); z = linalg.inv(y); z.sum()", values={"x": [[2.0, 1.0], [1.0, 3.0]]})
    opaque = [t for t in report.tensors if t.symbolic and t.symbolic.formula and "vjp(" in t.symbolic.formula]
    assert opaque
    assert "vjp(" not in FORMATS["table"].render(report, Style())
