"""Functions that are wrong somewhere else than at the point of the report: beyond a constant, at zero, for a batch.

Each gradient planted here is wrong by hand: the right one is known from calculus.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from made import function
from torch import Tensor
from torch.autograd import Function

import gradcli
from gradcli.deadline import deadline
from gradcli.execution.custom import examine
from gradcli.report.custom import Check, CustomDetails
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict

Formula = Callable[[Tensor, Tensor], Tensor]


def square(x: Tensor) -> Tensor:
    return x * x


def where(x: Tensor, g: Tensor, condition: Tensor) -> Tensor:
    """Return the right gradient of the square, and another where a condition holds."""
    return torch.where(condition, 3 * x, 2 * x) * g


def softmax_unstably(x: Tensor, g: Tensor) -> Tensor:
    return x.exp() / x.exp().sum(-1, keepdim=True) * g[..., None]


def in_blocks(x: Tensor, g: Tensor) -> Tensor:
    return torch.cat([2 * x[:64] * g[:64], torch.zeros_like(x[64:])])


def through_half(x: Tensor, g: Tensor) -> Tensor:
    return 2 * x * g if x.dtype == torch.float64 else (2 * x.half() * g.half()).to(x.dtype)


def rows_of(x: Tensor) -> Tensor:
    return torch.arange(x.shape[0]).reshape(-1, *[1] * (x.ndim - 1))


def more_than_two(x: Tensor, g: Tensor) -> Tensor:
    """Return the gradient of the largest entry: shared by two that tie, and given to each of three but zeros."""
    largest = (x == x.amax(-1, keepdim=True)).to(x.dtype)
    count = largest.sum(-1, keepdim=True)
    return largest * g[..., None] / torch.where((count > 2) & (x != 0), 1, count)


def product_of_the_others(x: Tensor, g: Tensor) -> Tensor:
    """Return the gradient of the product of each row, which divides by the entry: 0 where that is 0."""
    return (g * x.prod(-1))[..., None] / torch.where(x == 0, 1, x)


def ties(x: Tensor) -> Tensor:
    """Return how many neighbours are equal once all entries are in order."""
    return (x.reshape(-1).sort().values.diff() == 0).sum()


def normalised(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True).clamp_min(1e-3)


def gradient_of_normalised(x: Tensor, g: Tensor) -> Tensor:
    """Return the gradient of what is divided by its norm, which is wrong where the norm is clamped."""
    n = x.norm(dim=-1, keepdim=True).clamp_min(1e-3)
    y = x / n
    return (g - y * (y * g).sum(-1, keepdim=True)) / n


WRONG: dict[str, tuple[str, Callable[[Tensor], Tensor], Formula]] = {
    "small": ("other points", square, lambda x, g: where(x, g, x.abs() < 0.01)),
    "tiny": ("other points", square, lambda x, g: where(x, g, x.abs() < 1e-6)),
    "large": ("other points", square, lambda x, g: where(x, g, x > 5)),
    "very large": ("other points", square, lambda x, g: where(x, g, x.abs() > 500)),
    "large and negative": ("other points", square, lambda x, g: where(x, g, x < -5)),
    "zero": ("other points", torch.abs, lambda x, g: g * x / x.abs()),
    "beyond 3": (
        "other points",
        lambda x: x * torch.clamp(x + 3, 0, 6) / 6,
        lambda x, g: torch.where(x.abs() < 3, (2 * x + 3) / 6, 0 * x) * g,
    ),
    "at 42": ("other points", lambda x: torch.where(x > 42, 42, x), lambda x, g: g * (x < 44)),
    "overflow": ("other points", lambda x: torch.logsumexp(x, -1), softmax_unstably),
    "ties": (
        "other points",
        lambda x: x.amax(-1),
        lambda x, g: (x == x.amax(-1, keepdim=True)) * g[..., None],
    ),
    "three ties": ("other points", lambda x: x.amax(-1), more_than_two),
    "zeros": ("other points", square, lambda x, g: (2 * x + (x == 0).all()) * g),
    "one zero in a row": ("other points", lambda x: x.prod(-1), product_of_the_others),
    "one zero in all": ("other points", square, lambda x, g: where(x, g, (x == 0).sum() == 1)),
    "one tie in all": ("other points", square, lambda x, g: where(x, g, ties(x) == 1)),
    "a sign of grad_output, beyond a constant": (
        "other points",
        lambda x: x.clamp(min=-7),
        lambda x, g: g * ((x >= -7) | (g < 0)),
    ),
    "small norms": ("other points", normalised, gradient_of_normalised),
    "before an exponential overflows": ("other points", torch.exp, lambda x, g: g * x.exp().clamp(max=1e30)),
    "between constants of backward alone": ("other points", square, lambda x, g: where(x, g, (x > 5) & (x < 7))),
    "between neighbours of backward's": ("other points", square, lambda x, g: where(x, g, (x > 5) & (x < 5.05))),
    "beyond a norm of backward's": ("other points", square, lambda x, g: where(x, g, x.norm() > 3e4)),
    "many rows": ("other shapes", square, lambda x, g: where(x, g, rows_of(x) >= 256)),
    "grad_output of 0": ("zeros in grad_output", square, lambda x, g: 2 * x * g * g / g),
    "large grad_output": ("zeros in grad_output", square, lambda x, g: 2 * x * g.clamp(-3, 3)),
    "small grad_output": ("zeros in grad_output", square, lambda x, g: 2 * x * torch.where(g.abs() < 0.01, 0, g)),
    "batch": ("other shapes", square, in_blocks),
    **{
        f"rank {rank}": ("other shapes", square, lambda x, g, rank=rank: (3 if x.ndim == rank else 2) * x * g)
        for rank in (0, 1, 3, 4, 5)
    },
    "expanded": ("non-contiguous tensors", square, lambda x, g: (3 if 0 in x.stride() else 2) * x * g),
    "float32": ("in float32", square, through_half),
}


def note(report: Report, name: str) -> tuple[str, str]:
    assert isinstance(report.details, CustomDetails)
    check = next(check for check in report.details.checks or () if check.name == name)
    return str(check.verdict), check.note or ""


@pytest.mark.parametrize(("name", "forward", "backward"), WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_elsewhere_is_found(name: str, forward: Callable[[Tensor], Tensor], backward: Formula) -> None:
    report = gradcli.check_function(function(forward, backward), shapes={"x": (3, 4)})
    assert report.tensors[0].verdict == "match"
    assert note(report, name)[0] == "mismatch"


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_what_overflows_in_a_lower_type_is_found_there(dtype: Any) -> None:
    """The exponential of 100 is infinite in float32, and that of 32 in float16; a softmax is never NaN there."""
    wrong = function(lambda x: torch.logsumexp(x, -1), softmax_unstably)
    report = gradcli.check_function(wrong, shapes={"x": (3, 4)}, dtype=dtype)
    assert report.tensors[0].verdict == "match"
    verdict, words = note(report, "other points")
    assert verdict == "mismatch"
    assert "the gradient is NaN" in words


def without_conjugate(z: Tensor, g: Tensor) -> Tensor:
    """Return the gradient of the square, which is wrong in single precision: it is conj(2 z) g."""
    return 2 * g * (z if z.dtype == torch.complex64 else z.conj())


def of_the_real_part(x: Tensor, g: Tensor) -> Tensor:
    """Return the gradient of exp(i x), which in single precision lacks what arrives at the imaginary part."""
    whole = (g.conj() * 1j * torch.exp(1j * x)).real
    return whole if g.dtype == torch.complex128 else -g.real * x.sin()


@pytest.mark.parametrize(
    ("forward", "backward", "dtype", "lower"),
    [
        (square, without_conjugate, "complex128", "complex64"),
        (lambda x: torch.exp(1j * x), of_the_real_part, "float64", "float32"),
    ],
)
def test_complex_numbers_are_looked_at_in_single_precision_too(
    forward: Callable[[Tensor], Tensor], backward: Formula, dtype: Any, lower: str
) -> None:
    report = gradcli.check_function(function(forward, backward), shapes={"x": (3,)}, dtype=dtype)
    assert report.tensors[0].verdict == "match"
    assert note(report, f"in {lower}")[0] == report.verdict == "mismatch"


@pytest.mark.parametrize("value", [2.0, [1.0, 2.0, 3.0]])
def test_a_value_that_is_given_is_not_the_only_point(value: Any) -> None:
    wrong = function(lambda x: x / (1 + x.abs()), lambda x, g: g / (1 + x) ** 2)
    report = gradcli.check_function(wrong, {"x": torch.tensor(value, dtype=torch.float64)})
    assert report.tensors[0].value.tolist() == value
    assert note(report, "other points")[0] == "mismatch"


def test_a_number_is_not_the_only_shape() -> None:
    report = gradcli.check_function(function(lambda x: (x * x).mean(), lambda x, g: 2 * x * g))
    assert note(report, "other shapes")[0] == "mismatch"


DTYPES = ("float64", "float32", "float16", "bfloat16")
RIGHT: dict[str, tuple[Callable[[Tensor], Tensor], Formula]] = {
    "third": (lambda x: x / 3, lambda _, g: g / 3),
    "abs": (torch.abs, lambda x, g: g * x.sign()),
    "relu, the other choice": (torch.relu, lambda x, g: g * (x >= 0)),
    "normalised": (
        normalised,
        lambda x, g: torch.where(x.norm(dim=-1, keepdim=True) < 1e-3, g / 1e-3, gradient_of_normalised(x, g)),
    ),
    "exp": (torch.exp, lambda x, g: g * x.exp()),
    "log": (torch.log, lambda x, g: g / x),
    "softplus": (lambda x: torch.logaddexp(x, 0 * x), lambda x, g: g * torch.sigmoid(x)),
    "tanh": (torch.tanh, lambda x, g: g * (1 - x.tanh() ** 2)),
    "swish": (
        lambda x: x * torch.sigmoid(x),
        lambda x, g: g * (torch.sigmoid(x) + x * torch.sigmoid(x) * (1 - torch.sigmoid(x))),
    ),
    "softmax": (
        lambda x: x.softmax(-1),
        lambda x, g: x.softmax(-1) * (g - (g * x.softmax(-1)).sum(-1, keepdim=True)),
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RIGHT)
def test_no_alarm_is_raised_for_a_right_function(name: str, dtype: Any) -> None:
    report = gradcli.check_function(function(*RIGHT[name]), shapes={"x": (3, 4)}, dtype=dtype)
    assert isinstance(report.details, CustomDetails)
    assert report.verdict == "match", [check for check in report.details.checks or () if check.verdict != "match"]


@pytest.mark.parametrize("name", ["abs", "relu, the other choice"])
def test_another_choice_at_a_kink_is_looked_at_and_right(name: str) -> None:
    report = gradcli.check_function(function(*RIGHT[name]), shapes={"x": (3, 4)})
    assert note(report, "other points") == ("match", "")


def test_what_was_not_looked_at_is_listed() -> None:
    report = gradcli.check_function(function(torch.log, lambda x, g: g / x), shapes={"x": (3,)})
    verdict, words = note(report, "other points")
    assert verdict == "match"
    assert "not looked at: " in words
    assert "0, -1e-08" in words
    assert note(report, "in float32")[1] == "not looked at: float16, bfloat16 (`--dtype` asks for it)"


def test_constants_that_are_too_many_to_look_at_are_listed() -> None:
    def backward(x: Tensor, g: Tensor) -> Tensor:
        return 2 * x * g + sum((x > number) & (x < number) for number in range(2, 12))

    verdict, words = note(gradcli.check_function(function(square, backward), shapes={"x": (3,)}), "other points")
    assert verdict == "match"
    assert "10, 11 (forward and backward compare with more numbers than are tried)" in words


def test_a_point_near_that_forward_refuses_is_not_looked_at() -> None:
    class Weighted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
            assert float(w.sum()) == 1.0
            ctx.save_for_backward(w)
            return (x * w).sum(-1)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            (w,) = ctx.saved_tensors
            return g[..., None] * w, None

    report = gradcli.check_function(Weighted, {"w": [0.25, 0.75]}, shapes={"x": (3, 2)}, constants=("w",))
    verdict, words = note(report, "other points")
    assert verdict == report.verdict == "match"
    assert "a point near (seed 1), a point near (seed 2) (forward refuses it)" in words


def test_a_random_backward_is_called_one() -> None:
    report = gradcli.check_function(function(square, lambda x, g: 2 * x * g * torch.rand_like(x)), shapes={"x": (3,)})
    assert "random" in (report.tensors[0].note or "")
    assert note(report, "linear in grad_output")[0] == "undecided"


def test_a_complex_input_is_complex_at_the_point_of_the_report() -> None:
    report = gradcli.check_function(function(square, lambda x, g: 2 * x * g), shapes={"x": (3,)}, dtype="complex128")
    assert bool((report.tensors[0].value.imag != 0).all())
    assert report.tensors[0].verdict == "mismatch"


class Two(torch.autograd.Function):
    """Sine and cosine; the gradient of one that is not used is None."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x.sin(), x.cos()

    @staticmethod
    def backward(ctx: Any, one: Tensor | None, other: Tensor | None) -> Tensor:
        (x,) = ctx.saved_tensors
        total = torch.zeros_like(x)
        total = total if one is None else total + one * x.cos()
        return total if other is None else total - other * x.sin()


class Careless(Two):
    """The same, which expects both."""

    @staticmethod
    def backward(ctx: Any, one: Tensor, other: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return one * x.cos() - other * x.sin()


class Doubled(Two):
    """The same, which is wrong where the first is not used."""

    @staticmethod
    def backward(ctx: Any, one: Tensor | None, other: Tensor | None) -> Tensor:
        return Two.backward(ctx, one, other) * (2 if one is None else 1)


@pytest.mark.parametrize(("wrong", "words"), [(Careless, "TypeError"), (Doubled, "output 1 alone")])
def test_what_is_wrong_where_an_output_is_not_used_is_found(wrong: type, words: str) -> None:
    x = torch.tensor([0.3, -1.2], dtype=torch.float64)
    assert gradcli.check_function(Two, {"x": x}).verdict == "match"
    verdict, said = note(gradcli.check_function(wrong, {"x": x}), "zeros in grad_output")
    assert verdict == "mismatch"
    assert words in said


def from_the_start(x: Tensor, g: Tensor) -> Tensor:
    return 2 * g * torch.as_strided(x, x.shape, x.stride(), 0)


def upstream_from_the_start(x: Tensor, g: Tensor) -> Tensor:
    return 2 * x * torch.as_strided(g, g.shape, g.stride(), 0)


@pytest.mark.parametrize(
    ("backward", "words"), [(from_the_start, "inputs"), (upstream_from_the_start, "a grad_output")]
)
def test_a_slice_begins_somewhere_in_its_storage(backward: Formula, words: str) -> None:
    base = torch.arange(6.0, dtype=torch.float64)
    x, g = base[3:], base[1:4]
    assert not torch.equal(backward(x, g), 2 * x * g)
    report = gradcli.check_function(function(square, backward), shapes={"x": (3,)})
    assert isinstance(report.details, CustomDetails)
    failed = [check for check in report.details.checks or () if not check.verdict.passes]
    assert [check.name for check in failed] == ["non-contiguous tensors"]
    assert f"for {words} that " in failed[0].notes[0].words
    assert "slice" in failed[0].notes[0].words


class Largest(torch.autograd.Function):
    """Wrong where entries tie, however they lie in memory: each gets the whole gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.amax()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return (x == x.amax()).to(x.dtype) * g


class OfRows(torch.autograd.Function):
    """Wrong where all rows are equal, and no single entry of one is special."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return (3 if len(x) > 1 and bool((x == x[:1]).all()) else 2) * x * g


@pytest.mark.parametrize(("function", "shape"), [(Largest, (4,)), (OfRows, (3, 2))])
def test_what_equal_values_make_wrong_is_not_said_of_strides(function: Any, shape: tuple[int, ...]) -> None:
    equal = torch.full(shape, 0.5, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(function.apply(equal).sum(), equal)
    (right,) = torch.autograd.grad((equal.amax() if function is Largest else equal**2).sum(), equal)
    assert not torch.allclose(found, right)
    report = gradcli.check_function(function, shapes={"x": shape})
    checks = report.details.checks
    assert [one.name for one in checks if one.verdict == "mismatch"] == ["other points"]


class Endless(Function):
    """Is sin, and does not end in single precision: an iteration to more digits than it has."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        while x.dtype is torch.float32:
            time.sleep(0.01)
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * x.cos()


def test_a_dtype_in_which_forward_does_not_end_is_not_looked_at() -> None:
    report = gradcli.check_function(Endless, {"x": [0.5, 1.5]}, timeout=5)
    checks = {check.name: check for check in report.details.checks}
    assert report.verdict == "match"
    assert "float32 (that takes too long" in checks["in float32"].note
    assert "it was still in forward (test_elsewhere.py" in checks["in float32"].note
    assert checks["double backward"].verdict == "match"


def test_a_check_that_does_not_end_is_undecided_and_the_others_are_kept() -> None:
    trial: Any = SimpleNamespace(time_left=0.2)
    checks: dict[str, Any] = {"endless": lambda _: time.sleep(60), "quick": lambda _: Check("quick", Verdict.MATCH)}
    with deadline(60):
        first, second = examine._run(checks, trial)
    assert (first.verdict, second.verdict) == (Verdict.UNDECIDED, Verdict.MATCH)
    assert first.name == "endless"
    assert "not looked at: it takes too long" in str(first.note)


class Rows(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.length = len(x)
        return x[rows]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return g.new_zeros(ctx.length).index_add(0, rows, g), None


class LastRow(Rows):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return g.new_zeros(ctx.length).index_copy(0, rows, g), None  # of rows that are one, it keeps the last


class MaskedMean(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(mask)
        return (x * mask).sum() / mask.sum().clamp(min=1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return g * mask / mask.sum().clamp(min=1), None


class NoRowsLeft(MaskedMean):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return g * mask / mask.sum(), None  # 0/0 where nothing is left


ROWS, MASK = torch.tensor([3, 0, 2]), torch.tensor([True, False, True, True])


@pytest.mark.parametrize(
    ("function", "other", "words"),
    [
        (Rows, {"rows": ROWS}, None),
        (LastRow, {"rows": ROWS}, "where entries of 'rows' repeat, backward is not the derivative"),
        (MaskedMean, {"mask": MASK}, None),
        (NoRowsLeft, {"mask": MASK}, "where 'mask' is false everywhere, backward is not the derivative"),
    ],
)
def test_what_a_caller_may_promise_is_told_and_fails_nothing(
    function: type[Function], other: dict[str, Tensor], words: str | None
) -> None:
    report = gradcli.check_function(function, {"x": [0.5, -1.0, 2.0, 1.5], **other})
    (check,) = (one for one in report.details.checks if one.name == "other points")
    assert report.verdict is Verdict.MATCH
    assert (words in str(check.note)) if words else check.note is None


def test_given_what_repeats_the_same_backward_is_wrong() -> None:
    inputs = {"x": [0.5, -1.0, 2.0, 1.5], "rows": torch.tensor([3, 0, 3])}
    assert gradcli.check_function(LastRow, inputs).verdict is Verdict.MISMATCH
