"""Kinks and jumps that no quotient of the program shows: by derivatives known by hand, through the chain of calls."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradcli
from gradcli.engine import shared_derivations
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.forward.run import run_program
from gradcli.execution.reference.pullback import differentiate
from gradcli.execution.run import start_from
from gradcli.execution.witnesses.chained_sides import Sided, has_no_kinks, look
from gradcli.inputs.programs import read
from gradcli.settings import Settings

# Of programs of x, with a gradient: what the one-sided derivatives are beside it.
CASES: list[tuple[str, Any, Any, Sided]] = [
    ("sin(x)", 2.0, -0.4161468365471424, Sided.SMOOTH),
    ("sin(x)", 2.0, -0.4161, Sided.UNKNOWN),  # off by less than is sure
    ("sin(x)", 2.0, 0.5, Sided.OTHER),
    ("abs(x)", 0.0, 0.0, Sided.BETWEEN),
    ("abs(x)", 0.0, 2.0, Sided.KINK),
    ("amax(x)", [2.0, 2.0], [1.0, 1.0], Sided.KINK),  # between by each entry, and not by both
    ("amax(x)", [2.0, 2.0], [0.5, 0.5], Sided.BETWEEN),
    ("amax(x)", [2.0, 2.0], [0.5 + 1e-10, 0.5], Sided.BETWEEN),  # off by rounding
    ("amax(x)", [2.0, 2.0], [0.5 + 1e-7, 0.5], Sided.KINK),
    ("relu(x) - relu(-x)", 0.0, 1.0, Sided.SMOOTH),
    ("relu(x) - relu(-x)", 0.0, 0.0, Sided.OTHER),
    ("x*(x > 0)", 0.0, 0.0, Sided.BETWEEN),  # decided otherwise to one side
    ("where(x > y, x, y)", 3.0, 1.0, Sided.BETWEEN),  # y is 3
    ("where(y > x, y, x)", 3.0, 1.0, Sided.BETWEEN),
    ("sort(x)[0].sum()", [2.0, 2.0, 1.0], [1.0, 1.0, 1.0], Sided.SMOOTH),
    ("amax(x) + amin(x)", [2.0, 2.0], [1.0, 1.0], Sided.SMOOTH),  # their sum
    ("median(x)", [2.0, 2.0, 2.0], [0.0, 1.0, 0.0], Sided.KINK),  # linear along every axis: 0
    ("amax(smooth_l1_loss(x, clamp(x, 0, 1), reduction='none'))", [0.0, 0.4, 1.0], [0.0, 0.0, 0.0], Sided.SMOOTH),
    ("norm(cummin(x, 0)[0], inf)", [1e160, 1e160, -1.0], [1.0, 0.0, 0.0], Sided.SMOOTH),
    ("norm(cummin(x, 0)[0], inf)", [1e160, 1e160, -1.0], [0.5, 0.5, 0.0], Sided.OTHER),
    # its slopes are of 2·exp(-80), which PyTorch's forward mode does not have
    ("std(expm1(x.amax() + x))", [-40.0, -40.0], [0.0, 0.0], Sided.BETWEEN),
    ("abs(tanh(x) - 1)", 40.0, 0.0, Sided.LOST),  # as tanh(40) is 1 in double precision
    # x**x has the slope log(x) + 1 there: neither 0, nor of the size of 1/x
    ("amax(x**x)", [1e-160, 1e-160], [-183.70680743952366, -183.70680743952366], Sided.BETWEEN),
    ("amax(x/x)", [1e-160, 1e-160], [0.0, 0.0], Sided.SMOOTH),
    # so large that each number is an integer, be it not known which integer an exponential is next to
    ("where(x > round(x), x, round(x))", 1e160, 1.0, Sided.BETWEEN),
    ("sum(abs(x - x) + round(x))", [1e300, 2.25], [0.0, 0.0], Sided.SMOOTH),
    ("where(exp(x) > round(exp(x)), exp(x), round(exp(x)))", 100.0, 0.0, Sided.UNKNOWN),
    ("abs(x - x) + floor(x)", 1e300, 0.0, Sided.UNKNOWN),
    # whichever integer floor(x) is next to 1e300, and -1 or 0 next to 0, it is brought to 1, and to 0
    ("clamp(floor(x), 0, 1).sum()", [1e300, 0.0], [0.0, 0.0], Sided.SMOOTH),
    ("clamp(floor(x), 0, 1).sum()", [1e300, 1.0], [0.0, 0.0], Sided.JUMP),
    ("floor(x[0]) - floor(x[1])", [1e300, 1e300], [0.0, 0.0], Sided.UNKNOWN),  # 1 or -1 where only one of them moves
    ("ceil(x) - floor(x)", 1e300, 0.0, Sided.UNKNOWN),  # 1 to both sides
    # v/max(|v|, 1e-12), and a piece that ends at 1e-20
    ("F.normalize(relu(x), dim=0).sum()", [0.0, 0.0], [0.0, 0.0], Sided.BETWEEN),
    ("F.normalize(relu(x), dim=0).sum()", [0.0, 0.0], [2e12, 0.0], Sided.KINK),
    ("clamp(x, 0, 1e-20)", 0.0, 1.0, Sided.BETWEEN),
    # 0 times x[1] below 1e14, x[1]/2 above
    ("relu(floor(x[0]) - 1e14 + 0.5)*x[1]", [1e14, 0.0], [0.0, 0.5], Sided.UNKNOWN),
    # indices that nothing reads, by what moves without a slope
    ("cummin(x**3, 0)[0].sum()", [0.0, 3.0, 0.0], [0.0, 0.0, 0.0], Sided.SMOOTH),
    ("cummin(x**3, 0)[0].sum()", [0.0, 3.0, 0.0], [1.0, 0.0, 0.0], Sided.OTHER),
    # a step relative to 1e300 is none relative to 0
    ("F.smooth_l1_loss(x, 2*x - x, reduction='sum')", [1e300, 0.0], [0.0, 0.0], Sided.SMOOTH),
    ("F.smooth_l1_loss(x, F.leaky_relu(x, 0.25), reduction='none').amax()", [1e300, 0.0], [0.0, 0.0], Sided.SMOOTH),
    # PyTorch's forward mode of logcumsumexp has 10^-5 for 1
    ("sum(logcumsumexp(x, 0)*exp(-x))", [-0.5, 40.0], [2.473081906050192, -1.656858159563724e-16], Sided.SMOOTH),
    ("sqrt(relu(x))", 0.0, 0.0, Sided.STEEP),
    ("sqrt(relu(x)).sum()", [0.0, 4.0], [0.0, 0.25], Sided.STEEP),
    ("prod(clamp(x, min=x))", [1e8, 1e300, 0.0], [0.0, 0.0, 1e308], Sided.UNKNOWN),  # it overflows along 2·x[2]
    ("std(stack([x, x, x]))", 0.89, 0.0, Sided.SMOOTH),  # 0, though next to the point rounding makes it 10^-16
    ("std(stack([x, x, x]))", -1.7, 0.0, Sided.SMOOTH),
    ("norm(stack([x, x]) - x/10*10)", 0.89, 0.0, Sided.SMOOTH),
    # what moves without a slope, under an infinite one: |x|, x², and nothing
    ("sqrt(x**2)", 0.0, 0.0, Sided.BETWEEN),
    ("abs(prod(x))**0.5", [0.0, 0.0, 2.0], [0.0, 0.0, 0.0], Sided.BETWEEN),  # √2·t along [1, 1, 0]
    # infinity times 0: t^1.5, the same beside 3^1.5, t^0.75, t, and what is no power
    ("relu(x)*sqrt(relu(x))", 0.0, 0.0, Sided.SMOOTH),
    ("std(x)*sqrt(std(x))", [2.0, 2.0, 2.0], [0.0, 0.0, 0.0], Sided.SMOOTH),
    ("sum(relu(x)*sqrt(relu(x)))", [0.0, 3.0], [0.0, 2.598076211353316], Sided.SMOOTH),
    ("relu(x)**0.25*sqrt(relu(x))", 0.0, 0.0, Sided.STEEP),
    ("sqrt(relu(x))*relu(x)**0.5", 0.0, 0.0, Sided.BETWEEN),
    ("sqrt(relu(x))*relu(x)**0.5", 0.0, 2.0, Sided.KINK),
    ("sqrt(relu(x))*relu(x)**(0.5 + 1e-3)", 0.0, 0.0, Sided.UNKNOWN),
    ("sqrt(relu(x)**2 * (x > 1))", 0.0, 0.0, Sided.SMOOTH),
    ("(x**2)**expm1(x**2)", 0.0, 0.0, Sided.UNKNOWN),
    ("sqrt(relu(x)).sum() + relu(x).sum()", [-1.0, 4.0], [0.0, 1.25], Sided.SMOOTH),
    ("relu(floor(x) - 50)", 40.0, 0.0, Sided.SMOOTH),
    ("floor(clamp(x, 0, 1))", 1e17, 0.0, Sided.SMOOTH),
    ("floor(x)", 1.0, 0.0, Sided.JUMP),
    ("abs(ceil(x) - x).mean()", [1.0, 1e300], [0.0, 0.0], Sided.JUMP),
    ("hardshrink(x, 0.5)", 0.5, 0.0, Sided.JUMP),
    ("floor(x) - floor(x)", 1.0, 0.0, Sided.SMOOTH),
    # a jump of 1 that is lost beside 10^17, and one of a distribution whose sum is 1
    ("floor(x) - 1e17", 0.0, 0.0, Sided.UNKNOWN),
    ("floor(x) + x - 1e17", 0.0, 1.0, Sided.UNKNOWN),
    # one of 1 beside 10^14, the same and back, and one that is rounding of 0.3 - 3·0.1
    ("where(x > 0, x + 1, x) + 1e14", 0.0, 1.0, Sided.JUMP),
    ("where(x > 0, x + 1, x) + 1e14 - where(x > 0, x + 1, x)", 0.0, 0.0, Sided.UNKNOWN),
    ("where(x > 0, x + 0.3, x) - 3*where(x > 0, x + 0.1, x) + 1e-9", 0.0, -2.0, Sided.UNKNOWN),
    ("sigmoid(ceil(x))", 40.0, 0.0, Sided.UNKNOWN),  # of 10^-18 beside 1, where PyTorch's slope of sigmoid is 0
    ("softmax(ceil(x), 0).sum()", [3.0, -3.0, -3.0], [0.0, 0.0, 0.0], Sided.SMOOTH),
    # the cosine is the same at pi and at -pi, where its slope is 0 but for rounding
    ("cos(atan2(x, -y))", 0.0, 0.0, Sided.SMOOTH),
    ("sin(atan2(x, -y)/2)", 0.0, 0.0, Sided.JUMP),
    # entries near 10^-160 make steps of a softmax that are no smaller
    ("logsumexp(round(softmax(x, 0)), 0)", [1e-160, 1e-160], [0.0, 0.0], Sided.JUMP),
    ("abs(x/x - 1)", 3.0, 0.0, Sided.SMOOTH),  # but for rounding
    ("floor(x)", 1e17, 0.0, Sided.UNKNOWN),  # there is no double between this integer and the next
    ("abs(x + y) + abs(x - y)", 1e17, 2.0, Sided.SMOOTH),  # y is 3
    # a kink of 0.49 beside a slope of 10^10
    ("maximum(x, 2e8 - x)*sin(100*x)", 1e8, 8731196226.76856, Sided.BETWEEN),
    # far from the tie of the other entries, with a smaller number beside it
    ("minimum(maximum(x, where(x > 1, y, 1e-160)), 0*y).sum()", [1e-80, 3.0], [0.0, 0.0], Sided.SMOOTH),
    ("smooth_l1_loss(x, 1e160*y, reduction='none')", 2.0, -1.0, Sided.SMOOTH),  # beside 10^160
    ("abs(x + y) - x", -3.0, -1.0, Sided.BETWEEN),
    # x**1.5 is NaN below 0, where the other one counts
    ("where(x**1.5 >= 0, x**1.5, x).sum()", [0.0, 1000.0], [0.0, 47.43416490252569], Sided.BETWEEN),
    ("where(x**1.5 + x < 1, x, 2*x)", 0.0, 1.0, Sided.BETWEEN),
    ("x**1.5 + x", 0.0, 1.0, Sided.UNKNOWN),
    ("where(x**2 > 0, x, 2*x)", 0.0, 2.0, Sided.UNKNOWN),  # decided by what moves without a slope
    # a 0 that stays is no reason not to move a 0.25 that is read with it; nor are 10^-319 sure to four digits
    ("prod(where(x > floor(x), x, floor(x))**3)", [1e-160, 6.0, 0.25], [1.0125e-319, 0.0, 0.0], Sided.SMOOTH),
]


def _point(program: str, value: Any) -> Point:
    settings = Settings(grad_output="ones")
    parsed = read(program, settings)
    values = {"x": value, "y": 3.0} if "y" in program.replace("by", "") else {"x": value}
    run = start_from(parsed, settings, run_program(parsed, settings, values), shared_derivations())
    assert run.decomposition is not None
    reference = differentiate(run.decomposition, run.cotangent, run.derivations.known)
    return Point(run.decomposition, reference, run.cotangent, run.derivations)


@pytest.mark.parametrize(("program", "value", "gradient", "wanted"), CASES)
def test_what_the_one_sided_derivatives_of_calls_say(program: str, value: Any, gradient: Any, wanted: Sided) -> None:
    point = _point(program, value)
    (leaf, *_) = point.decomposition.trace.leaves
    assert look(point, leaf, torch.tensor(gradient, dtype=torch.float64)) is wanted


@pytest.mark.parametrize(
    ("program", "wanted"),
    [("sin(x)*exp(x)", True), ("relu(x)*2", False), ("floor(x) + x", False), ("where(x > 0, x, x)", False)],
)
def test_which_programs_have_no_kink_anywhere(program: str, wanted: bool) -> None:
    point = _point(program, 2.0)
    assert has_no_kinks(point.decomposition, point.decomposition.trace.leaves[0]) is wanted


VERDICTS: list[tuple[str, Any, str]] = [
    ("norm(cummin(x, 0)[0], inf)", [1e160, 1e160, -1.0], "mismatch"),  # PyTorch has ½ for 1 and 0
    ("sum(hardshrink(maximum(x, x), 0.5))", [1e160, 1.5, -3.0], "match"),
    ("std(expm1(x.amax() + x))", [-40.0, -40.0], "subgradient"),
    ("sum(sqrt(hardswish(relu(x))))", [1e17, 0.0, 3.0], "undefined"),
    ("floor(clamp(x, 0, 1))", 1e17, "match"),
    ("mean(l1_loss(ceil(x), x, reduction='none'))", [1.0, 1e300, 1e300], "undefined"),
    # an integer, so large that the next is no double
    ("sum(log(floor(x)) - clamp(x, min=0))", [1e17, 1e17, 1.5], "undefined"),
    # of smooth functions far from 0, where quotients see the bend of the other entry as a kink
    ("sum(-x*sigmoid(-x))", [1e160, 0.5], "match"),
]


@pytest.mark.parametrize(("program", "value", "wanted"), VERDICTS)
def test_verdicts_where_quotients_do_not_tell(program: str, value: Any, wanted: str) -> None:
    assert gradcli.evaluate(program, {"x": torch.tensor(value, dtype=torch.float64)})["x"].verdict == wanted
