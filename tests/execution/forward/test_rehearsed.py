from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch.nn.functional import max_pool1d

from gradcli.errors import LimitError
from gradcli.execution.forward import rehearsed
from gradcli.execution.forward.rehearsal import Audience
from gradcli.execution.forward.rehearsed import shapes_of
from gradcli.limits import Limits

LIMITS = Limits()


class Counter:
    """An audience that counts the tensors that it is told of, and refuses some."""

    def __init__(self) -> None:
        self.shapes: list[torch.Size] = []

    def __call__(self, limits: Limits) -> Audience:
        def made(shape: torch.Size) -> None:
            self.shapes.append(shape)
            if shape.numel() > limits.elements:
                message = "too large"
                raise LimitError(message)

        return Audience(made, lambda _: None, lambda _: None)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    monkeypatch.setattr(rehearsed, "_known", {})
    return Counter()


def twice(counter: Counter, one: partial[object], other: partial[object]) -> tuple[list[torch.Size], bool]:
    """Return the shapes of the second call, and whether it was rehearsed."""
    shapes_of(one, LIMITS, counter)
    before = len(counter.shapes)
    return list(shapes_of(other, LIMITS, counter)), len(counter.shapes) > before


def test_a_call_with_other_entries_is_not_rehearsed_again(counter: Counter) -> None:
    one, other = (partial(torch.mm, torch.rand(2, 3), torch.rand(3, 4)) for _ in range(2))
    assert twice(counter, one, other) == ([torch.Size([2, 4])], False)


@pytest.mark.parametrize(
    ("one", "other", "shape"),
    [
        (partial(torch.mv, torch.rand(2, 3), torch.rand(3)), partial(torch.mv, torch.rand(5, 3), torch.rand(3)), (5,)),
        (partial(torch.sum, torch.rand(2, 3), 0), partial(torch.sum, torch.rand(2, 3), 1), (2,)),
        (partial(torch.sum, torch.rand(2, 3), 1), partial(torch.sum, torch.rand(2, 3), dim=1, keepdim=True), (2, 1)),
        (partial(torch.sum, torch.rand(2, 3), 0), partial(torch.sum, torch.rand(2, 3), [0, 1]), ()),
        (
            partial(torch.repeat_interleave, torch.rand(2), torch.tensor([1, 2])),
            partial(torch.repeat_interleave, torch.rand(2), torch.tensor([3, 4])),
            (7,),
        ),
        (partial(torch.bincount, torch.tensor([1, 2])), partial(torch.bincount, torch.tensor([1, 6])), (7,)),
    ],
)  # fmt: skip
def test_what_shapes_rest_on_is_told_apart(
    counter: Counter, one: partial[object], other: partial[object], shape: tuple[int, ...]
) -> None:
    assert twice(counter, one, other) == ([torch.Size(shape)], True)


def test_what_integers_say_where_is_not_what_they_say_how_many(counter: Counter) -> None:
    one, other = (partial(torch.gather, torch.rand(4), 0, torch.tensor(places)) for places in ([0, 1], [3, 2]))
    assert twice(counter, one, other) == ([torch.Size([2])], False)


def test_a_function_made_by_another_one_is_rehearsed_each_time(counter: Counter) -> None:
    def repeating(count: int) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda tensor: tensor.repeat(count)

    one, other = (partial(repeating(count), torch.rand(2)) for count in (1, 3))
    assert twice(counter, one, other) == ([torch.Size([6])], True)


def test_other_limits_are_other_answers(counter: Counter) -> None:
    call = partial(torch.mm, torch.rand(9, 3), torch.rand(3, 9))
    shapes_of(call, LIMITS, counter)
    for _ in range(2):  # a refusal is not remembered as an answer either
        with pytest.raises(LimitError):
            shapes_of(call, Limits(elements=80), counter)


def test_what_is_remembered_is_bounded(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsed, "MOST", 3)
    for size in range(10):
        shapes_of(partial(torch.mm, torch.rand(size, 3), torch.rand(3, 4)), LIMITS, counter)
        assert len(rehearsed._known) <= 3


@pytest.mark.parametrize(
    ("one", "other", "shape"),
    [
        (partial(torch.Tensor.repeat, torch.rand(2), 3), partial(torch.Tensor.repeat, torch.rand(2), 3), (6,)),
        (partial(max_pool1d, torch.rand(1, 6), 2), partial(max_pool1d, torch.rand(1, 6), 2), (1, 3)),
    ],
)  # fmt: skip
def test_a_method_of_tensors_and_a_function_that_pytorch_made_are_rehearsed_once(
    counter: Counter, one: partial[object], other: partial[object], shape: tuple[int, ...]
) -> None:
    assert twice(counter, one, other) == ([torch.Size(shape)], False)
