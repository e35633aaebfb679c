"""Code in lines of at most 100 columns."""

from __future__ import annotations

import ast

import pytest

from gradcli.derivation.notation.wrapped import WIDTH, wrapped

LONG = "first_operand * second_operand + third_operand"
CODES = [
    f"y = {LONG} - {LONG} - {LONG}",
    f"return {LONG} - f({LONG}, {LONG}) - {LONG}",
    f"return torch.where(x < 0.01, {LONG}, {LONG})[:, None].sum(dim=1, keepdim=True)",
    f"x = (u * t).add_(torch.addcmul({LONG}, {LONG}, value=-1))",
    f"a, b = g({LONG}, {LONG}, {LONG}), 1",
    f"assert gradcheck(Function.apply, ({LONG}, {LONG}), check_forward_ad=True)",
    f"places = {[*range(60)]}",
    f"x = torch.tensor({[[0.125, -1.5, 2.0]] * 8}, dtype=torch.float64)",
    f"f({LONG} or {LONG} and {LONG})",
    f"def forward({', '.join(f'argument_{number}' for number in range(12))}):\n    pass",
    f'if {LONG} != 1 or {LONG} != 2:\n    raise ValueError("what is in brackets, (n,), stays")',
]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("depth", [0, 3])
def test_long_lines_are_broken_and_mean_the_same(code: str, depth: int) -> None:
    head = "".join(f"{'    ' * level}if x:\n" for level in range(depth))
    whole = head + "\n".join("    " * depth + line for line in code.split("\n"))
    found = wrapped(whole)
    assert max(map(len, found.split("\n"))) <= WIDTH
    assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(whole))


def test_a_sum_is_broken_before_its_operators() -> None:
    found = wrapped(f"y = {LONG} - {LONG} - {LONG}")
    product = "first_operand * second_operand"
    parts = [product, "+ third_operand", *[f"- {product}", "+ third_operand"] * 2]
    assert found == "\n".join(["y = (", *(f"    {part}" for part in parts), ")"])


def test_a_call_has_an_argument_a_line_and_a_comma_after_the_last() -> None:
    found = wrapped(f"y = f({LONG}, {LONG}, {LONG})")
    assert found == f"y = f(\n    {LONG},\n    {LONG},\n    {LONG},\n)"


def test_many_numbers_fill_their_lines() -> None:
    first, *middle, last = wrapped(f"x = {[*range(100)]}").split("\n")
    assert (first, last, len(middle)) == ("x = [", "]", 5)


def test_a_power_of_what_is_simple_has_no_spaces() -> None:
    assert wrapped("y = x ** 2 + f(x) ** 2 - (a + b) ** -1.5 + a[0] ** n") == (
        "y = x**2 + f(x) ** 2 - (a + b) ** -1.5 + a[0] ** n"
    )
    assert wrapped('"""x ** 2"""') == '"""x ** 2"""'


def test_words_are_broken_between_words() -> None:
    found = wrapped(f'    """{"word " * 40}\n\n    Saved: x.\n    """')
    assert max(map(len, found.split("\n"))) <= WIDTH
    assert found.split() == f'"""{"word " * 40} Saved: x. """'.split()
