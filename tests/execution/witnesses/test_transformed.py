"""Code under transformations: right gradients stay, and what is wrong only under one of them is found there."""

from __future__ import annotations

import itertools
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

import gradcli
from gradcli.deadline import DeadlineError
from gradcli.errors import InputError
from gradcli.execution.forward.callables import function
from gradcli.execution.witnesses.transformations import Transformation
from gradcli.report.check import CheckDetails
from gradcli.report.custom import SourcePlace
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings
from gradcli.witnesses import TRANSFORMATIONS

QUICK = tuple(name for name in TRANSFORMATIONS if name != "compile")
EXACT = tuple(name for name in QUICK if name != "autocast")


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def checked(code: Any, inputs: Any, *under: str, **options: Any) -> Report:
    options = {"witnesses": ("symbolic",), **options}
    return gradcli.check(code, inputs, under=under, **options)


def dissenters(report: Report) -> dict[str, str | None]:
    return {tensor.name: tensor.dissenter for tensor in report if tensor.dissenter}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(2, 3, 3), nn.Linear(12, 2)

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.last(functional.gelu(self.conv(x)).flatten(1))
        return {"logits": logits, "loss": functional.cross_entropy(logits, labels)}


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(4), nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        return self.attention(h, h, h, need_weights=False)[0]  # type: ignore[no-any-return]


def dropped(x: Tensor, w: Tensor) -> Tensor:
    return (functional.dropout(x @ w, 0.5) ** 2).sum()


def dropped_in_place(x: Tensor) -> Tensor:
    return functional.dropout(x.sin(), 0.5, inplace=True) * 3


RIGHT = [
    (Net(), {"x": drawn(2, 2, 4, 4), "labels": torch.tensor([0, 1])}),
    (Attention(), {"x": drawn(2, 3, 4)}),
    (dropped, {"x": drawn(4, 3), "w": drawn(3, 5)}),
    (dropped_in_place, {"x": drawn(4, 3)}),
]


@pytest.mark.parametrize(("code", "inputs"), RIGHT)
def test_right_code_has_the_same_gradients_under_each(code: Any, inputs: Any) -> None:
    report = checked(code, inputs, *QUICK)
    assert report.verdict is Verdict.MATCH, str(report)
    for leaf in (tensor for tensor in report if tensor.kind == "leaf" and tensor.requires_grad):
        found = leaf.witnesses or {}
        assert [*found] == [*QUICK]
        assert all(found[name].max_abs_error <= 1e-13 * max(1, leaf.gradient.abs().max()) for name in EXACT)
        assert 0 < found["autocast"].max_abs_error < 0.05 * leaf.gradient.abs().max() + 0.01


def test_code_is_compiled_by_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcli.execution.witnesses.transformations.shutil.which", lambda _: None)
    report = checked(dropped, {"x": drawn(4, 3), "w": drawn(3, 5)}, "compile")
    assert report.verdict is Verdict.MATCH, str(report)
    assert "torch.compile: backend aot_eager, for there is no C++ compiler" in str(report)


def test_code_of_which_nothing_is_compiled_is_not_compared() -> None:
    disabled = torch.compiler.disable(lambda x: x.sin().sum())
    report = checked(lambda x: disabled(x), {"x": drawn(3)}, "compile")  # noqa: PLW0108 (of its own, it is compiled)
    assert report.verdict is Verdict.UNDECIDED
    assert "torch.compile compiles nothing of this code" in (report["x"].note or "")


class Compiled(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[0] * (3 if torch.compiler.is_compiling() else 2)


def test_a_backward_that_is_wrong_where_it_is_compiled() -> None:
    report = checked(lambda x: Compiled.apply(x.sin()).sum(), {"x": drawn(3)}, "eager", "compile")
    assert dissenters(report) == {"x": "compile"}
    assert (report["x"].witnesses or {})["eager"].verdict is Verdict.MATCH
    assert report.summary() == "mismatch: autograd under torch.compile disagrees with the symbolic derivative (x)"
    assert (report["x"].note or "").startswith("under torch.compile the gradient is off by ")
    assert "the right one times 1.5" in (report["x"].note or "")


class InMemory(Function):
    """Multiplies; its backward reads one operand as it lies in memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return g * w, g * x.as_strided((x.numel(),), (1,)).view(x.shape)


class Low(Function):
    factor = 1.0

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return g * x * (Low.factor if x.dtype is torch.bfloat16 else 2)


class Latest(Function):
    """Its backward is right only for the latest call of forward."""

    latest = 0

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        Latest.latest += 1
        ctx.number = Latest.latest
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return g * x * (2 if ctx.number == Latest.latest else 1)


class Mixing(Function):
    """Under vmap it has the samples in the reverse order."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * x

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004 (PyTorch gives it)
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * g * ctx.saved_tensors[0]

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor) -> tuple[Tensor, int]:  # noqa: ARG004 (as above)
        return Mixing.apply(x.flip(0)), 0


class Averaging(Mixing):
    """Under vmap each sample is the mean of all."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor) -> tuple[Tensor, int]:  # noqa: ARG004 (as above)
        return Averaging.apply(x.mean(0, keepdim=True).expand_as(x)), 0


WRONG = [
    ("channels_last", InMemory, {"x": drawn(2, 3, 2, 2), "w": drawn(2, 3, 2, 2, seed=2)}, {"w"}),
    ("checkpoint", Latest, {"x": drawn(3)}, {"x"}),
    ("vmap", Mixing, {"x": drawn(3)}, {"x"}),
    ("vmap", Averaging, {"x": drawn(3)}, {"x"}),
]


@pytest.mark.parametrize("witness", ["symbolic", "finite-difference"])
@pytest.mark.parametrize(("name", "wrong", "inputs", "names"), WRONG)
def test_a_backward_that_is_wrong_under_one_of_them(
    name: str, wrong: type[Function], inputs: dict[str, Tensor], names: set[str], witness: str
) -> None:
    def code(**leaves: Tensor) -> Tensor:
        return wrong.apply(*leaves.values())  # type: ignore[no-any-return]

    code_line = code.__code__.co_firstlineno
    others = [other for other in EXACT if other != "vmap" or name == "vmap"]
    report = checked(code, inputs, *others, witnesses=(witness,))
    assert report.verdict is Verdict.MISMATCH
    assert dissenters(report) == dict.fromkeys(names, name)
    assert isinstance(report.details, CheckDetails)
    assert report.details.source == SourcePlace("tests/execution/witnesses/test_transformed.py", code_line + 1)
    for leaf in names:
        found = report[leaf].witnesses or {}
        assert {other for other in others if found[other].verdict is not Verdict.MATCH} == {name}


@pytest.mark.parametrize("factor", [1.0, float("nan")])
def test_a_backward_that_is_wrong_in_a_lower_precision(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Low, "factor", factor)
    inputs = {"x": drawn(4, 3), "w": drawn(3, 5, seed=2)}
    report = checked(lambda x, w: Low.apply(x @ w).sum(), inputs, "eager", "autocast")
    assert dissenters(report) == {"x": "autocast", "w": "autocast"}
    words = "is wrong: the gradient is NaN" if factor != factor else "is off by "  # noqa: PLR0124 (NaN)
    assert f"under torch.autocast the gradient {words}" in (report["x"].note or "")


def test_rounding_of_autocast_is_no_mistake() -> None:
    def turning(x: Tensor, w: Tensor) -> Tensor:
        return ((x @ w) * 10).cos().sum()

    report = checked(turning, {"x": drawn(8, 16), "w": drawn(16, 8, seed=2)}, "autocast")
    assert report.verdict is Verdict.MATCH, str(report)


class Counting(nn.Module):
    """Computes something else in every call beyond those under gradcli's own eyes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        followed = len(torch.overrides._get_current_function_mode_stack()) > 0
        return self.linear(x) * (1 if followed else 2)  # type: ignore[no-any-return]


def test_code_that_runs_otherwise_where_it_is_not_followed() -> None:
    report = checked(Counting(), {"x": drawn(2, 3)}, "eager")
    assert {*dissenters(report).values()} == {"eager"}
    assert report.verdict is Verdict.MISMATCH
    assert isinstance(report.details, CheckDetails)
    line = Counting.forward.__code__.co_firstlineno  # no Function is to blame: where the code is defined
    assert report.details.source == SourcePlace("tests/execution/witnesses/test_transformed.py", line)


def test_what_pytorch_refuses_is_undecided() -> None:
    report = checked(nn.BatchNorm1d(3), {"input": drawn(4, 3)}, *EXACT)
    assert report.verdict is Verdict.UNDECIDED
    assert not dissenters(report)
    found = report["weight"].witnesses or {}
    assert {name for name in EXACT if found[name].verdict is not Verdict.MATCH} == {"vmap"}
    assert "Batch norm got a batched tensor as input while the running_mean" in (found["vmap"].note or "")
    assert "not compared under torch.vmap: " in (report["weight"].note or "")
    words = "undecided: no verdict: the gradients could not be compared under torch.vmap, so this is not a pass"
    assert report.summary().startswith(words)


def test_what_a_user_raises_is_undecided() -> None:
    class OwnError(Exception):
        pass

    def code(x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            raise OwnError("not today")
        return x.sin()

    report = checked(code, {"x": drawn(3)}, "autocast")
    assert report.verdict is Verdict.UNDECIDED
    assert "not today" in (report["x"].note or "")


def noisy(x: Tensor) -> Tensor:
    return x.sin() * torch.rand_like(x)  # single precision takes other numbers


def dropped_across(x: Tensor) -> Tensor:
    return functional.dropout(x.T, 0.5).sin()  # numbers are drawn in the order of memory, in which a batch differs


@pytest.mark.parametrize(("name", "code"), [("autocast", noisy), ("vmap", dropped_across)])
def test_other_random_numbers_are_not_compared(name: str, code: Callable[[Tensor], Tensor]) -> None:
    report = checked(code, {"x": drawn(4, 3)}, "eager", name)
    found = report["x"].witnesses or {}
    assert report.verdict is Verdict.UNDECIDED
    assert (found["eager"].verdict, found[name].verdict) == (Verdict.MATCH, Verdict.UNDECIDED)
    assert "other random numbers are drawn" in (found[name].note or "")


class Choosing(Function):
    """A ReLU with another choice at its kink for tensors that are not contiguous."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.relu()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return g * (x > 0 if x.is_contiguous() else x >= 0)


def test_another_choice_at_a_kink_is_not_called_wrong() -> None:
    point = drawn(2, 3, 2, 2)
    point[0, 0, 0, 0] = 0
    report = checked(Choosing.apply, [point], "eager", "channels_last")
    (leaf,) = (tensor for tensor in report if tensor.kind == "leaf")
    assert report.verdict is Verdict.UNDECIDED
    assert "at a kink" in ((leaf.witnesses or {})["channels_last"].note or "")


def test_leaves_that_code_holds_by_itself() -> None:
    held = nn.Linear(3, 2).double()

    def code(x: Tensor) -> Tensor:
        made = torch.ones(2, dtype=torch.float64, requires_grad=True)
        return held(x) * made  # type: ignore[no-any-return]

    report = checked(code, {"x": drawn(4, 3)}, "eager", "checkpoint")
    verdicts = {leaf.name: leaf.verdict for leaf in report if leaf.kind == "leaf" and leaf.requires_grad}
    made = {name: verdict for name, verdict in verdicts.items() if verdict is not Verdict.MATCH}
    assert len(verdicts) == 4
    assert [*made.values()] == [Verdict.UNDECIDED]
    assert "the code makes it anew" in (report[next(iter(made))].note or "")


def test_a_wrong_gradient_is_not_blamed_on_a_transformation() -> None:
    class Half(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004 (PyTorch gives it)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:  # noqa: ARG004 (as above)
            return g

    report = checked(Half.apply, [drawn(3)], "eager", "checkpoint")
    (leaf,) = (tensor for tensor in report if tensor.kind == "leaf")
    assert leaf.verdict is Verdict.MISMATCH
    assert leaf.dissenter not in TRANSFORMATIONS
    assert {witness.verdict for witness in (leaf.witnesses or {}).values()} == {Verdict.MISMATCH}
    assert "under " not in (leaf.note or "")


def test_a_wrong_claim_does_not_hide_a_transformation() -> None:
    report = checked(lambda x: Latest.apply(x).sum(), {"x": drawn(3)}, "checkpoint", claims={"x": "3*x"})
    assert report["x"].dissenter == "checkpoint"


def test_nothing_is_compared_without_a_witness() -> None:
    report = checked(lambda x: x.sin(), {"x": drawn(3)}, "eager", witnesses=())
    assert report.verdict is Verdict.UNVERIFIED


def uncopied() -> nn.Module:
    """Return a module that cannot be copied, so that the check works on it itself."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        convolution = nn.utils.weight_norm(nn.Conv2d(2, 2, 3))
    return nn.Sequential(convolution, nn.BatchNorm2d(2), nn.Dropout()).double()


def test_modules_are_left_as_they_were() -> None:
    plain, other = uncopied(), uncopied()
    checked(plain, {"input": drawn(2, 2, 4, 4)})
    torch.manual_seed(3)
    random.seed(3)
    before = torch.get_rng_state(), random.getstate(), torch.get_default_dtype()
    checked(other, {"input": drawn(2, 2, 4, 4)}, *QUICK)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), torch.get_default_dtype()) == before[1:]
    assert other.training
    own = {**dict(other.named_parameters()), **dict(other.named_buffers())}
    for name, tensor in (*plain.named_parameters(), *plain.named_buffers()):
        assert (own[name].dtype, own[name].stride()) == (tensor.dtype, tensor.stride())
        assert torch.equal(own[name], tensor), name
        assert (tensor.grad is None and own[name].grad is None) or torch.equal(own[name].grad, tensor.grad)  # type: ignore[arg-type]


def test_the_time_limit_holds() -> None:
    reached = []

    def code(x: Tensor) -> Tensor:
        while torch.is_autocast_enabled("cpu"):
            reached.append(True)
        return x.sin()

    checked(code, {"x": drawn(3)})  # loads what a check needs
    with pytest.raises(DeadlineError, match="no verdict within 8 s"):
        checked(code, {"x": drawn(3)}, "autocast", timeout=8)
    assert reached


def test_the_text_of_a_program_is_refused() -> None:
    with pytest.raises(InputError, match="--under: transformations are of code") as caught:
        gradcli.check("x**2", under="eager")
    assert "FILE.py:NAME" in (caught.value.hint or "")


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_a_row_names_what_makes_it(name: str) -> None:
    row = TRANSFORMATIONS[name]
    make: Callable[[Settings], Any] = function(row.implementation)
    assert row.name == name
    assert isinstance(make(Settings()), Transformation)


class Counted(nn.Module):
    """Computes 3x², then 4x², then 5x² …: each run is right, and another function."""

    def __init__(self) -> None:
        super().__init__()
        self.count = itertools.count(3)  # of which nobody can say where it was

    def forward(self, x: Tensor) -> Tensor:
        return (next(self.count) * x * x).sum()


@pytest.mark.parametrize("names", [("eager",), ("checkpoint", "vmap", "autocast", "channels_last")])
def test_code_that_computes_another_value_each_time_is_not_compared(names: tuple[str, ...]) -> None:
    report = checked(Counted(), {"x": drawn(4, 3)}, *names)
    found = report["x"].witnesses or {}
    assert report.verdict is Verdict.UNDECIDED
    assert all("the code computes another value when it runs again" in (found[name].note or "") for name in names)


def test_the_witnesses_say_so_of_it_too() -> None:
    report = gradcli.check(Counted(), {"x": drawn(4, 3)})
    found = report["x"].witnesses or {}
    assert {found[name].note for name in ("finite-difference", "taylor")} == {report["x"].note}
    assert report["x"].note == "the code computes another value when it runs again"
    alone = gradcli.check(Counted(), {"x": drawn(4, 3)}, witnesses=("finite-difference",))
    assert alone.verdict is Verdict.UNDECIDED


def test_the_reason_is_said_once() -> None:
    report = checked(Counted(), {"x": drawn(4, 3)}, "eager", "checkpoint")
    assert str(report["x"].note).count("another value") == 1


def test_code_that_keeps_something_from_its_first_run_is_told() -> None:
    runs, kept = itertools.count(), torch.ones((), dtype=torch.float64)

    def code(x: Tensor) -> Tensor:
        scale = kept.clone()
        if next(runs) == 0:
            kept.copy_(x.detach().abs().sum())
        return (x * x).sum() * scale

    assert gradcli.check(code, {"x": drawn(4, 3)})["x"].note == "the code computes another value when it runs again"


def test_code_that_rounds_otherwise_when_it_runs_again_computes_the_same() -> None:
    runs = itertools.count()

    def code(x: Tensor) -> Tensor:
        large = 1e7 if next(runs) == 0 else 3e7
        return ((x + large) - large).sum()

    report = gradcli.check(code, {"x": drawn(4, 3)})
    assert report.verdict is Verdict.MATCH
    assert report["x"].note is None


class Wrong(Function):
    """Is x² forward, and off where a transformation of the code is told by single precision."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x if x.dtype is torch.float64 else 2 * x * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2 * grad * x if x.dtype is torch.float64 else 4 * grad * x


def test_another_value_that_the_transformation_alone_makes_is_its_fault() -> None:
    report = checked(lambda x: Wrong.apply(x).sum(), {"x": drawn(4, 3)}, "autocast")
    assert report.verdict is Verdict.MISMATCH
    assert dissenters(report) == {"x": "autocast"}


def numpys(x: Tensor) -> Tensor:
    return (x * x * float(np.random.rand())).sum()  # noqa: NPY002 (the global generator)


def test_numpys_random_numbers_are_the_same_in_each_run_and_go_on_after_it() -> None:
    np.random.seed(3)  # noqa: NPY002
    theirs = np.random.rand(2)  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    first = np.random.rand()  # noqa: NPY002
    report = gradcli.check(numpys, {"x": drawn(4, 3)}, under=("eager", "vmap"))
    assert [first, np.random.rand()] == list(theirs)  # noqa: NPY002
    found = report["x"].witnesses or {}
    assert report.verdict is Verdict.MATCH
    assert {found[name].verdict for name in ("finite-difference", "eager", "vmap")} == {Verdict.MATCH}
