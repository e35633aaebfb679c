"""Operators that are given functions, `torch.cond` and the like, in code."""

from __future__ import annotations

import torch
from torch import Tensor

import gradcli
from gradcli.report.verdict import Verdict


def leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()


def branches(x: Tensor) -> Tensor:
    one = torch.cond(x.sum() > 100, torch.sin, lambda a: a.cos() * a, (x,))
    return one.square().sum()


def test_the_branch_of_a_cond_that_is_taken_is_followed() -> None:
    x = leaf(3)
    (expected,) = torch.autograd.grad((x.cos() * x).square().sum(), x)
    report = gradcli.check(branches, {"x": leaf(3)})
    assert report.verdict is Verdict.MATCH
    assert report["x"].witnesses["finite-difference"].verdict is Verdict.MATCH
    torch.testing.assert_close(report["x"].symbolic.value, expected)


def looped(x: Tensor) -> Tensor:
    _, power = torch._higher_order_ops.while_loop(
        lambda i, _: i < 3, lambda i, y: (i + 1, y * 2), (torch.tensor(0), x.detach())
    )
    return (x * power).sum()


def test_what_a_loop_makes_of_constants_is_a_constant() -> None:
    report = gradcli.check(looped, {"x": leaf(3)})
    assert report.verdict is Verdict.MATCH
    torch.testing.assert_close(report["x"].symbolic.value, 8 * leaf(3).detach())


def mapped(x: Tensor) -> Tensor:
    return torch._higher_order_ops.map(torch.sin, x).sum()


def test_an_operator_whose_definition_is_not_known_is_named() -> None:
    report = gradcli.check(mapped, {"x": leaf(2, 3)})
    assert report.verdict is Verdict.UNDECIDED
    assert any("map() has no symbolic definition here" in note.words for note in report["x"].notes)
