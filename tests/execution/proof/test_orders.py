"""Proofs of what sorts and picks by rank, of what is rounded, and of what the shapes alone decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli import engine
from gradcli.report.proof import ProofReport
from gradcli.settings import Settings


def proved(program: str, **shapes: tuple[int, ...]) -> ProofReport:
    return engine.prove_program(program, Settings(command="prove", shapes=shapes))


@pytest.mark.parametrize(
    "program",
    [
        "sort(x, descending=True).values",
        "topk(x, 1).values",
        "kthvalue(x, 2).values",
        "median(x)",
        "median(x, 0)[0]",
        "cummax(x, 0).values",
        "quantile(x, 0.3)",
    ],
)
def test_ranks_are_proved_but_for_ties(program: str) -> None:
    report = proved(program, x=(2,))
    assert report.verdict == "proved except", report.to_dict()
    assert {one.region for one in report.gradients[0].exceptions} == {"x[0] - x[1] = 0"}


@pytest.mark.parametrize(
    ("program", "shapes"),
    [
        ("nan_to_num(x)", {"x": ()}),
        ("tensordot(x, y, dims=1)", {"x": (2, 2), "y": (2,)}),
        ("scatter_add(x, 0, tensor([0, 0]), y)", {"x": (2,), "y": (2,)}),
        ("take(x, tensor([1, 1]))", {"x": (3,)}),
    ],
)
def test_what_no_value_decides_is_proved(program: str, shapes: dict[str, tuple[int, ...]]) -> None:
    report = proved(program, **shapes)
    assert report.verdict == "proved", report.to_dict()


def test_entries_that_tie_together_are_a_kink() -> None:
    report = proved("median(x)", x=(3,))
    assert report.verdict == "proved except", report.to_dict()


def test_what_only_pytorch_can_run_is_undecided_by_name() -> None:
    report = proved("mode(x).values", x=(2,))
    assert report.verdict == "undecided"
    assert report.gradients[0].reason == "mode of what depends on a leaf has no formula"


def test_a_call_with_more_results_than_its_definition_is_undecided() -> None:
    program = "F.fractional_max_pool2d(x, 2, 1, _random_samples=tensor([[[0.3, 0.6]]]))"
    assert proved(program, x=(1, 1, 2, 3)).verdict == "undecided"


def sorted_by(place: Callable[[Tensor], Tensor]) -> type[torch.autograd.Function]:
    class Sorted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            values, order = x.sort()
            ctx.save_for_backward(order)
            return values

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            (order,) = ctx.saved_tensors
            return torch.zeros_like(g).scatter(0, place(order), g)

    return Sorted


@pytest.mark.parametrize(("place", "verdict"), [(lambda o: o, "proved except"), (lambda o: o.argsort(), "refuted")])
def test_the_inverse_of_an_order_is_another(place: Callable[[Tensor], Tensor], verdict: str) -> None:
    report = engine.prove_code(sorted_by(place), Settings(command="prove", shapes={None: (3,)}))
    assert report.verdict == verdict, report.to_dict()
