"""Second derivatives beside each other: what is said of consistent and of inconsistent ones, and where nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

import gradcli
from gradcli.execution.witnesses.question import Question, witnesses
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

Map = Callable[[Tensor], Tensor]


def said(function: Map, start: Any, cotangent: Any = None, **more: bool) -> WitnessReport | None:
    point = {"x": torch.tensor(start, dtype=torch.float64)}
    output = function(point["x"])
    given = torch.ones_like(output) if cotangent is None else torch.tensor(cotangent, dtype=torch.float64)
    question = Question(lambda v: function(v["x"]), point, "x", given, **more)
    (witness,) = witnesses(["second-order"]).values()
    return witness.check(question, torch.zeros_like(point["x"]), Tolerance.of("float64"))


def made(forward: Map, backward: Callable[..., Tensor], jvp: Callable[..., Tensor] | None = None) -> Map:
    """Return a Function that saves its input, for backward and for its `jvp`."""

    def run(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return forward(x)

    methods: dict[str, Any] = {
        "forward": staticmethod(run),
        "backward": staticmethod(lambda ctx, g: backward(ctx.saved_tensors[0], g)),
    }
    if jvp is not None:
        methods["jvp"] = staticmethod(lambda ctx, t: jvp(ctx.saved_tensors[0], t))
    return type("Made", (torch.autograd.Function,), methods).apply  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("function", "start"),
    [
        (lambda x: x**3 * x.sin(), [1.0, 2.0]),
        (lambda x: 1e8 * (1e8 * x).sin(), [1.0, 2.0]),
        (lambda x: torch.softmax(x, -1).log(), [[1.0, 2.0, 4.0]]),
        (lambda x: 3 * x, [1.0]),
        (lambda x: x.detach(), [1.0]),
        (lambda x: ((1 + 1e-15 * x) - 1) ** 2, [3.0]),
    ],
)
def test_consistent_derivatives_agree(function: Map, start: Any) -> None:
    report = said(function, start)
    assert report is not None
    assert report.verdict is Verdict.MATCH


def test_a_hessian_that_is_not_symmetric_is_denied() -> None:
    # Of Σ cᵢ xᵢ s with s = Σ xⱼ the Hessian is cᵢ + cⱼ; a backward to which s is a constant has cⱼ alone.
    lossy = made(lambda x: x * x.sum(), lambda x, g: g * x.detach().sum() + (g * x).sum())
    report = said(lossy, [1.0, 2.0, 4.0], [1.0, 2.0, -1.0])
    assert report is not None
    assert report.verdict is Verdict.MISMATCH
    assert "not symmetric" in (report.note or "")


def test_two_ways_that_differ_are_denied() -> None:
    # A backward of x³ with a Function inside whose `jvp` is right, and whose own backward is twice as large.
    square = made(lambda x: x * x, lambda x, g: 4 * g * x, lambda x, t: 2 * t * x)
    cube = made(lambda x: x**3, lambda x, g: 3 * g * square(x), lambda x, t: 3 * t * x * x)
    report = said(cube, [2.0])
    assert report is not None
    assert report.verdict is Verdict.MISMATCH
    assert "forward mode over reverse mode" in (report.note or "")
    u, v = (float(one) for one in torch.randn(2, 1, generator=torch.Generator().manual_seed(6), dtype=torch.float64))
    assert u != v
    assert report.max_abs_error == pytest.approx(abs(12 * u))  # 6·2·u by the one, 12·2·u by the other


def test_without_forward_mode_symmetry_is_looked_at_alone() -> None:
    report = said(made(lambda x: x**3, lambda x, g: 3 * g * x * x), [1.0, 2.0])
    assert report is not None
    assert report.verdict is Verdict.MATCH


def test_it_is_silent_where_a_second_derivative_is_refused() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return 2 * g * ctx.saved_tensors[0]

    assert said(Once.apply, [3.0]) is None
    assert said(lambda x: x * Once.apply(x), [3.0]) is None  # beside what is refused there is a derivative


def test_it_is_silent_at_a_kink_of_two_choices() -> None:
    lossy = made(lambda x: x * x.sum(), lambda x, g: g * x.detach().sum() + (g * x).sum())
    assert said(lossy, [1.0, 2.0], [1.0, 2.0], bends=True) is None


def test_check_asks_it_by_name_alone() -> None:
    report = gradcli.check("x**3 * sin(x)", {"x": [1.0, 2.0]})
    assert "second-order" not in report["x"].witnesses
    report = gradcli.check("x**3 * sin(x)", {"x": [1.0, 2.0]}, witnesses=("symbolic", "second-order"))
    assert report["x"].witnesses["second-order"].verdict is Verdict.MATCH
    assert report.verdict == "match"


def test_it_alone_is_no_pass() -> None:
    assert gradcli.check("x*x", {"x": 3.0}, witnesses="second-order").verdict == "undecided"


class Lossy(torch.autograd.Function):
    """A Function whose first derivative is right, and whose second one lacks terms."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.sum()
        ctx.save_for_backward(x, total)
        return x * total * torch.arange(1.0, 1 + len(x), dtype=x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        x, total = ctx.saved_tensors
        g = g * torch.arange(1.0, 1 + len(x), dtype=x.dtype)
        return g * total + (g * x).sum()


def test_it_is_asked_of_a_function_of_the_users() -> None:
    report = gradcli.check_function(Lossy, {"x": torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)})
    verdicts = {check.name: check.verdict for check in report.details.checks}
    assert verdicts["second derivatives"] is Verdict.MISMATCH
    assert verdicts["symbolic derivative"] is Verdict.MATCH
