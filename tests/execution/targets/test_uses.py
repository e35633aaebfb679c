from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gradcli.execution.targets.frames import defined_at
from gradcli.execution.targets.parameters import parameters_of
from gradcli.execution.targets.uses import uses_of

if TYPE_CHECKING:
    import pytest


def numbers(_: Any, x: Any, flag: Any, n: Any, dim: Any, mode: Any, kind: Any) -> Any:  # noqa: PLR0917  # as forward
    for _i in range(2, n):
        x = x + 1
    if not flag:
        x = x * 2
    x = x * (2 if mode == "twice" else 1)
    kind = int(kind) if isinstance(kind, (int, float)) else kind
    return torch.softmax(x, dim).sum(-1)


def tensors(_: Any, x: Any, weight: Any, bias: Any, k: Any, other: Any) -> Any:
    if bias is not None and other.any():
        x = x + bias
    if isinstance(weight, torch.Tensor) and (x > k).all():
        x = x @ weight
    return torch.sum(other) + x**k


def test_uses_that_no_tensor_has_are_found() -> None:
    examples = {name: use.example for name, use in uses_of(numbers).items()}
    assert examples == {"n": "3", "flag": "true", "mode": "twice", "kind": "2", "dim": "0"}
    assert uses_of(numbers)["n"].text == "range(2, n)"


def test_uses_that_a_tensor_may_have_say_nothing() -> None:
    assert uses_of(tensors) == {}


def test_code_without_a_source_says_nothing() -> None:
    assert uses_of(torch.sin) == {}
    assert defined_at(torch.sin) is None


class Repeated(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Any, n: Any, m: torch.Tensor, k: Any = 2) -> Any:
        return x * sum(range(n)) * m * k

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(_: Any, g: Any) -> Any:
        return g, None, None, None


def test_an_annotation_or_a_default_goes_before_a_use() -> None:
    x, n, m, k = parameters_of(Repeated)
    assert [p.is_tensor for p in (x, n, m, k)] == [True, False, True, False]
    assert [p.untold for p in (x, n, m, k)] == [True, False, False, False]


def test_a_backward_is_where_its_def_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    place = defined_at(Repeated.backward)
    assert place is not None
    lines = Path(place.file).read_text(encoding="utf-8").splitlines()
    assert lines[place.line - 1] == "    def backward(_: Any, g: Any) -> Any:"
