"""Code that writes in place, recorded: the gradients are those of the same function written without."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.recording import Recording, record
from gradcli.execution.reference.decomposition import decompose

POINT = [0.5, -1.5, 1.75, 0.25]
Function = Callable[[Tensor], Tensor]


def recorded(function: Function, point: list[float] = POINT) -> Recording:
    leaf = torch.tensor(point, dtype=torch.float64, requires_grad=True)
    with double_precision():
        return record(lambda given: function(given["t"]), {"t": leaf})


def gradient(recording: Recording) -> Tensor:
    output = recording.output
    weights = torch.linspace(0.5, 1.5, output.numel(), dtype=torch.float64).reshape(output.shape)
    return torch.autograd.grad(output, recording.leaves["t"], weights)[0]


def expected(function: Function) -> tuple[Tensor, Tensor]:
    leaf = torch.tensor(POINT, dtype=torch.float64, requires_grad=True)
    output = function(leaf)
    weights = torch.linspace(0.5, 1.5, output.numel(), dtype=torch.float64).reshape(output.shape)
    return output.detach(), torch.autograd.grad(output, leaf, weights)[0]


def softmax(t: Tensor) -> Tensor:
    y = t - t.max()
    y.exp_()
    y /= y.sum()
    return y


def operand_is_cleared(t: Tensor) -> Tensor:
    d = t - 1
    y = d * d
    d.zero_()
    return y


def read_and_written(t: Tensor) -> Tensor:
    y = t * 1.0
    y.add_(y).mul_(y)
    y **= 2
    return y


def out(t: Tensor) -> Tensor:
    y, z = t.exp(), torch.empty_like(t)
    torch.mul(y, t, out=z)
    y.fill_(7.0)
    return z


def views_of_views(t: Tensor) -> Tensor:
    y = t * t
    tail = y.view(-1)[1:]
    every_other = tail[::2]
    every_other *= 3
    tail += 1
    y[0] = t[1] * t[2]
    return y


def written_through_the_base(t: Tensor) -> Tensor:
    y = t * 2
    row = y[None].expand(3, 4)
    y[1] = t[0] ** 2
    return row


def chunks(t: Tensor) -> Tensor:
    y = t.clone()
    first, second = y.chunk(2)
    first.mul_(second)
    second.copy_(first.sin())
    return y


def strided(t: Tensor) -> Tensor:
    y = torch.empty(4, 2, dtype=t.dtype)
    y.view(-1)[::2] = t
    y.view(-1)[1::2] = t * t
    return torch.as_strided(y, (2, 4), (1, 2)).exp_()


def diagonal(t: Tensor) -> Tensor:
    y = t.new_zeros(4, 4)
    torch.diagonal(y).copy_(t)
    y[1:3, 1:3] = t[:2]
    return y


def loop(t: Tensor) -> Tensor:
    y, h = torch.empty_like(t), t.new_zeros(())
    for i in range(len(t)):
        h = 0.5 * h + t[i]
        y[i] = h
    return y


def loop_without(t: Tensor) -> Tensor:
    h, rows = t.new_zeros(()), []
    for i in range(len(t)):
        h = 0.5 * h + t[i]
        rows.append(h)
    return torch.stack(rows)


def masked(t: Tensor) -> Tensor:
    y = torch.zeros_like(t)
    low = t < 0
    y[low] = t[low].exp() - 1
    y[~low] = t[~low]
    y[t > 1] = 0
    return y


def masked_without(t: Tensor) -> Tensor:
    return torch.where(t > 1, 0 * t, torch.where(t < 0, t.exp() - 1, t))


def nothing_is_written(t: Tensor) -> Tensor:
    y = torch.zeros_like(t)
    y[t > 9] = t[t > 9]
    y[t > -9] = t
    y[2:2] = t[:0]
    return y


def one_entry_twice(t: Tensor) -> Tensor:
    y = t.clone()
    y[torch.tensor([0, 0])] = t[2:] * t[2:]
    return y


def through_data(t: Tensor) -> Tensor:
    y = t.detach().clone()
    y.data.mul_(2)
    torch.nn.functional.relu(y, inplace=True)
    y.unsqueeze_(0)
    return y.squeeze_(0)


def the_input_itself(t: Tensor) -> Tensor:
    t.mul_(torch.sigmoid(t))
    return t


def loss_of_signs(t: Tensor) -> Tensor:
    """Return a loss that PyTorch has no derivative of by its second argument: detached, which is passed over."""
    return torch.nn.functional.soft_margin_loss(t, torch.sign(t).detach())


PLACES = [[0, 2, 0, 1], [1, 0, 1, 1]]


def sparse_product(t: Tensor) -> Tensor:
    """Return a product with a matrix whose values are the leaf's; two of them are of one place."""
    return torch.sparse_coo_tensor(PLACES, t, (3, 2)).coalesce() @ torch.ones(2, 2, dtype=t.dtype) * t.sum()


def without_sparse_product(t: Tensor) -> Tensor:
    return torch.stack([t[0] + t[2], t[3], t[1]])[:, None].expand(3, 2) * t.sum()


def sparse_rows(t: Tensor) -> Tensor:
    a = torch.sparse_csr_tensor([0, 1, 3, 4], [1, 0, 1, 0], t * t, (3, 2))
    return torch.sparse.mm(a, torch.ones(2, 1, dtype=t.dtype)) * a.col_indices().sum()


def sparse_columns(t: Tensor) -> Tensor:
    return torch.sparse_csc_tensor([0, 1, 3, 4], [1, 0, 1, 0], t).to_dense().exp()


def half_of_complex(t: Tensor) -> Tensor:
    z = torch.complex(t, t * t)
    z.real.mul_(2)
    return z.real + z.imag


CASES: list[tuple[Function, Function]] = [
    (softmax, lambda t: torch.softmax(t, 0)),
    (operand_is_cleared, lambda t: (t - 1) ** 2),
    (read_and_written, lambda t: (4 * t * t) ** 2),
    (out, lambda t: t.exp() * t),
    (views_of_views, lambda t: torch.stack([t[1] * t[2], 3 * t[1] ** 2 + 1, t[2] ** 2 + 1, 3 * t[3] ** 2 + 1])),
    (written_through_the_base, lambda t: torch.stack([2 * t[0], t[0] ** 2, 2 * t[2], 2 * t[3]]).expand(3, 4)),
    (chunks, lambda t: torch.cat([t[:2] * t[2:], (t[:2] * t[2:]).sin()])),
    (strided, lambda t: torch.stack([t, t * t]).exp()),
    (loop, loop_without),
    (masked, masked_without),
    (nothing_is_written, lambda t: t + 0),
    (one_entry_twice, lambda t: torch.cat([t[3:] ** 2, t[1:]])),
    (through_data, lambda t: torch.relu(2 * t)),
    (the_input_itself, lambda t: t * torch.sigmoid(t)),
    (sparse_product, without_sparse_product),
    (sparse_rows, lambda t: 2 * torch.stack([t[0] ** 2, t[1] ** 2 + t[2] ** 2, t[3] ** 2])[:, None]),
    (sparse_columns, lambda t: torch.stack([0 * t[0], t[1], t[3], t[0], t[2], 0 * t[0]]).reshape(2, 3).exp()),
    (loss_of_signs, lambda t: torch.nn.functional.softplus(-t * torch.sign(t).detach()).mean()),
]


@pytest.mark.parametrize(("function", "plain"), CASES, ids=[case[0].__name__ for case in CASES])
def test_what_is_written_in_place_has_the_gradient_of_what_is_computed(function: Function, plain: Function) -> None:
    value, right = expected(plain)
    recording = recorded(function)
    assert recording.gap is None
    assert recording.left is None
    torch.testing.assert_close(recording.output.detach(), value)
    torch.testing.assert_close(gradient(recording), right)


@pytest.mark.parametrize(("function", "plain"), CASES, ids=[case[0].__name__ for case in CASES])
def test_the_trace_computes_it_too(function: Function, plain: Function) -> None:
    recording = recorded(function)
    decomposition = decompose(recording.trace)
    torch.testing.assert_close(decomposition.nodes[recording.trace.output].tensor, expected(plain)[0])


def test_a_block_of_a_matrix_is_written() -> None:
    recording = recorded(diagonal)
    value = torch.diag(torch.tensor(POINT, dtype=torch.float64))
    value[1:3, 1:3] = torch.tensor(POINT[:2], dtype=torch.float64)
    torch.testing.assert_close(recording.output.detach(), value)
    found = torch.autograd.grad(recording.output.sum(), recording.leaves["t"])[0]
    assert found.tolist() == [3.0, 2.0, 0.0, 1.0]  # t[0] on the diagonal, t[:2] in both rows of the block, t[3]


def test_random_numbers_are_the_same_for_the_record() -> None:
    torch.manual_seed(0)
    recording = recorded(lambda t: torch.dropout(t, 0.5, train=True).mul_(3))
    factors = recording.output.detach() / torch.tensor(POINT, dtype=torch.float64)
    found = torch.autograd.grad(recording.output.sum(), recording.leaves["t"])[0]
    assert recording.left is None
    torch.testing.assert_close(found, factors)
    assert set(factors.tolist()) == {0.0, 6.0}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda t: t * t.sum().item(), "by item()"),
        (lambda t: torch.tensor([t[0], t[1]]) * t[:2], "by tensor()"),
        (lambda t: t.exp().resize_(2, 2), "resize_()"),
        (half_of_complex, "complex128"),
        (lambda t: torch.sparse_coo_tensor(PLACES, t, (3, 2)).coalesce().values(), "values()"),
        (lambda t: torch.nn.functional.soft_margin_loss(t, t * t), "soft_margin_loss()"),
        (torch.func.vmap(lambda x: x * x), "torch.func"),
    ],
)
def test_what_cannot_be_followed_is_named(function: Function, words: str) -> None:
    left = recorded(function).left
    assert left is not None
    assert words in left


def test_what_writes_past_pytorch_is_noticed() -> None:
    def past(t: Tensor) -> Tensor:
        y = t.exp()
        y.detach().numpy()[0] = 5.0
        return y

    def shared(t: Tensor) -> Tensor:
        buffer = torch.zeros(4, dtype=torch.float64)
        array = buffer.numpy()
        y = t + buffer
        array[0] = 5.0
        return y * buffer

    assert recorded(past).left is not None
    assert "past PyTorch" in (recorded(shared).left or "")


def test_the_lowest_dtype_that_a_gradient_passes_through() -> None:
    assert recorded(lambda t: t.to(torch.float32).tanh().to(t.dtype)).precision is torch.float32
    assert recorded(lambda t: t * (t > 0).float()).precision is None
    assert recorded(lambda t: t.half().float().double() + t).precision is torch.float16


def places(rows: int, columns: int, seed: int) -> list[tuple[Any, ...]]:
    """Return places of a matrix: entries, rows, columns and blocks, some of them of others."""
    draw = random.Random(seed)  # noqa: S311 (no secrets)
    kinds: list[Callable[[], tuple[Any, ...]]] = [
        lambda: (draw.randrange(rows), draw.randrange(columns)),
        lambda: (draw.randrange(-rows, rows),),
        lambda: (..., draw.randrange(columns)),
        lambda: (slice(draw.randrange(rows), None), slice(None, None, 2)),
        lambda: (None, slice(0, 2)),
    ]
    return [draw.choice(kinds)() for _ in range(12)]


@pytest.mark.parametrize("seed", range(12))
def test_many_stores_one_after_the_other_are_followed(seed: int) -> None:
    """The reference is autograd's own gradient of the same loop."""
    where = places(4, 3, seed)

    def stored(t: Tensor) -> Tensor:
        made = torch.zeros(4, 3, dtype=t.dtype) if seed % 2 else torch.outer(t[:4], t[1:4]).clone()
        view = made[1:]
        for number, place in enumerate(where):
            value = torch.sin(t[number % len(t)] * (number + 1))
            made[place] = value if number % 3 else value * torch.ones_like(made[place])
            if number == 5:
                made[0] = view[1] * 2
        return made * torch.arange(12.0, dtype=t.dtype).reshape(4, 3)

    _, right = expected(stored)
    assert torch.allclose(gradient(recorded(stored)), right, rtol=1e-12, atol=1e-14)


def test_a_store_of_each_row_in_a_loop_keeps_no_copy_of_the_whole_for_each() -> None:
    def stored(rows: int) -> int:
        def body(t: Tensor) -> Tensor:
            made = torch.empty(rows, 50, dtype=t.dtype)
            for row in range(rows):
                made[row] = torch.sin(t[0] * row)
            return made

        return sum(traced.tensor.numel() for traced in recorded(body).trace.tensors)

    assert stored(80) < 3 * stored(40)


def test_a_store_of_another_dtype_in_shared_memory_is_named() -> None:
    def stored(t: Tensor) -> Tensor:
        made = t * 2
        made[0] = t[1]
        made.view(torch.int64)[0] = 3
        return made

    recording = recorded(stored)
    assert "memory that is seen as" in str(recording.left)
