"""Causes that hold at one point, or for one upstream gradient alone, are not said; laws are named that are broken.

What is wrong with each gradient is planted by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from made import function
from torch import Tensor

import gradcli
from gradcli.report.custom import CustomDetails
from gradcli.report.report import Report


def report_on(forward: Callable[..., Tensor], backward: Callable[..., Any]) -> Report:
    return gradcli.check_function(function(forward, backward, "x y"), shapes={"x": (4,), "y": (4,)})


def said(report: Report) -> str:
    assert isinstance(report.details, CustomDetails)
    assert report.details.checks is not None
    notes = [note for tensor in report.tensors for note in tensor.notes]
    notes += [note for check in report.details.checks for note in check.notes]
    return "\n".join(note.words for note in notes)


LAWS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "ignored": (torch.ones_like, "does not change with grad_output: backward ignores it"),
    "a part ignored": (lambda g: g + 0.5, "a part of it ignores it"),
    "squared": (lambda g: g * g.abs(), "it grows as the power 2 of it"),
    "normalised": (lambda g: g / g.norm(), "it does not change with the size of grad_output, only with its direction"),
    "clamped": (lambda g: g.clamp(min=0), "that for -grad_output is not minus it"),
    "clipped": (lambda g: g.clamp(-1, 1), "that for 2 * grad_output is not twice it"),
    "rounded": (lambda g: (g * 1.1).float().double(), "as in a lower precision"),
}


@pytest.mark.parametrize("law", LAWS)
def test_it_is_said_which_law_a_backward_breaks(law: str) -> None:
    change, words = LAWS[law]
    found = said(report_on(lambda x, y: x + 0 * y, lambda x, y, g: (change(g), 0 * g)))  # noqa: ARG005 (their names)
    lines = [line for line in found.splitlines() if line.startswith("the gradient of 'x' ") and "grad_output" in line]
    assert len(lines) == 1
    assert words in lines[0]
    assert sum(other in lines[0] for _, other in LAWS.values()) == 1


def test_what_is_missing_for_one_upstream_gradient_alone_is_no_cause() -> None:
    found = said(report_on(lambda x, y: x + y, lambda x, y, g: (2 * g / g.norm(), g)))  # noqa: ARG005 (their names)
    assert "missing" not in found
    assert "ignores" not in found


def test_a_gradient_of_zeros_is_not_that_for_ones() -> None:
    found = said(report_on(lambda x, y: x - x.mean() + y, lambda x, y, g: (g - g, g)))  # noqa: ARG005 (their names)
    assert "for one that is all ones" not in found


def test_a_region_of_two_inputs_is_not_one_of_the_first() -> None:
    def backward(x: Tensor, y: Tensor, g: Tensor) -> Any:
        cosine = torch.where(x * y < 0, torch.ones_like(x), (x * y).cos())
        return g * cosine * y, g * cosine * x

    assert "only where" not in said(report_on(lambda x, y: torch.sin(x * y), backward))


def test_where_inputs_are_equal_is_not_where_entries_tie() -> None:
    def backward(x: Tensor, y: Tensor, g: Tensor) -> Any:
        slope = 3 * (x - y) ** 2
        return g * torch.where(x == y, torch.zeros_like(slope), slope + 1), -g * slope

    found = said(report_on(lambda x, y: (x - y) ** 3 + x, backward))
    assert "it is wrong only where x = y" in found
    assert "tie\n" not in found
