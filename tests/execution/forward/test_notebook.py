"""The words of a notebook while a program runs: draws, casts, numbers, changes in place, `no_grad`."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import gradcli
from gradcli.engine import evaluate_program
from gradcli.errors import ExecutionError, GradcliError, InputError, LimitError
from gradcli.limits import Limits
from gradcli.report.report import Report
from gradcli.settings import Settings


def report(program: str, **settings: Any) -> Report:
    return evaluate_program(program, Settings(formulas=False, **settings))


def value(program: str, leaf: str = "x", **settings: Any) -> torch.Tensor:
    found: torch.Tensor = report(program, **settings)[leaf].value
    return found


DRAWS = [
    "torch.randn(2, 3)",
    "torch.randn((40,))",
    "torch.randn(size=(3,), dtype=torch.float64)",
    "torch.rand(17)",
    "torch.normal(0, 0.1, (3, 2))",
    "torch.normal(1.0, 2.0, size=(20,))",
    "torch.randint(0, 9, (4,)).float()",
    "torch.randint(9, (4,)).float()",
    "torch.randperm(5).float()",
    "torch.rand_like(torch.zeros(3))",
    "torch.randn_like(torch.zeros(2, 2))",
    "torch.empty(3).uniform_(-1, 1)",
    "torch.zeros(20).normal_(1.0, 3.0)",
    "torch.empty(3, dtype=torch.long).random_(5).float()",
]


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_draws_are_those_of_pytorch_after_the_seed(draw: str, dtype: Any) -> None:
    torch.manual_seed(7)
    torch.rand(2)
    expected = eval(draw)  # noqa: S307 (a literal above)
    found = value(f"torch.manual_seed(7); a = torch.rand(2); x = {draw}.requires_grad_(); (x*x).sum()", dtype=dtype)
    assert torch.equal(found, expected.to(found.dtype))
    assert str(found.dtype) == f"torch.{dtype}"


ATTENTION = (
    "F.multi_head_attention_forward(x/9, x/9, x/9, 10, 2, torch.ones(30, 10)/9, None, None, None, False, 0.4,"
    " torch.ones(10, 10)/9, None)[0]"
)
RANDOM_OPS = [
    "F.dropout(x, 0.3)",
    "F.dropout1d(x, 0.5)",
    "F.dropout2d(x.unsqueeze(-1), p=0.5)",
    "F.dropout3d(x.unsqueeze(-1).unsqueeze(-1))",
    "F.alpha_dropout(x, 0.5, True)",
    "F.alpha_dropout(x)",
    "F.feature_alpha_dropout(x, 0.5, training=True)",
    "F.rrelu(x - 5.5, 0.1, 0.4, True)",  # at 0 a step decides how many entries draw
    "F.rrelu(x - 6)",
    "F.fractional_max_pool2d(x.reshape(2, 2, 5, 6), 2, 3)",
    "F.fractional_max_pool2d(x.reshape(6, 4, 5), (2, 3), output_ratio=(0.5, 0.5), return_indices=True)[0]",
    "F.fractional_max_pool3d(x.reshape(1, 1, 4, 5, 6), 2, output_size=(2, 3, 4))",
    "F.scaled_dot_product_attention(x/9, x/9, x/9, dropout_p=0.3, is_causal=True)",
    ATTENTION,
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("call", RANDOM_OPS)
def test_what_ops_draw_is_what_pytorch_draws_after_the_seed(call: str) -> None:
    from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

    x = torch.arange(120.0).reshape(2, 6, 10).remainder(11).requires_grad_()
    torch.manual_seed(7)
    torch.rand(2)
    output = eval(call, {"F": F, "torch": torch, "x": x})  # noqa: S307 (a literal above)
    output.square().sum().backward()
    program = f"torch.manual_seed(7); a = torch.rand(2); y = {call}; (y*y).sum()"
    found = gradcli.check(program, {"x": x.detach()}, witnesses="symbolic")
    assert found.verdict == "match"
    assert x.grad is not None
    assert torch.allclose(found["x"].gradient.float(), x.grad, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "formula"),
    [
        ("F.dropout(x, 0.5)", "mask"),
        ("F.alpha_dropout(x, 0.5, True)", "mask"),
        ("F.rrelu(x, training=True)", "where(x > 0, 1, slopes)"),
    ],
)
def test_what_is_drawn_has_a_name_and_the_op_keeps_its_own(call: str, formula: str) -> None:
    found = gradcli.evaluate(f"{call}.sum()", {"x": torch.tensor([-2.0, 3.0])})
    assert [tensor.name for tensor in found.tensors] == ["x", call, f"{call}.sum()"]
    assert found["x"].symbolic is not None
    assert found["x"].symbolic.formula == formula


@pytest.mark.parametrize(
    ("call", "said"), [("F.dropout2d(x, 2.0)", "dropout probability"), ("F.rrelu(x, 3, 1, True)", "Lower bound")]
)
def test_what_pytorch_refuses_to_draw_points_at_the_call(call: str, said: str) -> None:
    with pytest.raises(ExecutionError) as raised:
        report(f"y = {call}; y.sum()", shapes={"x": (2, 2, 2)})
    assert raised.value.span is not None
    assert said in raised.value.message


def test_without_a_seed_of_its_own_the_option_counts() -> None:
    expected = torch.randn(3, generator=torch.Generator().manual_seed(5))
    assert torch.equal(value("x = torch.randn(3, requires_grad=True); x.sum()", seed=5).float(), expected)


def test_the_default_type_is_drawn_in() -> None:
    expected = torch.randn(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    program = "torch.set_default_dtype(torch.float64); x = torch.randn(20, requires_grad=True); x.sum()"
    assert torch.equal(value(program), expected)


def test_draws_leave_pytorch_as_it_was() -> None:
    before = torch.get_rng_state()
    value("torch.manual_seed(3); x = torch.randn(3, requires_grad=True); x.sum()")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_random_constant_is_the_same_for_every_witness() -> None:
    found = report("t = torch.randn(3); ((x - t)**2).sum()", command="check", shapes={"x": (3,)})
    assert found.verdict == "match"
    assert all(w.verdict == "match" for w in (found["x"].witnesses or {}).values())


def test_no_more_is_drawn_than_a_tensor_may_have() -> None:
    for size in ("100, 100", "(100, 100)", "size=(100, 100)"):
        with pytest.raises(LimitError, match="elements"):
            report(f"x*torch.randn({size}).sum()", limits=Limits(elements=100))


def test_a_value_of_the_user_replaces_that_of_the_program() -> None:
    found = report("x = torch.ones(2, requires_grad=True); (x*x).sum()", values={"x": [3.0, 4.0]})
    assert found["x"].gradient.tolist() == [6.0, 8.0]


def test_a_shape_of_a_leaf_that_the_program_makes_is_refused() -> None:
    with pytest.raises(InputError, match="the program itself makes 'x'"):
        report("x = torch.ones(2, requires_grad=True); x.sum()", shapes={"x": (3,)})


def test_a_leaf_that_the_program_makes_may_be_a_constant() -> None:
    found = report("x = torch.ones(2, requires_grad=True); (x*w).sum()", constants=("x",))
    assert not found["x"].requires_grad
    assert found["w"].gradient == 2


def test_leaves_come_in_the_order_of_the_text() -> None:
    found = report("y = a*2; x = torch.tensor(2., requires_grad=True); x*y*b")
    assert [tensor.name for tensor in found.tensors if tensor.kind == "leaf"] == ["a", "x", "b"]


def test_what_was_made_of_a_constant_stays_one() -> None:
    found = report("x = torch.full((2,), 3.); y = x*2; x.requires_grad_(); (x*y).sum()", command="check")
    assert found["x"].gradient.tolist() == [6.0, 6.0]
    assert found.verdict == "match"


def test_leaves_of_one_name_are_told_apart() -> None:
    found = report("x = torch.tensor(2., requires_grad=True); y = x*x; x = torch.tensor(3., requires_grad=True); x*y")
    assert [found["x"].gradient.item(), found["x (2)"].gradient.item()] == [12.0, 4.0]


def test_integers_cannot_be_leaves() -> None:
    with pytest.raises(ExecutionError, match="only Tensors of floating point"):
        report("x = torch.tensor([1, 2], requires_grad=True); x.sum()")


@pytest.mark.parametrize("command", ["eval", "check"])
def test_what_no_grad_computes_is_a_constant(command: Any) -> None:
    found = report(
        "with torch.no_grad():\n  t = x*2\n  with torch.enable_grad():\n    u = x*3\nx*t + u", command=command
    )
    assert found["x"].gradient == 2 * found["x"].value + 3
    assert found.verdict == "match"


def test_the_upstream_gradient_is_that_of_the_program_unless_an_option_gives_one() -> None:
    program = "y = x*x; y.backward(torch.tensor([1., 10.]))"
    assert report(program, values={"x": [1.0, 2.0]})["x"].gradient.tolist() == [2.0, 40.0]
    assert report(program, values={"x": [1.0, 2.0]}, grad_output=1.0)["x"].gradient.tolist() == [2.0, 4.0]


def test_autograd_grad_says_by_what() -> None:
    found = report("y = x*w; torch.autograd.grad(y, [w])")
    assert [tensor.name for tensor in found.tensors] == ["w"]
    assert found["w"].grad is None


def test_only_the_first_backward_is_run() -> None:
    found = report("for i in range(3):\n  y = x*x\n  y.backward()\n  x = x - x.grad\nx.undefined()")
    assert found["x"].gradient == 2 * found["x"].value
    assert found.output.name == "y"


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "**", "@"])
def test_a_change_in_place_is_that_of_pytorch(operator: str) -> None:
    a, b = ([[1.5, 2.0], [0.5, 3.0]] for _ in range(2))
    x, w = (torch.tensor(entries, requires_grad=True, dtype=torch.float64) for entries in (a, b))
    y = x * 2
    space = {"y": y, "w": w}
    exec(f"y {operator}= w", space)  # noqa: S102 (a literal above)
    space["y"].sum().backward()
    found = report(f"y = x*2; y {operator}= w; y.sum()", values={"x": a, "w": b})
    assert found.verdict == "match"
    assert x.grad is not None and torch.allclose(found["x"].gradient, x.grad)  # noqa: PT018
    assert w.grad is not None and torch.allclose(found["w"].gradient, w.grad)  # noqa: PT018


@pytest.mark.parametrize(
    "change",
    [
        "y[1:] *= w[1:]",
        "y[0] **= 3",
        "y[:1] /= w[:1]",
        "y[torch.tensor([0, 1])] *= w",
        "y[0, 0] /= y.sum()",
        "y[1:] @= w",
        "y[0] **= w[0]",
        "y[0] *= y[1]",
        "y[1:] @= w*x",
        "y[0] = y[0]*w[0]",
    ],
)
def test_a_change_in_place_of_a_part_is_that_of_pytorch_or_its_refusal(change: str) -> None:
    a, b = ([[1.5, 2.25], [0.5, 3.0]], [[0.75, 1.5], [2.0, 0.25]])
    x = torch.tensor(a, requires_grad=True, dtype=torch.float64)
    space = {"y": x * 2, "w": torch.tensor(b, requires_grad=True, dtype=torch.float64), "x": x, "torch": torch}
    exec(change, space)  # noqa: S102 (a literal above)
    program, settings = f"y = x*2\n{change}\ny.sum() + 0*w.sum()", {"values": {"x": a, "w": b}}
    try:
        space["y"].sum().backward()
    except RuntimeError:
        with pytest.raises(ExecutionError, match="modified by an inplace operation"):
            report(program, **settings)
        return
    found = report(program, **settings)
    assert found.verdict == "match"
    assert x.grad is not None and torch.allclose(found["x"].gradient, x.grad)  # noqa: PT018


def test_a_copy_that_a_change_in_place_takes_is_not_shown() -> None:
    found = report("y = x*2\ny[0] *= 3\ny.sum()", values={"x": [1.0, 2.0]})
    assert [one.name for one in found.tensors] == ["x", "y", "y[0]", "y[0] *= 3", "y (2)", "y.sum()"]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("x += 1; x", "a leaf Variable that requires grad is being used in an in-place operation"),
        ("with torch.no_grad():\n  x *= 2\nx*x", "a leaf Variable"),
        ("y = x*2; z = y; y += 1; z*y", "'z' is the same memory as 'y'"),
        ("y = x*2; z = y.view(1); y += 1; z*y", "'z' is the same memory as 'y'"),
        ("y = x*2; y += torch.ones(3); y.sum()", "doesn't match the broadcast shape"),
        ("i = torch.tensor([1]); i += 0.5; (i*x).sum()", "can't be cast"),
        ("y = x.exp(); y += 1; y.sum()", "modified by an inplace operation"),
        ("y = x.item(); y*x", "requires grad"),
        ("float(x)*x", "requires grad"),
        ("x.half()*x", "rounds what the gradient is taken of"),
        ("math.sqrt(x)", "plain numbers only"),
        ("torch.manual_seed(0.5); x", "one integer"),
        ("x.to('nowhere')", "neither a type nor a device"),
        ("len(x)*x", "0-d"),
    ],
)
def test_what_pytorch_refuses_is_refused_in_its_words(program: str, message: str) -> None:
    with pytest.raises(GradcliError) as caught:
        report(program)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("program", "gradient"),
    [
        ("n = 7 // 2; m = -7 % 4; x*n*m", 3.0),
        ("x*abs(-3) + x*max(1, 2) + x*min([5, 4]) + x*sum((1, 2)) + x*round(2.6)", 15.0),
        ("x*int(7/2) + x*float(2) + x*len([1, 2]) + x*pow(2, 3)", 15.0),
        ("x*math.sqrt(4)*math.e", 2 * math.e),
        ("t = torch.tensor([4.]); x*t.item()*int(t)", 16.0),
        ("items = []; items.append(x*2); items.append(x*3); torch.stack(items).sum()", 5.0),
        ("mask = torch.tensor([True, False]); (x*(~mask).float() + x*(mask | mask).double()).sum()", 2.0),
        ("x*x.data", 2.0),
        (
            "device = 'cuda' if torch.cuda.is_available() else 'cpu'; x.to(device).cpu()*torch.ones(1, device=device)",
            1.0,
        ),
        ("k = torch.tensor([2.7, -2.7]).long(); (x*k).sum() + x*3", 3.0),
        ("x*torch.tensor([0.1]).half().float()", float(torch.tensor(0.1).half())),
        ("x.float().double().type(torch.FloatTensor)*2", 2.0),
        ("z = torch.arange(4, dtype=torch.float32).reshape(2, 2); x*z.to(torch.int64).sum()", 6.0),
        ("x*torch.LongTensor([3]) + x*torch.zeros(1, dtype=torch.bool)", 3.0),
    ],
)
def test_numbers_and_casts(program: str, gradient: float) -> None:
    found = report(program, values={"x": 2.0})
    assert found["x"].gradient.item() == pytest.approx(gradient, rel=1e-12)
    assert found.verdict == "match"


INTEGERS = [
    ("F.cross_entropy(x, t)", [0, 1]),
    ("F.nll_loss(x, t)", [0, 1]),
    ("F.multi_margin_loss(x, t)", [0, 1]),
    ("x.gather(1, t.view(-1, 1)).sum()", [0, 1]),
    ("x[t].sum()", [1, 1]),
    ("x.index_select(0, t).sum()", [1, 1]),
    ("F.embedding(t, x).sum()", [1, 0]),
    ("(x*F.one_hot(t, 2)).sum()", [1, 0]),
    ("x.take(t).sum()", [3, 0]),
    ("x.repeat_interleave(t, 0).sum()", [3, 1]),
]


@pytest.mark.parametrize(("program", "integers"), INTEGERS)
def test_labels_and_indices_are_integers(program: str, integers: list[int]) -> None:
    entries = [[1.0, 2.0], [3.0, 4.5]]
    x, t = torch.tensor(entries, dtype=torch.float64, requires_grad=True), torch.tensor(integers)
    eval(program, {"x": x, "t": t, "F": torch.nn.functional}).backward()  # noqa: S307 (a literal above)
    found = report(program, values={"x": entries, "t": integers})
    assert x.grad is not None
    assert torch.allclose(found["x"].gradient, x.grad)
    assert (found["t"].value.dtype, found["t"].requires_grad) == (torch.int64, False)
    assert "only as integers" in (found["t"].note or "")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.uint32, torch.uint64])
def test_unsigned_integers_are_numbers(dtype: torch.dtype) -> None:
    """PyTorch adds and multiplies what it takes no maximum of."""
    found = gradcli.evaluate("(x*n).sum()", {"x": [1.0, 2.0], "n": torch.tensor([3, 200], dtype=dtype)})
    assert (found["x"].gradient.tolist(), found.verdict) == ([3.0, 200.0], "match")


def test_probabilities_stay_floats() -> None:
    found = report("F.cross_entropy(x, t)", values={"x": [[1.0, 2.0]], "t": [[0, 1]]})
    assert found["t"].requires_grad


def test_floats_in_the_place_of_labels_are_refused_with_a_hint() -> None:
    with pytest.raises(ExecutionError) as caught:
        report("F.cross_entropy(x, t)", values={"x": [[1.0, 2.0]], "t": [0.5]})
    assert "`--value t=[0,1]`" in (caught.value.hint or "")
