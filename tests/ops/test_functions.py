"""sympy's function and PyTorch's of one row are the same function."""

from __future__ import annotations

import pytest
import sympy
import torch

from gradcli.execution.forward.callables import function
from gradcli.ops.functions import FUNCTIONS, Function
from gradcli.ops.table import find
from gradcli.symbolic.derive.translate import FUNCTIONS as OF_FORMULAS

# Where the functions are evaluated, unless they are not defined there.
POINTS: dict[str, tuple[tuple[float, ...], ...]] = {
    "acosh": ((1.4,), (3.0,)),
    "polygamma": ((2, 0.4), (3, 2.5), (0, 0.4)),
    "besselj": ((0, 0.4), (3, 0.4), (2, 7.5), (-3, 0.7)),
    "besseli": ((1, 0.4), (4, 0.4), (2, 7.5), (-3, 0.7)),
    "atan2": ((0.4, -0.7), (-0.4, 0.7)),
    "delta": ((2, 2), (2, 3)),
    "where": ((1, 0, 1), (0, 0, 1), (1, 1, 0)),
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), ((0.4, 0.7), (0.7, 0.4), (0.5, 0.5))),
    **dict.fromkeys(("logical_and", "logical_or"), ((1, 1), (1, 0), (0, 1), (0, 0))),
}
TRUTH = frozenset({"where", "logical_and", "logical_or", "logical_not"})
BOTH = [row for row in FUNCTIONS if row.sympy and row.torch]


def identified(row: Function) -> str:
    return row.name


@pytest.mark.parametrize("row", BOTH, ids=identified)
def test_both_sides_have_one_value(row: Function) -> None:
    for point in POINTS.get(row.name, ((0.4,), (0.9,))):
        numbers = [sympy.Integer(x) if isinstance(x, int) else sympy.Float(x, 30) for x in point]
        arguments = [sympy.true if x else sympy.false for x in point] if row.name in TRUTH else numbers
        # Of sympy's functions, only erfcinv has no numbers of its own.
        wanted = getattr(sympy, row.sympy)(*arguments).rewrite(sympy.erfinv)
        number = float(wanted.evalf(30)) if isinstance(wanted, sympy.Expr) else float(bool(wanted))
        tensors = [torch.tensor(bool(x) if row.name in TRUTH else x) for x in point]
        value = float(function(row.torch)(*[t.double() if t.is_floating_point() else t for t in tensors]))
        assert value == pytest.approx(number, rel=1e-6), point


@pytest.mark.parametrize("row", [row for row in FUNCTIONS if row.order is not None], ids=identified)
def test_a_function_of_one_order_is_the_op_s(row: Function) -> None:
    name = row.name if row.name.startswith("special.") else f"special.{row.name}"
    wanted = function(f"torch.{name}")(torch.tensor(0.7, dtype=torch.float64))
    assert float(OF_FORMULAS[row.name](sympy.Float(0.7, 30)).evalf(20)) == pytest.approx(float(wanted), rel=1e-12)


@pytest.mark.parametrize("row", [row for row in FUNCTIONS if row.overwrites], ids=identified)
def test_what_may_overwrite_its_operand_can(row: Function) -> None:
    values = [torch.tensor([0.4, 0.9]), torch.tensor([0.2, 0.3])]
    try:
        wanted = function(row.torch)(*values)
    except TypeError:
        wanted = function(row.torch)(*values[:1])
        values = values[:1]
    result = function(row.torch)(*values, out=values[0])
    assert result.data_ptr() == values[0].data_ptr()
    assert torch.equal(result, wanted)


def test_a_name_is_entered_once() -> None:
    assert len({row.name for row in FUNCTIONS}) == len(FUNCTIONS)


def test_a_primitive_that_is_an_op_is_defined_as_itself() -> None:
    names = [row.name for row in FUNCTIONS if row.primitive]
    ops = [op for name in names if (op := find(name)) is not None and op.name == name]
    # What is complex in itself is the identity on real numbers; whole steps are constants.
    assert [op.name for op in ops if not op.definition.startswith(f"{op.name}(")] == [
        "real",
        "conj",
        "floor",
        "ceil",
    ]
