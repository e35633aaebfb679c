"""Contractions with a mask of order, against torch.einsum with the mask written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest
from gradcli.derivation.tensor_program import COTANGENT, TensorProgram
from gradcli.execution.forward.memory import in_force
from gradcli.execution.reference import dependence
from gradcli.limits import Limits
from gradcli.symbolic.derive.derive import derive

SIZES = {"i": 3, "j": 4, "k": 5, "l": 2}
# A definition, the labels of its operands, those of the result, and how many running sums it takes.
CASES = [
    ("(k <= i)*a[k]*b[i]", ("k", "i"), "i", 1),
    ("(i < k)*a[k]*b[i]", ("k", "i"), "i", 1),
    ("(k >= j)*a[i, k]*b[i, k]*c[j]", ("ik", "ik", "j"), "ij", 1),
    ("(k > i)*a[j, k]*b[j, l]*c[i]", ("jk", "jl", "i"), "il", 1),
    ("(k <= i)*a[k, j]*b[j, i]", ("kj", "ji"), "i", 1),
    ("(k <= i)*(k < j)*a[k]*b[i]*c[j]", ("k", "i", "j"), "ij", 1),
    ("(k <= i)*a[k]*b[i]", ("k", "i"), "", 1),
    ("(k < i)*b[i, j]*a[k]", ("k", "ij"), "ij", 1),
    # A factor that reads both positions has a row for each.
    ("(k <= i)*a[k, i]*b[k]", ("ki", "k"), "i", 0),
]


def evaluate(program: TensorProgram, operands: dict[str, Tensor]) -> Tensor:
    return dependence.evaluate(program, operands, {})[0]


def mask(text: str) -> tuple[str, Tensor]:
    one, order, other = text.split()
    places = torch.arange(SIZES[one])[:, None], torch.arange(SIZES[other])
    compare = {"<": torch.lt, "<=": torch.le, ">": torch.gt, ">=": torch.ge}[order]
    return one + other, compare(*places).double()


def masked(formula: str, values: dict[str, Tensor], labels: dict[str, str], out: str) -> Tensor:
    masks = [mask(part.strip("()")) for part in formula.split("*") if part.startswith("(")]
    letters = [*(own for own, _ in masks), *labels.values()]
    return torch.einsum(",".join(letters) + "->" + out, *(one for _, one in masks), *values.values())


@pytest.mark.parametrize(("formula", "labels", "out", "sums"), CASES)
def test_a_sum_with_a_mask_of_order_is_a_running_sum(
    formula: str, labels: tuple[str, ...], out: str, sums: int
) -> None:
    named = dict(zip("abc", labels, strict=False))
    axes = tuple((name, "") for name in named)
    torch.manual_seed(0)
    values = {name: torch.randn([SIZES[one] for one in own], dtype=torch.float64) for name, own in named.items()}
    derived = derive(DerivativeRequest(formula, axes, (), out, tuple(named)))
    assert derived.value is not None
    assert count(derived.value) == sums
    torch.testing.assert_close(evaluate(derived.value, values), masked(formula, values, named, out))
    upstream = torch.randn([SIZES[one] for one in out], dtype=torch.float64)
    for name, value in values.items():
        value.requires_grad_()
        (expected,) = torch.autograd.grad(masked(formula, values, named, out), value, upstream)
        value.requires_grad_(False)
        found = evaluate(derived.adjoints[name], values | {COTANGENT: upstream})
        torch.testing.assert_close(found, expected)


def count(program: TensorProgram) -> int:
    return sum(step.function == "cumsum" for step in program.steps)


@pytest.mark.parametrize("relation", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("places", [{3: math.nan}, {1: math.inf}, {1: math.inf, 3: -math.inf}])
def test_a_term_that_is_no_number_reaches_only_the_sums_that_it_is_in(relation: str, places: dict[int, float]) -> None:
    value = torch.ones(5, dtype=torch.float64)
    for place, number in places.items():
        value[place] = number
    derived = derive(DerivativeRequest(f"(k {relation} i)*a[k]*b[i]", (("a", ""), ("b", "")), (), "i", ("a",)))
    assert derived.value is not None
    _, rows = mask(f"k {relation} k")
    expected = torch.stack([value[column == 1].sum() for column in rows.unbind(1)])
    found = evaluate(derived.value, {"a": value, "b": torch.ones(5, dtype=torch.float64)})
    torch.testing.assert_close(found, expected, equal_nan=True)
    # A sum of no terms depends on nothing, whatever it is multiplied with.
    huge = torch.where(rows.any(0), 1.0, math.inf).double()
    found = evaluate(derived.value, {"a": value, "b": huge})
    torch.testing.assert_close(found, expected, equal_nan=True)


@pytest.mark.parametrize("relation", ["<=", "<", ">=", ">"])
def test_a_running_sum_takes_no_more_memory_than_what_it_adds_up(relation: str) -> None:
    derived = derive(DerivativeRequest(f"(k {relation} i)*a[k]*b[i]", (("a", ""), ("b", "")), (), "i", ("a",)))
    long = torch.arange(10_000, dtype=torch.float64)
    with in_force(Limits(elements=20_000)):
        found = evaluate(derived.adjoints["a"], {"a": long, "b": torch.ones_like(long), COTANGENT: long})
    before = long.cumsum(0)
    sums = {">=": before, ">": before - long, "<=": before[-1] - before + long, "<": before[-1] - before}
    assert torch.equal(found, sums[relation])
