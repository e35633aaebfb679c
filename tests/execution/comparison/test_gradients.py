"""What a comparison keeps: nothing, once its run is over."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import gradcli


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Let nothing look for what only keeps itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def tensors() -> int:
    """Return how many tensors there are."""
    return sum(issubclass(type(one), Tensor) for one in gc.get_objects())


@pytest.mark.usefixtures("uncollected")
def test_the_tensors_of_a_run_are_gone_with_it() -> None:
    inputs = {"x": torch.linspace(-1, 1, 6).reshape(2, 3), "w": torch.ones(3, 2)}
    gradcli.evaluate("softmax(x @ w, dim=-1).log().sum()", inputs)  # what is kept for others, such as derivatives
    before = tensors()
    assert gradcli.evaluate("softmax(x @ w, dim=-1).log().sum()", inputs).verdict == "match"
    assert tensors() == before
