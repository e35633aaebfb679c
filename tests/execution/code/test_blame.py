"""A wrong backward inside of a module is found, and its class and lines are named; a right one is not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

import gradcli
from gradcli.execution.comparison.blame import _leaves_observed
from gradcli.execution.forward.followed import Followed, edge_of
from gradcli.execution.forward.observed import Observer
from gradcli.execution.forward.trace import Trace
from gradcli.report.notes import NoteKind

WRONG = {
    "right": lambda g, x, s: g * (s + x * s * (1 - s)),
    "factor": lambda g, x, s: g * (s + x * s * (1 - s)) * 1.01,
    "sign": lambda g, x, s: -g * (s + x * s * (1 - s)),
    "dropped term": lambda g, _, s: g * s,
    "grad_output ignored": lambda _, x, s: s + x * s * (1 - s),
    "detached part": lambda g, x, s: g * (x * s * (1 - s)),
    "summed over an axis": lambda g, x, s: (g * (s + x * s * (1 - s))).mean(0, keepdim=True).expand_as(x),
}


def swish(name: str) -> type[torch.autograd.Function]:
    class Swish(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * torch.sigmoid(x)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            found: Tensor = WRONG[name](g, x, torch.sigmoid(x))
            return found

    return Swish


class Act(nn.Module):
    def __init__(self, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.apply_function = function.apply

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_function(x)


class Residual(nn.Module):
    """What goes into the Function is used beside it, too."""

    def __init__(self, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.first, self.act, self.last = nn.Linear(3, 4), Act(function), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        return self.last(self.act(h) + h.tanh() * h).square().mean()


def chained(function: type[torch.autograd.Function]) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), Act(function), nn.LayerNorm(4), nn.Linear(4, 2), Act(swish("right")))


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("make", [Residual, chained])
def test_a_wrong_backward_is_blamed_by_name_and_line(make: Any, name: str) -> None:
    torch.manual_seed(0)
    report = gradcli.check(make(swish(name)), (torch.randn(5, 3),), witnesses="symbolic")
    if name == "right":
        assert report.verdict == "match"
        return
    assert report.verdict == "mismatch"
    line = swish.__code__.co_firstlineno + 8
    notes = [tensor.note or "" for tensor in report.tensors if tensor.verdict == "mismatch"]
    assert notes
    assert all("the backward of Swish" in note and f"test_blame.py:{line}" in note for note in notes)
    assert all("in module '1'" in note or "in module 'act'" in note for note in notes)


def test_the_cause_is_named() -> None:
    report = gradcli.check(Residual(swish("sign")), (torch.randn(5, 3),), witnesses="symbolic")
    assert "the sign is wrong" in (report["x"].note or "")


def test_a_hook_that_changes_a_gradient_is_named() -> None:
    def f(x: Tensor) -> Tensor:
        h = x * x
        h.register_hook(lambda g: 2 * g)
        return h.sum()

    report = gradcli.check(f, (torch.randn(3),))
    assert report.verdict == "mismatch"
    assert "a hook on 'h'" in (report["x"].note or "")


def test_a_function_whose_apply_was_bound_before_is_seen() -> None:
    bound = swish("factor").apply
    report = gradcli.check(lambda x: bound(x.exp()).sum(), (torch.randn(3),), witnesses="symbolic")
    assert report.verdict == "mismatch"
    assert "the backward of Swish" in (report["x"].note or "")


def test_a_backward_hook_of_a_module_that_changes_a_gradient_is_named() -> None:
    module = nn.Sequential(nn.Tanh(), nn.Linear(3, 2)).double()
    module[1].register_full_backward_hook(lambda _, given, __: (2 * given[0],))
    report = gradcli.check(module, [torch.randn(2, 3, dtype=torch.float64)], witnesses="symbolic")
    assert report["input"].verdict == "mismatch"
    assert "a backward hook of module '1' changes the gradient" in report["input"].note


def test_a_hook_that_a_parameter_had_before_is_kept_and_named() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
    module[2].weight.register_hook(lambda g: 2 * g)
    report = gradcli.check(module, (torch.randn(2, 3),), witnesses="symbolic")
    assert {tensor.name for tensor in report.tensors if tensor.verdict == "mismatch"} == {"2.weight"}
    assert "a hook on '2.weight' (tests/execution/code/test_blame.py:" in (report["2.weight"].note or "")


class Sine(torch.autograd.Function):
    """One that can be mapped, with a wrong backward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.sin()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], _: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2 * g * x.cos()


def test_a_function_under_vmap_is_blamed_once() -> None:
    report = gradcli.check(lambda x: torch.vmap(Sine.apply)(x).sum(), (torch.randn(3, 2),))
    note, line = report["x"].note or "", Sine.backward.__code__.co_firstlineno + 1
    assert report.verdict == "mismatch"
    assert f"the backward of Sine (tests/execution/code/test_blame.py:{line})" in note
    assert note.count("the backward of") == 1


class Halved(torch.autograd.Function):
    """Its gradient by a is twice the right one, and that by b half of it."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b**2

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        return 2 * g * b**2, g * a * b


def test_each_input_of_a_function_has_its_own_cause() -> None:
    def f(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return (Halved.apply(a * 1, b * 1) + c**2).sum()

    report = gradcli.check(f, tuple(torch.randn(3) for _ in "abc"), witnesses="symbolic")
    for name, times in (("a", "2"), ("b", "0.5")):
        (note,) = [note.words for note in report[name].notes if note.kind is NoteKind.BLAME]
        assert f"with respect to '{name} * 1': backward's gradient is the right one times {times}" in note
    assert report["c"].verdict == "match"


def test_a_constant_that_an_operand_happens_to_be_is_told_as_a_number() -> None:
    def f(a: Tensor, b: Tensor) -> Tensor:
        return Halved.apply(a, b).sum()

    report = gradcli.check(f, (torch.full((3,), 2.0), torch.full((3,), 3.0)), witnesses="symbolic")
    assert "the right one times 2 ('a' is 2 here)" in (report["a"].note or "")
    assert "factor" not in (report["a"].note or "")


def tensor_hook(h: Tensor) -> Tensor:
    h.register_hook(lambda g: 2 * g)
    return h.sin()


def written_in_a_hook(h: Tensor) -> Tensor:
    h.register_hook(lambda g: [g.mul_(2), None][1])
    return h.sin()


def node_hook(h: Tensor) -> Tensor:
    h.grad_fn.register_hook(lambda found, _: (2 * found[0], found[1]))  # type: ignore[union-attr]
    return h.sin()


def node_prehook(h: Tensor) -> Tensor:
    h.grad_fn.register_prehook(lambda given: (2 * given[0],))  # type: ignore[union-attr]
    return h.sin()


def saved(h: Tensor) -> Tensor:
    with saved_tensors_hooks(lambda t: t.bfloat16(), lambda t: t.double()):
        return h.sin()


def saved_by_one(h: Tensor) -> Tensor:
    y = h.exp()
    y.grad_fn._raw_saved_result.register_hooks(lambda t: 2 * t, lambda t: t)  # type: ignore[union-attr]
    return y


def dropped(h: Tensor) -> Tensor:
    return torch.dropout(h.sin(), 0.5, train=True)


def checkpointed(h: Tensor) -> Tensor:
    return checkpoint(dropped, h, use_reentrant=False, preserve_rng_state=False)


def checkpointed_inside(h: Tensor) -> Tensor:
    return checkpoint(dropped, h, use_reentrant=True, preserve_rng_state=False)


WORDS = {
    tensor_hook: "a hook on 'h', registered at {}, changes the gradient",
    written_in_a_hook: "a hook on 'h', registered at {}, changes the gradient",
    node_hook: "a hook on the node MulBackward0, registered at {}, changes the gradient",
    node_prehook: "a hook on the node MulBackward0, registered at {}, changes the gradient",
    saved: "the saved-tensor hooks at {} change what backward reads",
    saved_by_one: "the saved-tensor hooks at {} change what backward reads",
    checkpointed: "the checkpoint at {} computes other values in backward than in forward",
    checkpointed_inside: "the checkpoint at {} computes other values in backward than in forward",
}
POINT = torch.linspace(0.3, 1.7, 16, dtype=torch.float64)


@pytest.mark.parametrize("alter", WORDS)
def test_what_changes_a_gradient_between_the_ops_is_named_with_its_line(alter: Any) -> None:
    """Of each tensor, what its own gradient has passed; harmless hooks are not."""

    def f(x: Tensor, w: Tensor) -> Tensor:
        w.register_hook(lambda g: -g)
        h = x * w.detach()
        h.register_hook(lambda _: None)
        with saved_tensors_hooks(lambda t: t.numpy(force=True), torch.from_numpy):
            y = (h * 1).tanh()
        return alter(h).sum() + y.sum() + (w**2).sum()

    report = gradcli.check(f, (POINT, POINT.flip(0)), witnesses="symbolic")
    line = alter.__code__.co_firstlineno + (2 if alter is saved_by_one else 1)
    (note,) = [note.words for note in report["x"].notes if note.kind is NoteKind.BLAME]
    (other,) = [note.words for note in report["w"].notes if note.kind is NoteKind.BLAME]
    assert other.startswith("a hook on 'w'")
    assert note == WORDS[alter].format(f"tests/execution/code/test_blame.py:{line}")
    assert "a wrong rule" not in (report["x"].note or "")
    assert "50 digits" not in (report["x"].note or "")


def test_an_op_whose_backward_is_right_by_itself_is_not_said_to_have_a_wrong_rule() -> None:
    def f(x: Tensor) -> Tensor:
        y = x.exp()
        y.data.mul_(2)  # which autograd does not see, and what it has saved of exp
        return (y**2).sum()

    report = gradcli.check(f, (POINT,), witnesses="symbolic")
    assert "ExpBackward0), whose backward gives another gradient by itself" in (report["x"].note or "")
    assert "a wrong rule" not in (report["x"].note or "")
    assert "50 digits" not in (report["x"].note or "")


def test_a_right_function_is_not_blamed_for_what_is_hooked_at_its_node() -> None:
    def f(x: Tensor) -> Tensor:
        y = swish("right").apply(x)
        y.grad_fn.register_hook(lambda found, _: (2 * found[0],))
        return y.sum()

    note = gradcli.check(f, (POINT,), witnesses="symbolic")["x"].note or ""
    assert "a hook on the node SwishBackward" in note
    assert "the backward of Swish" not in note


def test_pytorch_is_left_as_it_was() -> None:
    saved: Any = torch._C._autograd.SavedTensor
    before = [vars(saved)["register_hooks"], vars(saved_tensors_hooks)["__enter__"]]
    gradcli.check(lambda x: x.sin().sum(), (POINT,), witnesses="symbolic")
    assert [vars(saved)["register_hooks"], vars(saved_tensors_hooks)["__enter__"]] == before
    assert "_register_hook" not in vars(torch.autograd.Function)


def test_the_hooks_of_a_module_are_no_wrong_rule() -> None:
    module = nn.Tanh()
    module.register_full_backward_hook(lambda _, given, __: (2 * given[0],))
    note = gradcli.check(lambda x: module(x).sum(), (POINT,), witnesses="symbolic")["x"].note or ""
    assert "a backward hook of " in note
    assert "; not rounding" in note


def test_hooks_of_leaves_are_given_back() -> None:
    tensor, hook = torch.ones(3, requires_grad=True), lambda g: 2 * g
    tensor.register_hook(hook)
    leaf = Followed(tensor, "x", "x", is_leaf=True, edge=edge_of(tensor))
    observer = Observer()
    with _leaves_observed(Trace([leaf], [], leaf), observer):
        tensor.sum().backward()
    assert list((tensor._backward_hooks or {}).values()) == [hook]
    assert next(alteration.said() for alteration in observer.found).startswith("a hook on 'x' (tests")
