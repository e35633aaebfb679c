"""The chain rule a step at a time: each statement is what autograd says, in few passes over memory."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.derivation.notation.backends import TORCH
from gradcli.derivation.notation.chain import Chain, Statements, Step, along, backward, cost
from gradcli.derivation.notation.chain_lines import backward_lines
from gradcli.derivation.notation.chain_products import Product, Values, common_factors, product_of
from gradcli.derivation.notation.chain_statements import LINE, tidy
from gradcli.derivation.notation.expressions import Emitter
from gradcli.derivation.notation.parsed import parsed

# z = tanh(x*y)/y, of which t = x*y and s = tanh(t) are saved
STEPS = [
    Step("t", {"x": "_g*y", "y": "x*_g"}),
    Step("s", {"t": "_g*(1 - s**2)"}),
    Step("z", {"s": "_g/y", "y": "-s*_g/y**2"}, Product(above=("s",), below=("y",))),
]
CHAIN = Chain(["x", "y"], STEPS)


def tensors(*names: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {name: torch.rand(5, generator=generator, dtype=torch.float64) + 0.5 for name in names}


def written(text: str) -> str:
    return Emitter(TORCH, {}, "x").expression(parsed(text), ())


def plus(value: Tensor, other: Tensor | None) -> Tensor:
    return value if other is None else value + other


def run(found: Statements, space: dict[str, Any]) -> dict[str, Tensor]:
    space |= {"torch": torch, "math": math, "_plus": plus}
    for name, text in {**found.values, **found.results}.items():
        space[f"{name}_" if name in found.results else name] = eval(written(text), dict(space))  # noqa: S307 (ours)
    return {name: space[f"{name}_"] for name in found.results}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("x*y*(1 - z**2)", 2 + 2 * 0.3 + 1),
        ("x*z*(1 - z)", 1 + 1.3),
        ("where(z > 1, x*y, x*y*exp(z))", 3 + 2 + 3),
        ("where(z > 1, x, -2*x)*y", 1 + 3 + 2),
        ("x*y*(z - 1)*y", 5),
        ("-2*x*y**2/z", 4.5),
        ("sqrt(2)*x*exp(-z**2/2)/sqrt(pi)", 7),
        ("x*(y + 1 - 3*y*z)*z", 7),
        ("x/(y*(z + 2))", 4.5),
    ],
)
def test_a_product_is_what_its_text_is_in_few_passes(text: str, passes: float) -> None:
    values, given = Values(), tensors("x", "y", "z")
    found = Statements(values.texts, {"result": values.text(product_of(text))})
    found = Statements(dict(values.texts), found.results)
    expected = eval(written(text), {**given, "torch": torch, "math": math})  # noqa: S307 (ours)
    torch.testing.assert_close(run(found, dict(given))["result"], expected)
    assert sum(map(cost, found.texts)) <= passes


@pytest.mark.parametrize(
    "texts",
    [
        ("x*y", "z"),
        ("-x", "2*y*z", "x"),
        ("3*x*y", "3*z/y"),
        ("2*x", "-y*(1 - z)*x"),
        ("0*x", "y*z", "0*y"),
        ("0*x", "0*y"),
    ],
)
def test_a_sum_is_added_up(texts: tuple[str, ...]) -> None:
    values, given = Values(), tensors("x", "y", "z")
    text = values.text(values.total([*map(product_of, texts)]))
    expected = eval(written(" + ".join(f"({one})" for one in texts)), {**given, "torch": torch})  # noqa: S307 (ours)
    torch.testing.assert_close(run(Statements(values.texts, {"result": text}), dict(given))["result"], expected)


def test_what_products_have_in_common_is_what_all_of_them_have() -> None:
    common = common_factors([*map(product_of, ("2*x*y*y/z", "x*y/(z*z)", "-y*x*y/z"))])
    assert (sorted(common.above), common.below) == (["x", "y"], ("z",))


def test_what_is_called_twice_is_called_once_and_what_is_read_once_has_no_name() -> None:
    found = tidy(Statements({"_0": "x*sin(y)", "_1": "_0*y"}, {"x": "_1 + sin(y)", "y": "_1*z"}))
    assert [text.count("sin") for text in found.texts] == [1, 0, 0, 0]
    given = tensors("x", "y", "z")
    sine = given["y"].sin()
    wanted = given["x"] * sine * given["y"]
    assert [*found.values] == ["_2_", "_1"]
    torch.testing.assert_close(run(found, dict(given)), {"x": wanted + sine, "y": wanted * given["z"]})


@pytest.mark.parametrize(
    ("formula", "text"),
    [("x/sqrt(y + 1)", "x*rsqrt(y + 1)"), ("x/(z*sqrt(y))", "x*rsqrt(y)/z"), ("x/sqrt(2)", "1/sqrt(2)*x")],
)
def test_what_is_over_a_root_is_by_its_inverse(formula: str, text: str) -> None:
    assert Values().text(product_of(formula)) == text


def test_nothing_is_computed_twice() -> None:
    found = tidy(Statements({}, {"x": "where(x*y < 1, x*y, sin(x*y))", "y": "where(x*y < 1, y, x)"}))
    assert [sum(text.count(part) for text in found.texts) for part in ("x * y", "<")] == [1, 1]
    given = tensors("x", "y")
    x, y = given["x"], given["y"]
    is_small = x * y < 1
    wanted = {"x": torch.where(is_small, x * y, (x * y).sin()), "y": torch.where(is_small, y, x)}
    torch.testing.assert_close(run(found, dict(given)), wanted)


def test_a_long_formula_has_parts_with_names() -> None:
    long = " + ".join(f"sin(x*{number})*cos(y/{number})" for number in range(1, 12))
    found = tidy(Statements({}, {"x": long}))
    assert max(map(len, found.texts)) <= LINE
    given = tensors("x", "y")
    wanted = sum((given["x"] * number).sin() * (given["y"] / number).cos() for number in range(1, 12))
    torch.testing.assert_close(run(found, dict(given)), {"x": wanted})


@pytest.mark.parametrize("others", [{}, {"t": "gt", "s": "gs"}])
@pytest.mark.parametrize("is_through", [True, False])
def test_backward_is_autograds_with_what_arrives_at_steps_too(others: dict[str, str], is_through: bool) -> None:
    given = tensors("x", "y", "g", "gt", "gs")
    x, y = (given[name].requires_grad_() for name in "xy")
    t = x * y
    s = t.tanh()
    z = s / y
    outputs = {"z": (z, given["g"]), "t": (t, given["gt"]), "s": (s, given["gs"])}
    wanted = [outputs[name] for name in ("z", *others)]
    expected = torch.autograd.grad([one for one, _ in wanted], [x, y], [one for _, one in wanted])
    chain = Chain(CHAIN.leaves, STEPS, is_through)
    found = tidy(backward(chain, "g", others))
    space = {**given, "t": t, "s": s, "z": z}
    torch.testing.assert_close(tuple(one.detach() for one in run(found, space).values()), expected)
    assert ("z" in found.read) is is_through


@pytest.mark.filterwarnings("ignore")  # of what PyTorch has deprecated
def test_the_derivative_along_tangents_is_that_of_all_results() -> None:
    given = tensors("x", "y", "dx", "dy")
    x, y = given["x"], given["y"]
    found = along(CHAIN, {"x": "dx", "y": "dy"}, ["t", "s"], ["z"])
    t = x * y
    got = run(tidy(found), {**given, "t": t, "s": t.tanh(), "z": t.tanh() / y})

    def forward(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"z": (x * y).tanh() / y, "t": x * y, "s": (x * y).tanh()}

    expected = torch.func.jvp(forward, (x, y), (given["dx"], given["dy"]))[1]
    torch.testing.assert_close(got, expected)


def test_names_of_values_are_given_again_when_nothing_reads_them() -> None:
    lines = backward_lines(
        Statements({"_0": "x*g", "_1": "_0*y", "_2": "_1*_1"}, {"x": "_2*_2", "y": "_2*g"}),
        ["x", "y"],
        ["u", "v"],
        written,
    )
    assert lines == [
        "grad_x = grad_y = None",
        "u = x * g",
        "u = u * y",
        "u = u * u",
        "if ctx.needs_input_grad[0]:",
        "    grad_x = u * u",
        "if ctx.needs_input_grad[1]:",
        "    grad_y = u * g",
        "return grad_x, grad_y",
    ]
