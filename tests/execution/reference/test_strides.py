from __future__ import annotations

import math
from collections.abc import Callable
from unittest import mock

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.execution.forward.tracer import run
from gradcli.execution.reference.decomposition import decompose
from gradcli.execution.reference.strides import parts_of, rearranged
from gradcli.language.parser import parse
from gradcli.limits import Limits

Move = Callable[[Tensor], Tensor]


@pytest.mark.parametrize(
    "move",
    [
        lambda x: x.T,
        lambda x: x.reshape(4, 3),
        lambda x: x.T.unsqueeze(1),
        lambda x: x.reshape(2, 1, 3, 2).permute(2, 0, 3, 1),
        lambda x: x.flatten(),
        lambda x: x.squeeze().view(1, 12, 1),
    ],
    ids=["transposed", "reshaped", "unsqueezed", "permuted", "flat", "viewed"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_view_says_where_each_entry_comes_from(move: Move, *, turned: bool) -> None:
    x = torch.arange(12.0).reshape(2, 6).T if turned else torch.arange(12.0).reshape(6, 2)
    try:
        result = move(x)
    except RuntimeError:
        pytest.skip("PyTorch has no such view")
    shown = rearranged(result, x)
    if result.data_ptr() != x.data_ptr():  # a reshape that has to copy
        assert shown is None
        return
    assert shown is not None
    assert torch.equal(shown.result.apply(result), shown.views["input"].apply(x))
    assert torch.equal(shown.views["input"].undo(shown.result.apply(result)), x)
    assert torch.equal(shown.result.undo(shown.views["input"].apply(x)), result)


@pytest.mark.parametrize(
    "move",
    [
        lambda x: x.clone(),
        lambda x: x[1:],
        lambda x: x[:1],
        lambda x: x[:, ::2],
        lambda x: x.as_strided((4, 3), (1, 1)),
        lambda x: x[:, :1].expand(4, 3),
        lambda x: x.to(torch.int64),
    ],
    ids=["copied", "later", "part", "strided", "overlapping", "expanded", "cast"],
)
def test_what_is_no_view_of_all_the_memory_is_traced_entry_by_entry(move: Move) -> None:
    x = torch.arange(12.0).reshape(4, 3)
    assert rearranged(move(x), x) is None


def test_a_conjugate_view_is_not_the_same_numbers() -> None:
    x = torch.arange(4.0).reshape(2, 2) * 1j
    assert rearranged(x.conj(), x) is None
    assert rearranged(x.T, x) is not None


@pytest.mark.parametrize(("dtype", "shared"), [(torch.float64, True), (torch.float32, False)])
def test_only_double_precision_is_shared_with_the_definitions(dtype: torch.dtype, *, shared: bool) -> None:
    leaves = {"x": torch.rand(3, dtype=dtype, requires_grad=True)}
    trace = run(parse("y = exp(x)\nz = sigmoid(y)\nz*ones(3)"), leaves, Limits())
    decomposition = decompose(trace)
    found = {t.name or t.text: decomposition.nodes[t].tensor for call in trace.calls for t in call.outputs}
    assert all(tensor.dtype == torch.float64 for tensor in found.values())
    assert (found["y"].data_ptr() == trace.calls[0].outputs[0].tensor.data_ptr()) is shared


def test_a_transposed_product_verifies() -> None:
    inputs = {"x": torch.randn(3, 4, dtype=torch.float64), "w": torch.randn(3, 4, dtype=torch.float64)}
    report = gradcli.check("x.T.reshape(2, 6).unsqueeze(0).flatten() * w.T.flatten()", inputs, grad_output="ones")
    assert report.verdict == "match"
    assert torch.equal(report["x"].symbolic.value, report["x"].gradient)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)], ids=str)
@pytest.mark.parametrize(
    "move",
    [
        lambda x: x[1],
        lambda x: x[:, 1:, ::2],
        lambda x: x[-1, :, 2:].T,
        lambda x: x.diagonal(0, 0, 2),
        lambda x: x[:, :1].expand(3, 4, 5),
        lambda x: x[2, 0, 3],
    ],
    ids=["one", "slices", "turned", "diagonal", "expanded", "entry"],
)
def test_a_part_says_where_its_entries_are(move: Move, order: tuple[int, ...]) -> None:
    shape = (3, 1, 5) if move(torch.zeros(3, 1, 5)).numel() == 60 else (3, 4, 5)
    memory = torch.arange(math.prod(shape)).reshape([shape[axis] for axis in order])
    whole = memory.permute(sorted(range(3), key=order.__getitem__)).to(torch.float64, copy=True)
    parts = parts_of([move(whole)], whole)
    assert whole.shape == shape
    assert parts is not None
    assert torch.equal(whole.flatten()[parts[0].positions()], move(whole).flatten())


def test_many_parts_of_a_large_tensor_take_as_much_as_one() -> None:
    whole = torch.zeros(1000, 1000)
    parts = parts_of(whole.split(1), whole)
    assert parts is not None
    with mock.patch.object(torch, "arange", side_effect=torch.arange) as made:
        for part in parts:
            part.positions()
    assert sum(call.args[0] for call in made.call_args_list) < 2 * whole.numel()
