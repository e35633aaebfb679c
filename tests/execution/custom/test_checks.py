"""Functions written in every style that PyTorch takes, and what is said of those that are wrong."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from made import function
from torch import Tensor
from torch.autograd.function import once_differentiable

import gradcli
from gradcli.report.custom import CustomDetails
from gradcli.report.report import Report


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g


class Power(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, n: int = 2) -> Tensor:
        return x**n

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004 (PyTorch's signature)
        x, ctx.n = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * ctx.n * x ** (ctx.n - 1), None

    @staticmethod
    def jvp(ctx: Any, t: Tensor, _: Any) -> Tensor:
        (x,) = ctx.saved_tensors
        return t * ctx.n * x ** (ctx.n - 1)


class PowerWithWrongJvp(Power):
    @staticmethod
    def jvp(ctx: Any, t: Tensor, _: Any) -> Tensor:
        (x,) = ctx.saved_tensors
        return t * ctx.n * x**ctx.n


class PowerWithoutSlope(Power):
    @staticmethod
    def jvp(ctx: Any, t: Tensor, _: Any) -> Tensor:  # noqa: ARG004 (PyTorch's signature)
        return t * 0


class Tripled(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * x * g


class Crosswise(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return (2 * x * g).T


class Shift(torch.autograd.Function):
    """Returns a gradient of one shape for inputs of two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, b: Tensor) -> Tensor:  # noqa: ARG004 (PyTorch's signature)
        return x + b

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:  # noqa: ARG004
        return g, g


class SumAndProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Any:
        ctx.save_for_backward(x, y)
        return (x + y).sum(), x * y, (x > y)

    @staticmethod
    def backward(ctx: Any, g: Tensor, h: Tensor, _: Any) -> Any:
        x, y = ctx.saved_tensors
        return g + h * y, g + h * x


class Take(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.size = x.shape
        return x[index]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (index,) = ctx.saved_tensors
        return torch.zeros(ctx.size, dtype=g.dtype).index_add(0, index, g), None


class ThroughNumbers(Square):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.tensor([value * value for value in x.tolist()], dtype=x.dtype)


class Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float = 0.5) -> Tensor:
        ctx.mask = (torch.rand_like(x) > p) / (1 - p)
        return x * ctx.mask

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * ctx.mask, None


class Padded(torch.autograd.Function):
    """Rows of a table, the first of which is padding: it is given no gradient, and forward reads it."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.size = len(table)
        return torch.nn.functional.embedding(rows, table, padding_idx=0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        (rows,) = ctx.saved_tensors
        grad = g.new_zeros(ctx.size, g.shape[-1]).index_add(0, rows, g)
        grad[0] = 0
        return grad, None


class LogDeterminant(torch.autograd.Function):
    """Reads a half of its symmetric input, so that finite differences of single entries deny the symmetric gradient."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        ctx.save_for_backward(a)
        return 2 * torch.log(torch.diagonal(torch.linalg.cholesky(a))).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * torch.linalg.inv(ctx.saved_tensors[0])


class Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.relu(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * (x >= 0)


class Doubling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(_: Any, g: Tensor) -> Any:
        return 2 * g


class UnmarkedDoubling(Doubling):
    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.mul_(2).clone()


class Once(Square):
    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g


class OnContext(Square):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.x = x
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return 2 * ctx.x * g


class Raising(Square):
    @staticmethod
    def backward(_: Any, *__: Tensor) -> Any:
        raise ValueError("not today")


class TooMany(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g, g


class Lazy(torch.autograd.Function):
    """Honours needs_input_grad."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        with torch.no_grad():
            return x.detach() * y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, y = ctx.saved_tensors
        return g * y if ctx.needs_input_grad[0] else None, g * x if ctx.needs_input_grad[1] else None


class Contiguous(Square):
    """Wrong where its upstream gradient is not contiguous."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g.view(-1).view(g.shape)


class OfOneSize(Square):
    """Right only for three columns."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.mean(-1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return (g / 3).unsqueeze(-1).expand_as(x)


class Plain(torch.autograd.Function):
    """PyTorch looks methods up on the class, and so takes plain functions."""

    def forward(ctx: Any, x: Tensor) -> Tensor:  # type: ignore[misc,override] # noqa: N805 (the engine calls it so)
        ctx.save_for_backward(x)
        return x**3

    def backward(ctx: Any, g: Tensor) -> Any:  # type: ignore[misc,override] # noqa: N805 (the engine calls it so)
        (x,) = ctx.saved_tensors
        return 3 * g * x**2


class OfTheClass(torch.autograd.Function):
    @classmethod
    def forward(cls, ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @classmethod
    def backward(cls, ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * g * x**2


class Single(torch.autograd.Function):
    """Computes in single precision, whatever it is given."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.tanh(x.to(torch.float32)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * (1 - torch.tanh(x) ** 2)


class SingleButWrong(Single):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * (1 - torch.tanh(x) ** 2) * 1.01


class Softmax(torch.autograd.Function):
    """Saves memory: all is written in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x - x.max(dim=-1, keepdim=True).values
        y.exp_()
        y /= y.sum(-1, keepdim=True)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return y * (g - (g * y).sum(-1, keepdim=True))


class SoftmaxWithoutItsSum(Softmax):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return y * g


class Pieces(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        y, low = torch.zeros_like(x), x < 0
        y[low] = x[low].exp() - 1
        y[~low] = x[~low]
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return torch.where(x < 0, g * x.exp(), g)


class Interleaved(torch.autograd.Function):
    """Turns pairs of entries as complex numbers, and refuses memory that they cannot be read from."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return torch.view_as_real(torch.view_as_complex(x) * 1j)

    @staticmethod
    def backward(_: Any, g: Tensor) -> Any:
        return torch.view_as_real(torch.view_as_complex(g.contiguous()) * -1j)


class LogOneMinusExp(torch.autograd.Function):
    """Is finite for negative entries alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.log(-torch.expm1(x))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return -g / torch.expm1(-x)


class Bounded(torch.autograd.Function):
    """Divides by zero beyond its bounds."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sqrt((1 - x * x).clamp(0, 1))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return -g * x / torch.sqrt((1 - x * x).clamp(0, 1))


class Near(torch.autograd.Function):
    """The logarithm of a determinant: where rows tie it is one of rounding errors, and has no inverse to speak of."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        ctx.save_for_backward(a)
        return torch.linalg.slogdet(a + torch.ones_like(a) / 3).logabsdet

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (a,) = ctx.saved_tensors
        inverse = torch.linalg.inv(a + torch.ones_like(a) / 3)
        if float(inverse.abs().max()) > 1e12:
            raise ValueError("a singular matrix")
        return g[..., None, None] * inverse.mT


def details(report: Report) -> CustomDetails:
    assert isinstance(report.details, CustomDetails)
    return report.details


def check(report: Report, name: str) -> Any:
    return next(check for check in details(report).checks or () if check.name == name)


def said(report: Report) -> str:
    return "; ".join(item.note for item in (*report.tensors, *(details(report).checks or ())) if item.note)


@pytest.mark.parametrize(
    ("function", "inputs", "shapes"),
    [
        (Power, {"n": 3}, {"x": (2, 3)}),
        (SumAndProduct, {}, {"x": (3,), "y": (3,)}),
        (Take, {"index": torch.tensor([0, 2, 2])}, {"x": (3, 2)}),
        (Doubling, {}, {"x": (3,)}),
        (Once, {}, {"x": (3,)}),
        (Dropout, {}, {"x": (8,)}),
        (Lazy, {}, {"x": (3,), "y": (3,)}),
        (Plain, {}, {"x": (2,)}),
        (OfTheClass, {}, {"x": (2,)}),
        (Softmax, {}, {"x": (2, 3)}),
        (Pieces, {"x": torch.tensor([-1.5, 0.5, 2.0, -0.25])}, {}),
        (Interleaved, {}, {"x": (3, 2)}),
        (LogOneMinusExp, {}, {"x": (3, 4)}),
        (Near, {}, {"a": (3, 3)}),
    ],
)
def test_a_right_function_matches(function: Any, inputs: Any, shapes: Any) -> None:
    report = gradcli.check_function(function, inputs, shapes=shapes)
    assert report.verdict == "match", said(report)


def test_what_a_function_claims_is_checked() -> None:
    right = gradcli.check_function(Power, {"n": 3}, shapes={"x": (3,)})
    assert (check(right, "jvp").verdict, check(right, "vmap").verdict) == ("match", "match")
    wrong = gradcli.check_function(PowerWithWrongJvp, {"n": 3}, shapes={"x": (3,)})
    assert check(wrong, "jvp").verdict == "mismatch"
    assert "jvp gives" in check(wrong, "jvp").note
    zero = gradcli.check_function(PowerWithoutSlope, {"n": 3}, shapes={"x": (3,)})
    assert "jvp's gradient is zero everywhere" in check(zero, "jvp").note


def test_a_value_that_is_not_the_references_is_said() -> None:
    report = gradcli.check_function(Square, {"x": torch.tensor([3.0])}, reference="x**3")
    assert "forward gives 9 and the reference 27" in check(report, "forward").note
    assert report[report.tensors[-1].name].note == f"the value: {check(report, 'forward').note}"


def test_a_cause_is_said_once() -> None:
    report = gradcli.check_function(Tripled, shapes={"x": (2, 3)})
    assert [note.kind for note in report["x"].notes] == ["entry", "entry", "cause"]
    assert str(report["x"].note).count("times 1.5") == 1


def test_a_gradient_that_pytorch_sums_in_silence_is_said() -> None:
    report = gradcli.check_function(Shift, shapes={"x": (2, 3), "b": (3,)})
    (shape, cause, engine) = check(report, "gradients returned").notes
    assert shape.words == "the gradient of 'b' has shape 2x3 and 'b' has shape 3"
    assert (cause.kind, "the sum over axis 0" in cause.words) == ("cause", True)
    assert engine.words.startswith("PyTorch's engine sums it")


def test_a_gradient_that_pytorch_refuses_is_quoted() -> None:
    report = gradcli.check_function(Crosswise, shapes={"x": (2, 3)})
    (_, cause, engine) = check(report, "gradients returned").notes
    assert cause.words == "it is the transpose of the right one"
    assert engine.words.startswith("PyTorch says: Function CrosswiseBackward returned an invalid gradient at index 0")


def test_numbers_that_leave_pytorch_are_undecided_without_a_reference() -> None:
    assert gradcli.check_function(ThroughNumbers, shapes={"x": (3,)}).verdict == "undecided"
    told = gradcli.check_function(ThroughNumbers, shapes={"x": (3,)}, reference="x**2")
    assert told.verdict == "match", said(told)


def test_a_wrong_gradient_of_what_is_written_in_place_is_found() -> None:
    report = gradcli.check_function(SoftmaxWithoutItsSum, shapes={"x": (2, 3)})
    assert report.verdict == "mismatch"
    assert check(report, "symbolic derivative").verdict == "mismatch"


def test_single_precision_inside_of_forward_is_judged_as_such() -> None:
    right = gradcli.check_function(Single, {"x": torch.tensor([0.3, -1.7])})
    assert check(right, "autograd of the reference").verdict == "match"
    assert right.verdict in {"match", "undecided"}, said(right)
    assert gradcli.check_function(SingleButWrong, {"x": torch.tensor([0.3, -1.7])}).verdict == "mismatch"


def test_complex_numbers() -> None:
    class Conjugating(Square):
        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            (x,) = ctx.saved_tensors
            return 2 * x.conj() * g

    point = {"x": torch.tensor([1 + 2j, 0.5 - 1j], dtype=torch.complex128)}
    assert gradcli.check_function(Square, point, dtype="complex128").verdict == "mismatch"
    right = gradcli.check_function(Conjugating, point, dtype="complex128")
    assert right.verdict in {"match", "undecided"}, said(right)


def test_a_function_of_symmetric_matrices_is_moved_among_them() -> None:
    report = gradcli.check_function(LogDeterminant, {"a": torch.tensor([[2.0, 0.5], [0.5, 1.0]])})
    assert report.verdict == "match", said(report)
    assert check(report, "finite differences").verdict == "match"


def test_what_finite_differences_alone_deny_is_undecided() -> None:
    report = gradcli.check_function(Padded, {"rows": torch.tensor([1, 0, 1])}, shapes={"table": (2, 3)})
    assert report.verdict == "undecided", said(report)
    assert check(report, "symbolic derivative").verdict == "match"
    assert check(report, "finite differences").verdict == "undecided"


def test_a_choice_at_a_kink_is_a_subgradient() -> None:
    report = gradcli.check_function(Relu, {"x": torch.tensor([-1.0, 0.0, 2.0])})
    assert report.verdict == "subgradient", said(report)
    assert report["x"].gradient.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (UnmarkedDoubling, "forward changes 'x' in place, and does not call mark_dirty"),
        (OnContext, "ctx.x is the input 'x'"),
        (Raising, "backward raises ValueError: not today (test_checks.py:"),
        (TooMany, "returned an incorrect number of gradients (expected 1, got 2)"),
        (Contiguous, "view size is not compatible"),
    ],
)
def test_what_is_wrong_is_said(function: Any, words: str) -> None:
    report = gradcli.check_function(function, shapes={"x": (2, 3)})
    assert report.verdict == "mismatch"
    assert words in said(report)


def test_other_shapes_are_tried() -> None:
    report = gradcli.check_function(OfOneSize, shapes={"x": (2, 3)})
    assert check(report, "other shapes").verdict == "mismatch"
    assert "for x of shape 3x4, the gradient of 'x' is wrong" in said(report)


def test_a_reference_that_forward_does_not_compute_is_a_mismatch() -> None:
    report = gradcli.check_function(Square, shapes={"x": (3,)}, reference="x**3")
    assert check(report, "forward").verdict == "mismatch"
    assert report["x"].verdict == "mismatch"


def test_what_forward_refuses_is_listed() -> None:
    report = gradcli.check_function(Interleaved, shapes={"x": (3, 2)})
    note = check(report, "non-contiguous tensors").note
    assert note == "not looked at: inputs that are not contiguous (forward refuses them)"


def test_entries_that_are_infinite_do_not_hide_that_the_others_are_linear() -> None:
    report = gradcli.check_function(Bounded, {"x": [0.5, -0.25, 1.5]})
    assert report["x"].verdict == "mismatch"
    assert check(report, "linear in grad_output").verdict == "match"


def test_a_slow_function_is_tried_in_fewer_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcli.execution.custom.checks.elsewhere.SHARE", 0.0)
    monkeypatch.setattr("gradcli.execution.custom.checks.shapes.SHARE", 0.0)
    report = gradcli.check_function(Tripled, {"x": [1.0, 2.0]}, surrogate="1.5*x**2")
    assert report.verdict == "match", said(report)
    for name in ("other points", "other shapes"):
        assert "`--timeout` gives more time" in check(report, name).note


def test_an_error_names_what_forward_takes() -> None:
    with pytest.raises(gradcli.GradcliError, match="forward takes no 'm'"):
        gradcli.check_function(Power, {"m": 3}, shapes={"x": (3,)})


def test_the_upstream_gradient_is_the_users() -> None:
    report = gradcli.check_function(Square, {"x": torch.tensor([1.0, 2.0])}, grad_output=[10, 100])
    assert report["x"].gradient.tolist() == [20, 400]
    assert details(report).node.returned["x"].tolist() == [20, 400]


class Random(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return g * b * torch.rand_like(b), g * a


def test_a_random_backward_fails_nothing_but_what_names_it() -> None:
    report = gradcli.check_function(Random, shapes={"a": (3,), "b": (3,)})
    assert "backward is random" in str(report["a"].note)
    assert str(check(report, "deterministic").verdict) == "mismatch"
    for name in ("linear in grad_output", "needs_input_grad"):
        assert str(check(report, name).verdict) == "undecided"


class OnMeta(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:  # noqa: ARG004 (PyTorch's signature)
        return torch.empty(g.shape, dtype=g.dtype, device="meta")


class MadeOnMeta(Square):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.empty(x.shape, dtype=x.dtype, device="meta")


class SparseRows(torch.autograd.Function):
    """Twice the first row, with a sparse gradient, as embeddings have."""

    @staticmethod
    def forward(ctx: Any, table: Tensor) -> Tensor:
        ctx.rows = len(table)
        return table[:1] * 2

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return torch.sparse_coo_tensor(torch.tensor([[0]]), 2 * g, (ctx.rows, g.shape[1]))


def test_a_gradient_without_numbers_is_a_mismatch() -> None:
    report = gradcli.check_function(OnMeta, shapes={"x": (3,)})
    assert report.verdict == "mismatch"
    assert "meta" in said(report)


def test_an_output_without_numbers_is_refused() -> None:
    with pytest.raises(gradcli.GradcliError, match="forward returns a tensor on the meta device"):
        gradcli.check_function(MadeOnMeta, shapes={"x": (3,)})


def test_a_sparse_gradient_is_a_gradient() -> None:
    report = gradcli.check_function(SparseRows, shapes={"table": (3, 2)})
    assert report.verdict == "match", said(report)
    assert report["table"].gradient.tolist() == [[2, 2], [0, 0], [0, 0]]


class CopySign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return torch.copysign(x, y)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, y = ctx.saved_tensors
        return g * torch.where(torch.signbit(x) == torch.signbit(y), 1.0, -1.0), torch.zeros_like(y)


class SquareTwiceWrong(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x.detach() * g


def test_rounding_in_autograds_own_double_backward_is_no_lost_term() -> None:
    generator = torch.Generator().manual_seed(7)
    inputs = {"x": torch.randn(2, 3, generator=generator, dtype=torch.float64), "y": torch.ones(3, dtype=torch.float64)}
    x = inputs["x"].clone().requires_grad_()
    (first,) = torch.autograd.grad(torch.copysign(x, inputs["y"]).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((first * torch.rand(2, 3, generator=generator, dtype=torch.float64)).sum(), x)
    assert second.abs().max() < 1e-14
    assert _double_backward(gradcli.check_function(CopySign, inputs)) == "match"
    assert _double_backward(gradcli.check_function(SquareTwiceWrong, {"x": inputs["x"]})) == "mismatch"


def _double_backward(report: Report) -> str:
    details = report.details
    assert isinstance(details, CustomDetails)
    return next(str(check.verdict) for check in details.checks if check.name == "double backward")


class TriangularSolve(torch.autograd.Function):
    """PyTorch's forward mode of its forward takes tangents of entries that are not read for ones that are."""

    @staticmethod
    def forward(b: Tensor, a: Tensor) -> Tensor:
        return torch.triangular_solve(b, a)[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[1], output)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, x = ctx.saved_tensors
        solved = torch.linalg.solve_triangular(a.triu().T, g, upper=False)
        return solved, -(solved @ x.T).triu()


class WholeTriangularSolve(TriangularSolve):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, x = ctx.saved_tensors
        solved = torch.linalg.solve_triangular(a.triu().T, g, upper=False)
        return solved, -(solved @ x.T)


@pytest.mark.filterwarnings("ignore")  # PyTorch has deprecated it
def test_a_wrong_forward_mode_of_pytorchs_is_not_the_functions_fault() -> None:
    inputs = {"b": torch.tensor([[2.0], [4.0]]), "a": torch.tensor([[2.0, 1.0], [0.5, 4.0]])}
    right = gradcli.check_function(TriangularSolve, inputs)
    assert right.verdict == "match"
    assert "forward mode of the reference is not its derivative" in " ".join(str(right).split())
    assert gradcli.check_function(WholeTriangularSolve, inputs).verdict == "mismatch"


class KeptOnTheClass(torch.autograd.Function):
    kept: ClassVar[list[Tensor]]

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004 (PyTorch's signature)
        KeptOnTheClass.kept = [x]
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:  # noqa: ARG004 (PyTorch's signature)
        return 2 * g * KeptOnTheClass.kept[-1]


class KeptInAStack(KeptOnTheClass):
    kept: ClassVar[list[Tensor]] = []

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004 (PyTorch's signature)
        KeptInAStack.kept.append(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if not hasattr(ctx, "own"):
            ctx.own = KeptInAStack.kept.pop()
        return 2 * g * ctx.own


@pytest.mark.parametrize("function", [KeptOnTheClass, KeptInAStack])
def test_what_is_kept_elsewhere_than_on_ctx_is_found_by_a_second_forward(function: type) -> None:
    x, z = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (1.0, 5.0))
    first, second = function.apply(x), function.apply(z)
    first.backward()
    second.backward()
    assert x.grad != 2 * x
    report = gradcli.check_function(function, shapes={"x": (3,)})
    found = check(report, "saved tensors")
    assert found.verdict.value == "mismatch"
    assert "once forward has run again before backward" in found.notes[0].words


@pytest.mark.parametrize(("labels", "is_hinted"), [([0.0, 1.0, 1.0], True), ([0.5, 1.0, 1.0], False)])
def test_an_input_of_whole_numbers_without_a_gradient_may_be_a_constant(labels: list[float], is_hinted: bool) -> None:
    loss = function(lambda x, t: ((x - t) ** 2).sum(), lambda x, t, g: (2 * (x - t) * g, None), "x t")
    report = gradcli.check_function(loss, {"t": torch.tensor(labels, dtype=torch.float64)}, shapes={"x": (3,)})
    assert "backward returns None for 't'" in str(report["t"].note)
    assert ("`--constant t`" in str(report["t"].note)) is is_hinted
