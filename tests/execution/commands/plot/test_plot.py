"""A plot's numbers are PyTorch's own, its kinks are where the function bends, and all of it is judged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_code, evaluate_program
from gradcli.errors import InputError
from gradcli.report.plot import Curve, Plot, PlotDetails
from gradcli.report.report import Report
from gradcli.report.schema import report_schema
from gradcli.settings import Settings

SMOOTH: dict[str, Callable[[Tensor], Tensor]] = {
    "sin(x)*exp(x)": lambda x: torch.sin(x) * torch.exp(x),
    "tanh(1000*x)": lambda x: torch.tanh(1000 * x),
    "gelu(x)": torch.nn.functional.gelu,
    "x**9": lambda x: x**9,
}


def plotted(program: str, **settings: Any) -> Report:
    return evaluate_program(program, Settings(command="plot", **settings))


def plot_of(report: Report) -> Plot:
    assert isinstance(report.details, PlotDetails)
    return report.details.plot


def curve_of(program: str, **settings: Any) -> Curve:
    return plot_of(plotted(program, **settings)).curves[0]


@pytest.mark.parametrize("program", SMOOTH)
def test_the_numbers_are_those_of_pytorch(program: str) -> None:
    report = plotted(program, samples=25, order=2)
    (curve,) = plot_of(report).curves
    x = torch.linspace(-3, 3, 25, dtype=torch.float64, requires_grad=True)
    assert curve.points == pytest.approx(x.tolist(), abs=1e-15)
    value = SMOOTH[program](x)
    (derivative,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(derivative.sum(), x)
    assert curve.value == pytest.approx(value.tolist(), rel=1e-12)
    assert curve.derivative == pytest.approx(derivative.tolist(), rel=1e-9, abs=1e-12)
    assert curve.second is not None
    assert curve.second == pytest.approx(second.tolist(), rel=1e-9, abs=1e-9)
    assert report.verdict == "match"
    assert curve.verdicts == {"match": 25}


@pytest.mark.parametrize("program", SMOOTH)
def test_a_smooth_function_has_no_kink_however_steep(program: str) -> None:
    assert curve_of(program).breaks == ()


# A program -> its kinks: where, the slopes from below and from above, and what autograd chooses there.
KINKS: dict[str, list[tuple[float, float, float, float]]] = {
    "relu(x)": [(0.0, 0.0, 1.0, 0.0)],
    "abs(x - 1)*2": [(1.0, -2.0, 2.0, 0.0)],
    "x.clamp(-1, 2)": [(-1.0, 0.0, 1.0, 1.0), (2.0, 1.0, 0.0, 1.0)],
    "leaky_relu(x - 0.123, 0.1)": [(0.123, 0.1, 1.0, 0.1)],
    "x**3 + 0.001*abs(x)": [(0.0, -0.001, 0.001, 0.0)],
    "where(x > 0, x, 0*x)": [(0.0, 0.0, 1.0, 0.0)],
    "relu(x**2 - 2.25)": [(-1.5, -3.0, 0.0, 0.0), (1.5, 0.0, 3.0, 0.0)],
}


@pytest.mark.parametrize(("program", "samples"), [*((program, 60) for program in KINKS), ("relu(x**2 - 2.25)", 201)])
def test_kinks_are_found_with_both_slopes_and_autograd_s_choice(program: str, samples: int) -> None:
    report = plotted(program, samples=samples)
    (curve,) = plot_of(report).curves
    found = [(one.at, one.below, one.above, one.autograd) for one in curve.breaks]
    assert found == [pytest.approx(kink, abs=1e-7) for kink in KINKS[program]]
    assert {one.kind for one in curve.breaks} == {"kink"}
    assert report.verdict == "subgradient"


def test_a_kink_that_no_decimal_names_is_found_to_its_last_bits() -> None:
    curve = curve_of("abs(x - sqrt(2 + 0*x))", samples=40)
    (kink,) = curve.breaks
    assert kink.at == pytest.approx(math.sqrt(2), abs=1e-14)
    assert (kink.below, kink.above) == pytest.approx((-1, 1))


def test_what_the_program_decides_is_a_kink_too() -> None:
    curve = curve_of("if x > 1:\n  y = x*x\nelse:\n  y = x\ny")
    assert [(one.at, one.below, one.above) for one in curve.breaks] == [pytest.approx((1, 1, 2))]
    assert curve.formula is None  # it has two


def test_the_formula_is_the_derivative_s_everywhere() -> None:
    assert curve_of("x**3", samples=9).formula == "3*x**2"
    assert curve_of("relu(x)", samples=9).formula == "where(x > 0, 1, 0)"


@pytest.mark.parametrize(
    ("program", "jumps"),
    [
        ("floor(x)", [(-2.0, -3, -2), (-1.0, -2, -1), (0.0, -1, 0), (1.0, 0, 1), (2.0, 1, 2), (3.0, 2, 3)]),
        ("sign(x)", [(0.0, -1, 1)]),
        ("hardshrink(x)", [(-0.5, -0.5, 0), (0.5, 0, 0.5)]),
    ],
)
def test_jumps_have_what_the_function_is_on_either_side(program: str, jumps: list[tuple[float, ...]]) -> None:
    report = plotted(program)
    breaks = plot_of(report).curves[0].breaks
    assert [(one.at, *(one.values or ())) for one in breaks] == [pytest.approx(jump, abs=1e-9) for jump in jumps]
    assert {one.kind for one in breaks} == {"jump"}
    assert report.verdict == "undefined"


@pytest.mark.parametrize(("program", "at"), [("1/x", 0.0), ("1/(x - 0.01)", 0.01), ("tan(x) + 0*x", math.pi / 2)])
def test_poles(program: str, at: float) -> None:
    breaks = curve_of(program, start=(-1.0,), stop=(2.0,)).breaks
    assert [(one.kind, one.at) for one in breaks] == [("pole", pytest.approx(at, abs=1e-12))]


def test_where_a_function_has_no_value_nothing_is_judged() -> None:
    report = plotted("log(x)", start=(-1.0,), stop=(2.0,), samples=8)
    (curve,) = plot_of(report).curves
    assert [math.isnan(value) for value in curve.value] == [point < 0 for point in curve.points]
    assert curve.verdicts == {"match": 5}
    assert report.verdict == "match"


def test_a_cusp_has_no_slopes_that_are_told() -> None:
    (cusp,) = curve_of("sqrt(abs(x))").breaks
    assert (cusp.at, cusp.below, cusp.above, cusp.verdict) == (0, None, None, "undefined")


def test_an_entry_of_a_leaf() -> None:
    values = {"w": [1.0, -1.0], "X": [[1.0, 2.0], [3.0, 4.0]]}
    curve = curve_of("relu(X @ w).sum()", values=values, wrt=("X[1,0]",), samples=21)
    derivative = dict(zip(curve.points, curve.derivative, strict=True))
    assert [derivative[point] for point in (-3.0, 3.0)] == [0.0, 0.0]
    curve = curve_of("relu(X @ w).sum()", values=values, wrt=("X[1,0]",), samples=21, start=(3.0,), stop=(6.0,))
    assert [(one.at, one.below, one.above) for one in curve.breaks] == [pytest.approx((4, 0, 1))]


def test_an_output_of_several_entries_takes_a_vector() -> None:
    curve = curve_of("stack((x, x**2))", grad_output=[2.0, 3.0], samples=5, start=(0.0,), stop=(2.0,))
    assert curve.value == pytest.approx([2 * x + 3 * x * x for x in curve.points])
    assert curve.derivative == pytest.approx([2 + 6 * x for x in curve.points])
    with pytest.raises(InputError, match="grad can be implicitly created only for scalar outputs"):
        plotted("stack((x, x**2))")


def test_programs_are_compared_along_the_same_number() -> None:
    report = plotted("relu(a*x)", values={"a": 2.0}, wrt=("x",), compare=("a*x", "silu(x)"), samples=7)
    curves = plot_of(report).curves
    assert [curve.program for curve in curves] == ["relu(a*x)", "a*x", "silu(x)"]
    assert curves[1].derivative == pytest.approx([2.0] * 7)
    x = torch.tensor(curves[2].points, dtype=torch.float64)
    assert curves[2].value == pytest.approx(torch.nn.functional.silu(x).tolist())
    with pytest.raises(InputError, match="does not read 'x'"):
        plotted("relu(x)", wrt=("x",), compare=("sin(y)",))


def test_over_two_numbers_there_are_values_and_gradients() -> None:
    report = plotted("x**2*y", wrt=("x", "y"), start=(-1.0, 0.0), stop=(1.0, 2.0), samples=5)
    field = plot_of(report).field
    assert field is not None
    assert field.value == tuple(pytest.approx([x * x * y for x in field.across]) for y in field.up)
    assert (field.across[0], field.across[-1], field.up[0], field.up[-1]) == (-1, 1, 0, 2)
    for arrow in field.gradients:
        x, y = arrow.at
        assert arrow.gradient == pytest.approx((2 * x * y, x * x))
    assert field.verdicts == {"match": len(field.gradients)}
    assert report.verdict == "match"


def test_of_a_tensor_without_a_range_maps_are_drawn() -> None:
    plot = plot_of(plotted("relu(X @ w).sum()", shapes={"X": (3, 2), "w": (2,)}))
    assert (plot.kind, plot.maps) == ("maps", ("X", "w"))
    assert plot_of(plotted("relu(X @ w).sum()", shapes={None: (2, 2)}, wrt=("X@w",))).maps == ("X @ w",)


class Wrong(torch.autograd.Function):
    """A Function whose backward is wrong for negative numbers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        result: Tensor = gradient * 2 * x.abs()
        return result


def squared(x: Tensor) -> Tensor:
    result: Tensor = Wrong.apply(x)
    return result


def test_a_wrong_backward_is_a_mismatch_where_it_is_wrong() -> None:
    report = evaluate_code(squared, Settings(command="plot", samples=10), {"x": torch.tensor(1.0, dtype=torch.float64)})
    (curve,) = plot_of(report).curves
    assert report.verdict == "mismatch"
    assert curve.verdicts == {"mismatch": 5, "match": 5}
    assert curve.worst == -3.0
    assert curve.derivative == pytest.approx([2 * abs(x) for x in curve.points])


@pytest.mark.parametrize(
    ("program", "settings", "message"),
    [
        ("x*y", {}, "the program has 2 leaves"),
        ("x*y*z", {"wrt": ("x", "y", "z")}, "along one number, or over two"),
        ("x", {"wrt": ("y",)}, "no tensor 'y'"),
        ("x.sum()", {"shapes": {"x": (2,)}, "start": (0.0,)}, "has shape 2, and a curve is along one number"),
        ("x.sum()", {"shapes": {"x": (2,)}, "wrt": ("x[2]",)}, "has no entry"),
        ("x*c", {"constants": ("c",), "wrt": ("c",)}, "'c' is a constant"),
        ("x", {"start": (1.0,), "stop": (1.0,)}, "1 is not below 1"),
        ("x", {"start": (-1e308,), "stop": (1e308,)}, "too far from 1e\\+308"),
        ("x", {"start": (1.0, 2.0)}, "2 numbers for 1"),
        ("x*y", {"wrt": ("x", "y"), "order": 2}, "--order"),
        ("x*y", {"wrt": ("x", "y"), "samples": 5000}, "--samples"),
        ("log(x)", {"start": (-3.0,), "stop": (-1.0,)}, "no number|refused"),
    ],
)
def test_what_cannot_be_drawn_is_refused(program: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plotted(program, **settings)


@pytest.mark.parametrize(
    "settings", [{"samples": 5, "order": 2}, {"samples": 5, "wrt": ("x", "y")}, {"shapes": {None: (2, 2)}}]
)
def test_the_json_fits_the_schema(settings: dict[str, Any]) -> None:
    program = "1/x" if "order" in settings else "sum(x*relu(y))"
    data = json.loads(json.dumps(plotted(program, **settings).to_dict(), allow_nan=False))
    jsonschema.validate(data, report_schema())
    assert data["command"] == "plot"


def test_nothing_is_compared_where_that_is_asked_for() -> None:
    report = plotted("relu(x)", samples=5, verify=False)
    assert report.verdict == "unverified"
    assert report.exit_code == 0
    assert [one.at for one in plot_of(report).curves[0].breaks] == [0.0]
