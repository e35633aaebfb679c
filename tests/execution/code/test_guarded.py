"""What following code raises itself: the code never sees it, and nothing is said of its gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.execution.code.follower import Follower

ODD = "an odd value"


@pytest.fixture
def _broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ValueError(ODD)

    monkeypatch.setattr(Follower, "_entered", fail)


@pytest.mark.usefixtures("_broken")
def test_the_code_never_sees_what_following_raises() -> None:
    seen: list[Exception] = []

    def program(x: Tensor) -> Tensor:
        try:
            return torch.sin(x).sum()
        except ValueError as error:
            seen.append(error)
            raise

    with pytest.raises(gradcli.GradcliError, match=f"`sin`.* runs, and cannot be followed here: ValueError: {ODD}"):
        gradcli.check(program, {"x": torch.ones(3)})
    assert not seen


def test_what_the_code_raises_itself_is_its_own() -> None:
    def program(x: Tensor) -> Tensor:
        raise ValueError(f"{ODD}: {len(x)}")

    with pytest.raises(gradcli.GradcliError, match=ODD) as caught:
        gradcli.check(program, {"x": torch.ones(3)})
    assert "cannot be followed" not in caught.value.message
