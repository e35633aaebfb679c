"""Results of one step that autograd computes of one another: the leaves are right, and the others have no row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import grad, grad_and_value, jacrev, jvp, vjp, vmap
from torch.utils.checkpoint import checkpoint

import gradcli
from gradcli.report.verdict import Verdict


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def asked(*args: Any, **options: Any) -> tuple[Tensor, ...]:
    found: tuple[Tensor, ...] = torch.autograd.grad(*args, create_graph=True, **options)
    return found


W, B, X = drawn(3), drawn(3, seed=1), drawn(4, 3, seed=2)


def bias(w: Tensor, b: Tensor) -> Tensor:
    gw, gb = asked(((w * 3 + b) ** 2).sum(), [w, b])  # gw is gb * 3
    return (gw**2 + gb**2).sum()


def one_tensor(w: Tensor, b: Tensor) -> Tensor:
    gw, gb = asked(((w + b) ** 3).sum(), [w, b])
    assert gw is gb
    return (gw.sin() * gb).sum()


def by_what_lies_between(w: Tensor, b: Tensor) -> Tensor:
    h = torch.tanh(w * b)
    gw, gh = asked((h**2).sum(), [w, h])
    return (gw**2 + gh**2 + h.cos()).sum()


def the_upstream_gradient_itself(w: Tensor, b: Tensor) -> Tensor:
    v = b * 2
    (g,) = torch.autograd.grad(w + 1, [w], v, create_graph=True)
    assert g is v
    return (g**2 + v**3).sum()


def a_leaf_itself(w: Tensor, b: Tensor) -> Tensor:
    early = b**3
    (g,) = asked(w + 1, [w], b)
    assert g is b
    return (g.sin() * early).sum()


def of_some_inputs(w: Tensor, b: Tensor) -> Tensor:
    other = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    gw, gb, none = asked(((w * 3 + b) ** 2).sum(), [w, b, other], allow_unused=True)
    assert none is None
    return (gw**2 + gb**3).sum()


def of_zeros(w: Tensor, b: Tensor) -> Tensor:
    other = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    gw, zeros, gb = asked(((w * 3 + b) ** 2).sum(), [w, other, b], materialize_grads=True)
    return (gw**2 + gb**3 + zeros).sum()


def by_a_gradient(w: Tensor, b: Tensor) -> Tensor:
    (g,) = asked(((w * 3 + b) ** 3).sum(), b)
    hb, hg = asked((g**2 * b).sum(), [b, g])
    return (hb * hg).sum() + g.sum()


def written_to(w: Tensor, b: Tensor) -> Tensor:
    gw, gb = asked(((w * 3 + b) ** 2).sum(), [w, b])
    gb.mul_(2)
    return (gw**2 + gb**2).sum()


def mapped_gradients(w: Tensor, x: Tensor) -> Tensor:
    b = torch.tensor(0.5, dtype=torch.float64)
    gw, gb = vmap(grad(lambda w, b, x: ((w * x).sum() + b) ** 2, (0, 1)), (None, None, 0))(w, b, x)
    loss: Tensor = gw.pow(2).sum() + gb.pow(3).sum()
    return loss


def mapped(x: Tensor) -> Tensor:
    a, b = vmap(lambda x: (x.exp(), x.exp().mul(2).sin()))(x)
    return (a * b).sum()


def mapped_of_one(x: Tensor) -> Tensor:
    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        h = x.exp()
        return h, h * h.sum()

    a, b = vmap(both)(x)
    return (a * b).sum() + a.sin().sum()


def pulled(w: Tensor, b: Tensor) -> Tensor:
    out, pull = vjp(lambda y: y.exp(), w)  # whose backward reads `out`
    (g,) = pull(b)
    return (g**2 + out**3).sum()


def pushed(w: Tensor, b: Tensor) -> Tensor:
    out, tangent = jvp(lambda y: y.exp(), (w,), (b,))
    return (out * tangent + out**2).sum()


def with_value(w: Tensor, b: Tensor) -> Tensor:
    slope, value = grad_and_value(lambda y: (y * b).sum().exp())(w)
    return (slope**2).sum() + value**2


def rows(w: Tensor, b: Tensor) -> Tensor:
    by_w, by_b = jacrev(lambda w, b: (w * 3 + b).exp(), (0, 1))(w, b)
    return (by_w * by_b).sum() + (by_b**2).sum()


def checkpointed(w: Tensor, b: Tensor) -> Tensor:
    def both(w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        h = (w * b).exp()
        return h, h * w

    one, other = checkpoint(both, w, b, use_reentrant=False)
    return (one * other).sum() + one.sin().sum()


def networks(x: Tensor) -> Tensor:
    torch.manual_seed(0)
    cell = nn.LSTMCell(3, 2, dtype=torch.float64)
    hidden, state = cell(x)
    hidden, state = cell(x, (hidden, state))
    return (hidden * state).sum() + state.cos().sum()


class Both(torch.autograd.Function):
    """What it is given, its double, and that again."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        double = x * 2
        return x, double, double

    @staticmethod
    def backward(_: Any, one: Tensor, two: Tensor, again: Tensor) -> Tensor:
        return one + 2 * (two + again)


def function(w: Tensor) -> Tensor:
    h = w.sin()
    one, two, again = Both.apply(h)
    return (one.sin() * two + again**2 + h.exp()).sum()


FUNCTIONS: list[tuple[Callable[..., Tensor], list[Tensor], set[str], set[str]]] = [  # what has a row, and what has none
    (bias, [W, B], {"gw"}, {"gb"}),
    (one_tensor, [W, B], set(), {"gw", "gb"}),
    (by_what_lies_between, [W, B], {"gw"}, {"h", "gh"}),
    (the_upstream_gradient_itself, [W, B], {"v"}, {"g"}),
    (a_leaf_itself, [W, B], {"b"}, {"g"}),
    (of_some_inputs, [W, B], {"gw"}, {"gb"}),
    (of_zeros, [W, B], {"gw"}, {"gb"}),
    (by_a_gradient, [W, B], {"hb"}, {"g", "hg"}),
    (written_to, [W, B], {"gw", "gb"}, {"gb (2)"}),
    (mapped_gradients, [W, X], {"gw"}, {"gb"}),
    (mapped, [X], {"a", "b"}, set()),
    (mapped_of_one, [X], {"b"}, {"a"}),
    (pulled, [W, B], {"g"}, {"out"}),
    (pushed, [W, B], {"tangent", "out"}, set()),
    (with_value, [W, B], {"slope"}, {"value"}),
    (rows, [W, B], set(), set()),
    (checkpointed, [W, B], {"h", "other"}, set()),
    (networks, [X], {"hidden"}, {"state"}),
    (function, [W], {"h", "one"}, {"two", "again"}),
]


@pytest.mark.parametrize(
    ("function", "inputs", "shown", "left_out"), FUNCTIONS, ids=[function.__name__ for function, *_ in FUNCTIONS]
)
def test_what_others_are_made_of_has_no_row_and_what_is_before_it_is_right(
    function: Callable[..., Tensor], inputs: list[Tensor], shown: set[str], left_out: set[str]
) -> None:
    report = gradcli.check(function, inputs, witnesses=["symbolic"])
    assert {tensor.verdict for tensor in report} == {Verdict.MATCH}, [(tensor.name, tensor.note) for tensor in report]
    names = {tensor.name for tensor in report}
    assert names >= shown
    assert not names & left_out
    copies = [value.clone().requires_grad_() for value in inputs]
    expected = torch.autograd.grad(function(*copies), copies, materialize_grads=True)
    leaves = [tensor for tensor in report if tensor.kind == "leaf"][: len(inputs)]
    for leaf, gradient in zip(leaves, expected, strict=True):
        assert leaf.symbolic is not None
        assert torch.allclose(leaf.symbolic.value, gradient, rtol=1e-9), leaf.name


def test_what_is_left_of_a_shared_gradient_is_what_later_uses_give() -> None:
    report = gradcli.check(bias, [W, B])
    slope = 2 * (W * 3 + B)
    assert torch.allclose(report["gw"].symbolic.value, 2 * 3 * slope)  # type: ignore[union-attr]


def test_what_was_written_to_past_autograd_has_the_gradient_of_what_it_was() -> None:
    def shifted(w: Tensor, b: Tensor) -> Tensor:
        h = w * b
        early = h * 3
        with torch.no_grad():
            h.add_(1)
        return (early + h.cos()).sum()

    report = gradcli.evaluate(shifted, [W, B])
    assert report.verdict is Verdict.MATCH
    assert torch.allclose(report["h"].symbolic.value, 3 - (W * B + 1).sin())  # type: ignore[union-attr]
