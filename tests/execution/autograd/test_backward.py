"""What autograd gives is caught, whatever `.grad` holds; a random upstream gradient is the seed's each time."""

from __future__ import annotations

import torch
from torch import Tensor

from gradcli.execution.autograd.backward import APART, SMALL, backward, cotangent_of
from gradcli.execution.forward.trace import TracedTensor


def squared(held: Tensor | None = None) -> tuple[TracedTensor, TracedTensor]:
    """Return a leaf, whose `.grad` holds something, and the sum of its squares."""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.grad = held
    return TracedTensor(x, "x", "x", is_leaf=True), TracedTensor((x * x).sum(), "y", "y")


def gradient_of(leaf: TracedTensor, output: TracedTensor) -> list[float]:
    found: list[float] = backward(output, [leaf], None, [], once=True)[leaf].tolist()
    return found


def test_the_gradient_is_what_becomes_grad() -> None:
    leaf, output = squared()
    assert gradient_of(leaf, output) == [2.0, 4.0]
    assert leaf.tensor.grad is not None
    assert leaf.tensor.grad.tolist() == [2.0, 4.0]


def test_what_grad_held_before_is_no_part_of_it() -> None:
    leaf, output = squared(torch.tensor([10.0, 10.0]))
    assert gradient_of(leaf, output) == [2.0, 4.0]
    assert leaf.tensor.grad is not None
    assert leaf.tensor.grad.tolist() == [12.0, 14.0]


def test_what_a_hook_does_to_grad_is_no_part_of_it() -> None:
    def hook(own: Tensor) -> None:
        assert own.grad is not None
        own.grad.zero_()

    leaf, output = squared()
    leaf.tensor.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]
    assert gradient_of(leaf, output) == [2.0, 4.0]


def test_a_leaf_that_is_not_reached_gets_zeros() -> None:
    _, output = squared()
    other = TracedTensor(torch.ones(3, requires_grad=True), "z", "z", is_leaf=True)
    assert gradient_of(other, output) == [0.0, 0.0, 0.0]
    assert other.tensor.grad is None


def test_a_random_upstream_gradient_is_the_seeds_each_time() -> None:
    for count, dtype in ((3, torch.float64), (3, torch.float32), (SMALL + 1, torch.float64)):
        output = TracedTensor(torch.zeros(count, dtype=dtype), "y", "y")
        for seed in (0, 1):
            drawn = torch.randn(count, generator=torch.Generator().manual_seed(seed + APART), dtype=torch.float64)
            for _ in range(3):
                found = cotangent_of(output, "random", seed)
                assert found.dtype is dtype
                assert found.equal(drawn.to(dtype))
                found.zero_()  # a caller may do with it whatever it likes
    again = cotangent_of(TracedTensor(torch.zeros(1, 3, dtype=torch.complex128), "y", "y"), "random")
    assert again.shape == (1, 3)
    assert again.is_complex()
