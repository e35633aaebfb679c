"""What code keeps from one run to the next: each run begins as the first, and nothing is left changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import gradcli
from gradcli.execution.targets.function.contents import Namespace
from gradcli.report.verdict import Verdict

X = torch.tensor([[1.0, -2.0], [0.5, 3.0]])


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)


class CachedGraph(Base):
    product: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.product is None:
            self.product = self.layer.weight @ self.layer.weight.T
        value: Tensor = (x @ self.product).sum()
        return value


class HiddenState(Base):
    hidden: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.hidden = torch.tanh(self.layer(x) + (0 if self.hidden is None else self.hidden))
        return self.hidden.sum()


class Growing(Base):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []
        self.calls = {"n": 0}

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(self.layer(x))
        self.calls["n"] += 1
        return torch.stack(self.seen).square().sum() / self.calls["n"]


class Averaged(Base):
    def __init__(self) -> None:
        super().__init__()
        self.average = nn.Linear(2, 2).requires_grad_(False)
        self.mean = torch.zeros(2)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.average.weight.mul_(0.9).add_(self.layer.weight, alpha=0.1)
            self.mean.mul_(0.9).add_(self.layer(x).mean(0).to(self.mean), alpha=0.1)
        error: Tensor = self.layer(x) - self.average(x) - self.mean.to(x)
        return error.square().sum()


@pytest.mark.parametrize("kind", [CachedGraph, HiddenState, Growing, Averaged])
def test_each_run_begins_as_the_first(kind: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    report = gradcli.check(kind(), {"x": X})
    assert report.verdict is Verdict.MATCH
    assert not any("another value" in note.words for found in report.tensors for note in found.notes)
    witnesses = report["layer.weight"].witnesses
    assert witnesses is not None
    assert witnesses["finite-difference"].verdict is Verdict.MATCH


SEEN: list[Tensor] = []


def global_state(x: Tensor) -> Tensor:
    SEEN.append(x * x)
    return torch.stack(SEEN).sum()


def test_each_run_of_a_function_begins_with_what_globals_held() -> None:
    report = gradcli.check(global_state, {"x": X})
    assert report.verdict is Verdict.MATCH
    assert torch.equal(torch.as_tensor(report["x"].gradient), (2 * X).double())
    assert len(SEEN) == 1  # as one call of it leaves there


COUNT = 0


def next_count() -> int:
    global COUNT  # noqa: PLW0603 (what is tested)
    COUNT += 1
    return COUNT


def counted_by_a_helper(x: Tensor) -> Tensor:
    return x ** next_count()


def counted_by_itself(x: Tensor) -> Tensor:
    counted_by_itself.calls = getattr(counted_by_itself, "calls", 0) + 1  # type: ignore[attr-defined]
    return x**counted_by_itself.calls  # type: ignore[attr-defined, no-any-return]


def counted_by_its_default(x: Tensor, seen: list[int] = []) -> Tensor:  # noqa: B006 (what is tested)
    seen.append(1)
    return x ** len(seen)


def counted_by_a_closure() -> Callable[[Tensor], Tensor]:
    count = 0

    def counted(x: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return x**count

    return counted


class CountedByItsClass:
    calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        CountedByItsClass.calls += 1
        return x**self.calls


class Slotted:
    __slots__ = ("__weakref__", "calls")


SLOTTED, PAIR, SET = Slotted(), ([0], None), set[int]()


def counted_in_slots(x: Tensor) -> Tensor:
    SLOTTED.calls = getattr(SLOTTED, "calls", 0) + 1
    return x**SLOTTED.calls


def counted_in_a_pair(x: Tensor) -> Tensor:
    PAIR[0][0] += 1
    return x ** PAIR[0][0]


def counted_in_a_set(x: Tensor) -> Tensor:
    SET.add(len(SET))
    return x ** len(SET)


class CountedModule(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x ** next_count()


COUNTED = [
    counted_by_a_helper,
    counted_by_itself,
    counted_by_its_default,
    counted_by_a_closure(),
    counted_in_slots,
    counted_in_a_pair,
    counted_in_a_set,
    CountedByItsClass(),
    CountedModule(),
    partial(counted_by_a_helper),
]


@pytest.mark.parametrize("code", COUNTED, ids=lambda code: getattr(code, "__name__", type(code).__name__))
def test_each_run_begins_with_what_names_meant(
    code: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each counts its runs, and its first is x**1; differences of another run would deny it."""
    monkeypatch.setitem(globals(), "COUNT", 0)
    report = gradcli.check(code, {"x": X}, reduce="sum")
    assert report.verdict is Verdict.MATCH
    assert torch.equal(torch.as_tensor(report["x"].gradient), torch.ones_like(X).double())
    assert report["x"].witnesses["finite-difference"].verdict is Verdict.MATCH


def test_what_a_module_notes_elsewhere_holds_what_one_run_leaves_there() -> None:
    seen = []

    class Noting(Base):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.shape)
            return self.layer(x).sum() * len(seen)

    assert gradcli.check(Noting(), {"x": X}).verdict is Verdict.MATCH
    assert seen == [X.shape]


def test_only_names_that_changed_are_put_back() -> None:
    """A name that comes up while the code runs goes again, and all others keep what they mean."""
    names: dict[str, object] = {"a": 1, "b": [2], "__name__": "m"}
    space = Namespace(names)
    before = space.content()
    names |= {"a": 2, "c": 3}
    assert space.narrowed(before).content() == {"a": 2, "c": 3}
    space.hold(before)
    assert names == {"a": 1, "b": [2], "__name__": "m"}


def test_a_module_that_cannot_be_copied_holds_in_the_end_what_it_did() -> None:
    module = Averaged().double()
    module.graph = module.layer.weight * 2
    mean, weight = module.mean, module.average.weight
    before = weight.clone()
    gradcli.check(module, {"x": X})
    assert module.mean is mean
    assert module.average.weight is weight
    assert mean.tolist() == [0, 0]
    assert torch.equal(weight, before)


class Earlier(Base):
    def __init__(self) -> None:
        super().__init__()
        self.double()
        self.product = self.layer.weight @ self.layer.weight.T

    def forward(self, x: Tensor) -> Tensor:
        value: Tensor = (x @ self.product).sum()
        return value


def test_what_was_computed_before_the_code_ran_is_undecided() -> None:
    report = gradcli.check(Earlier(), {"x": X})
    assert report["x"].verdict is Verdict.MATCH
    assert report["layer.weight"].verdict is Verdict.UNDECIDED
    assert "computed before it ran" in str(report["layer.weight"].note)
