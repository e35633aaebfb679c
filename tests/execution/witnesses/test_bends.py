"""Where only the symbolic derivative is NaN, by 0 times infinity, difference quotients of the program decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from mpmath import diff, mp, mpf

import gradcli
from gradcli.execution.witnesses import line


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_gradient_beside_a_symbolic_nan_is_right_where_quotients_say_so(command: Any) -> None:
    """Of 0**0, 3**3 and 6**40 the median is the second, and depends on nothing else."""
    found = command("median(F.relu6(x)**(x*(x > 0)))", {"x": [0.0, 3.0, 40.0]})["x"]
    assert found.verdict == "match"
    assert float(found.gradient[1]) == pytest.approx(float(diff(lambda x: x**x, mpf(3))), rel=1e-12)
    assert "the symbolic derivative is NaN here" in str(found.note)


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize("program", ["sqrt(relu(x))", "relu(x)**x", "relu(x)**0.5", "norm(cat([x*0 + 1, x]), 0.5)"])
def test_a_slope_that_is_infinite_to_one_side_is_no_derivative(command: Any, program: str) -> None:
    found = command(program, {"x": [0.0]})["x"]
    assert found.verdict == "undefined"
    assert "between the one-sided derivatives" not in str(found.note)


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize("points", [[-1e-10, 0.0], [-1.0, 0.0]])
def test_beside_equal_numbers_the_slope_of_x_to_the_x_is_infinite_to_one_side(
    command: Any, points: list[float]
) -> None:
    """d/dx x^x = x^x (log x + 1) has no bound at 0, and both powers are 1 there, whose difference has no rounding."""
    found = command("std(x**relu(x))", {"x": points})["x"]
    assert found.verdict == "undefined"
    assert "infinite to one side" in str(found.note)


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_between_neighbouring_numbers_a_function_may_rise_without_a_jump(command: Any) -> None:
    """The loss of p, (p - x)²/2 near x, is 6 or more at the next numbers to x = 1e17, which are 16 apart."""
    report = command("p = x*(x > 0); F.relu6(F.huber_loss(p, x, reduction='none'))", {"x": 1e17})
    assert report["p"].verdict.passes
    assert report.verdict.passes


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize("program", ["where(x > 1e17, x, 2*x)", "x*(x >= 1e17)"])
def test_what_is_decided_between_them_jumps(command: Any, program: str) -> None:
    found = command(program, {"x": 1e17})["x"]
    assert found.verdict == "undefined"
    assert "jumps here" in str(found.note)


JUMPS = [
    # the jumps cancel: x = floor(x) + frac(x) for x >= 0
    ("x - floor(x) - frac(x)", 1.0, "match", "the program's does not"),
    ("x*x - floor(x) - frac(x) + x", 2.0, "match", "the program's does not"),
    ("x - floor(x) - frac(x) + 1e-3*floor(x)", 1.0, "undefined", "jumps here"),
    # a jump of 1e-34 beside 1
    ("x + 1e-34*floor(x)", 1.0, "undecided", "rounding hides it"),
    ("x + 1e-34*floor(x)", 1.5, "match", "None"),
    ("x + 1e-3*floor(x)", 1.0, "undefined", "jumps here"),
    # one of 6e-34 beside 1, and one of 1e-347 beside 0: in double precision the derivatives of tanh and exp are 0
    ("tanh(floor(x))", 40.0, "undecided", "rounding hides it"),
    ("sigmoid(ceil(x)) + x", 40.0, "undecided", "rounding hides it"),
    ("exp(-floor(x))", 800.0, "undecided", "rounding hides it"),
    ("tanh(100*floor(x))", 1.0, "undefined", "jumps here"),  # from 0 to 1
    # one of 1 that is lost beside a larger number
    ("floor(x) - 1e17", 0.0, "undefined", "jumps here"),
    ("cos(atan2(x, -ones(())))", 0.0, "match", "the program's does not"),
    ("sin(atan2(x, -ones(()))/2)", 0.0, "undefined", "jumps here"),
    # the output does not depend on what jumps
    ("relu(floor(x) - 50)", 40.0, "match", "None"),
    ("F.hardtanh(floor(x))", 40.0, "match", "None"),
    ("relu(floor(x))", 0.0, "match", "the program has none"),
    # `positive` returns its operand: there is no other result of it
    ("positive(x) + floor(x)", 1.0, "undefined", "jumps here"),
    ("positive(floor(x)) - x - floor(x)", 1.0, "match", "the program's does not"),
    # 0**0 is 1, and so is the limit of x**(x**1.5), whose slope at 0 is 0: quotients see it grow as x**0.5*log(x) does
    ("maximum(relu(x)**(relu(x)**1.5), x)", 0.0, "undecided", "the program's does not"),
    ("exp(3*maximum(relu(x)**(relu(x)**1.5), x))", 0.0, "undecided", "the program's does not"),
    # numbers are further apart than stairs are long: one op's jump is the program's, of two nothing is known
    ("3*x + frac(x)", 1e17, "undefined", "jumps here"),
    ("x - remainder(x, 1)", 1e160, "undefined", "jumps here"),
    ("floor(x) + frac(x)", 1e17, "undecided", "numbers are so large here"),
    ("2*maximum(x, floor(x))", 1e160, "undecided", "numbers are so large here"),
    # a step that is short enough for stairs moves nothing here, and floor(u**2) does not jump at 0
    ("y = x - 1e160; floor(F.smooth_l1_loss(y, zeros(()), reduction='none'))", 1e160, "undecided", "jumps here"),
    # rounding is at a half way point, but elu(x) is x for all x > 0
    ("round(abs(x - F.elu(x)) + 0.5)", 1e160, "match", "the program's does not"),
]


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(("program", "value", "wanted", "words"), JUMPS)
def test_whether_the_jumps_of_ops_are_jumps_of_the_program(
    command: Any, program: str, value: float, wanted: str, words: str
) -> None:
    found = command(program, {"x": value})["x"]
    assert found.verdict == wanted
    assert words in str(found.note)


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(("size", "wanted"), [(1e-160, "undecided"), (1e-3, "undecided"), (1.0, "undefined")])
def test_steps_that_do_not_move_what_jumps_do_not_say_that_the_program_is_level(
    command: Any, size: float, wanted: str
) -> None:
    """Half way, softmax is rounded down to 0 and, for the least step to one side, up to 1."""
    assert command("logsumexp(round(softmax(x, 0)), 0)", {"x": [size, size]})["x"].verdict == wanted


# Kinks and jumps so near to 0 that quotients take them for ones of the point, and what is no nearer than rounding.
BESIDE = [
    ("floor(x + 1e-160)", 0.0, "match"),
    ("sign(x + 1e-20)", 0.0, "match"),
    ("floor(x)", 0.0, "undefined"),
    ("minimum(F.hardswish(cumsum(x, 0)), x).sum()", [-1e-10, -1e-10, 2.234375], "match"),
    ("maximum(sqrt(x)**2, 2*x - 2)", 2.0, "subgradient"),  # the root's square is 2 but for rounding
    ("maximum(0.1*x, 0.3*x - 0.2)", 1.0, "subgradient"),
    ("where(x/x > x, x/x, x)", 1.0, "subgradient"),
]


@pytest.mark.parametrize(("program", "value", "wanted"), BESIDE)
def test_what_quotients_see_beside_the_point_is_not_at_it(program: str, value: Any, wanted: str) -> None:
    assert gradcli.check(program, {"x": value})["x"].verdict == wanted


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_steps_too_long_for_a_kink_beside_the_point_do_not_deny_a_choice_at_it(command: Any) -> None:
    """The maximum with 0 bends at 1e-10 from the tie, and is lost beside 1e8."""
    values = {"x": [0.0, 1e-10], "y": [0.0, 1e-10], "z": [1e8, 0.0]}
    report = command("maximum(z, minimum(x, y)).sum()", values)
    assert [report[name].verdict for name in "xyz"] == ["subgradient", "subgradient", "match"]
    assert command("cumsum(softshrink(minimum(x, x), 0.5), 0).sum()", {"x": [1e17, 0.25, 0.25]}).verdict == "match"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_what_is_decided_beside_numbers_that_take_no_step_is_no_match(command: Any) -> None:
    """The slopes are 0 and 2."""
    assert command("where(x < 0, 0*x, 2*x).sum()", {"x": [0.0, 1e17]})["x"].verdict == "subgradient"


@pytest.mark.parametrize(
    ("taken", "other", "wanted"),
    [("x", "0.0", "subgradient"), ("x", "2*x", "subgradient"), ("1.0", "0.0", "undefined")],
)
def test_what_is_decided_is_no_match_where_a_large_output_hides_every_change(
    taken: str, other: str, wanted: str
) -> None:
    """Doubles near 10^14 are 1/64 apart: quotients are 0 to both sides, as autograd's gradient may be."""
    program = f"(where(x > 0, {taken}, {other}) + y).sum()"
    assert gradcli.evaluate(program, {"x": [0.0, 2.0], "y": [1e14, 1.0]})["x"].verdict == wanted


@pytest.mark.parametrize("large", [1e14, -1e30])
def test_a_slope_is_not_infinite_because_steps_are_as_long_as_a_large_entry_lets_them_be(large: float) -> None:
    """The hyperbolic tangent is 1 everywhere that a step beside a large entry goes; the slope of a root is infinite."""
    point = {"x": [large, 0.0]}
    assert gradcli.evaluate("tanh(relu(x)).sum()", point)["x"].verdict == "subgradient"
    assert gradcli.evaluate("sqrt(relu(x)).sum()", point)["x"].verdict == "undefined"


def test_a_step_that_moves_nothing_shows_no_two_sides_that_agree() -> None:
    """The threshold may be a staircase, so that steps are as short as 1, which 1e160 does not move by."""
    assert gradcli.evaluate("std(threshold(x, 0.5, 0.5))", {"x": [1e160, 1e160, 1e160]})["x"].verdict == "subgradient"


def test_a_choice_at_a_kink_may_be_right_where_the_symbolic_derivative_is_nan() -> None:
    """√(2|yz|) is √2·|t| along [1, 1], and PyTorch's gradient of a product with two zeros is 0."""
    report = gradcli.evaluate("abs(prod(x))**0.5", {"x": [0.0, 0.0, 2.0]})["x"]
    assert (report.verdict, report.gradient.tolist()) == ("subgradient", [0.0, 0.0, 0.0])
    assert gradcli.evaluate("(abs(prod(x))**3)**0.5", {"x": [0.0, 0.0, 2.0]})["x"].verdict == "match"


def test_what_rounding_makes_of_0_is_no_reference_where_the_symbolic_derivative_is_nan() -> None:
    """The standard deviation of equal numbers is 0, and PyTorch's of three 1.77 is not: 0/0 has no derivative."""
    program = "(x*ones(3) - mean(x*ones(3))).abs().sum()/std(x*ones(3))"
    assert gradcli.evaluate(program, {"x": 1.77})["x"].verdict == "undefined"


def test_where_no_step_can_be_taken_a_wrong_gradient_is_no_choice_at_a_kink() -> None:
    """The derivative of x + (x + log(2)) at a tie is [1.5, 0.5], and PyTorch's [1, 1]."""
    assert gradcli.check("logcumsumexp(x, 0).sum()", {"x": [1e300, 1e300]})["x"].verdict == "mismatch"


def test_a_jump_before_a_tensor_says_nothing_of_its_gradient() -> None:
    """By ceil(x) the program is smooth, with slopes of 1e8 and 0.3 beside each other."""
    report = gradcli.check("(ceil(x)*F.softplus(ceil(x))).sum()", {"x": [75000001.0, -1.0, -2.0]})
    assert {tensor.verdict for tensor in report.tensors if tensor.name.startswith("ceil(x)")} == {"match"}


def test_a_program_that_draws_is_evaluated_at_many_points_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under vmap, a random number is an error unless it is said that all points have the same."""
    alone: list[int] = []
    one = line._one
    monkeypatch.setattr(line, "_one", lambda change, vector: alone.append(1) or one(change, vector))
    text = "a = torch.randn(4, 30); w = torch.zeros(30, requires_grad=True); (relu(a*w) + a*w).sum()"
    found = gradcli.evaluate(text)["w"]
    assert found.verdict == "subgradient"
    assert 0 < len(alone) < 100  # 4,492 where each point is evaluated by itself


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize("entries", [[6.0, 0.0, 2.5], [0.0, 6.0]])
def test_what_an_entry_decides_is_not_a_match_where_other_entries_hide_it(command: Any, entries: list[float]) -> None:
    """At x = 0 the sum jumps from 1 to 2, beside 2 * (6**6)**3 = 2e14 by another entry; without that it is seen."""
    program = "where(6**x > (6**x)**3, 6**x, 2*(6**x)**3).sum()"
    hidden = command(program, {"x": entries})["x"]
    assert hidden.verdict == "undecided"
    assert "decides by its values" in str(hidden.note)
    assert command(program, {"x": [2.0, 0.0]})["x"].verdict == "undefined"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_what_two_rounded_results_decide_is_hidden_where_they_are_equal_by_rounding(command: Any) -> None:
    """tanh(x) - sin(x) is -x³/6 next to 0, far less than the last bit of either; exp(x) is never above itself."""
    with mp.workdps(50):
        assert mp.tanh(mpf("1e-12")) < mp.sin(mpf("1e-12"))
        assert mp.tanh(mpf("-1e-12")) > mp.sin(mpf("-1e-12"))
    found = command("where(tanh(x) > sin(x), x, 2*x).sum()", {"x": [0.0]})["x"]
    assert found.verdict == "undecided"
    assert "decides by its values" in str(found.note)
    found = command("where(logcumsumexp(x, 0) > atan(x), logcumsumexp(x, 0), 2*atan(x)).sum()", {"x": [0.0, 0.0]})["x"]
    assert found.verdict in {"undecided", "subgradient"}
    assert command("where(exp(x) > exp(x), x, 2*x).sum()", {"x": [0.0]})["x"].verdict == "match"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_slope_near_the_largest_number_is_not_infinite_along_a_longer_direction(command: Any) -> None:
    """1e8 * 1e300 * x has the slope 1e308 at 0; max(x, x) is x."""
    assert sides(lambda shift: mpf(1e8) * mpf(1e300) * max(shift, shift), "1e-100") == (1e308, 1e308)
    found = command("prod(clamp(x, min=x))", {"x": [1e8, 1e300, 0.0]})["x"]
    assert found.gradient.tolist() == [0.0, 0.0, 1e308]
    assert found.verdict == "match"


def test_an_entry_that_decides_nothing_may_be_less_than_rounding() -> None:
    """Beside exp(30) no quotient sees the slope of 1 by x, which is far from what x decides."""
    assert gradcli.check("where(x > 1, x, 2*x).sum() + exp(y)", {"x": [3.0, 2.0], "y": 30.0})["x"].verdict == "match"


def ended(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x**1.5 >= 0, x**1.5, x).sum()


# By an entry that is 0 the slopes are 1 below, where x**1.5 is NaN, and 0 above, which quotients come near to slowly.
ENDED = [[0.0], [0.0, 1.0], [0.0] * 8, [0.0, 1.0, 2.0]]


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize("entries", [*ENDED, [0.0, 1000.0]])
def test_what_is_decided_by_nan_at_the_end_of_a_domain_is_a_kink(command: Any, entries: list[float]) -> None:
    """Beside 1000**1.5 the quotients tell nothing."""
    assert command("where(x**1.5 >= 0, x**1.5, x).sum()", {"x": entries})["x"].verdict == "subgradient"


def test_what_is_decided_there_without_a_slope_to_either_side_is_none() -> None:
    assert gradcli.evaluate("where(x**1.5 >= 0, x**1.5, x**3).sum()", {"x": [0.0, 1000.0]})["x"].verdict == "match"


@pytest.mark.parametrize(("entries", "wanted"), [*((entries, "subgradient") for entries in ENDED), ([1.0], "match")])
def test_what_code_decides_by_nan_is_a_kink(entries: list[float], wanted: str) -> None:
    assert gradcli.check(ended, {"x": torch.tensor(entries, dtype=torch.float64)})["x"].verdict == wanted


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_no_choice_at_such_a_kink_may_be_beyond_the_slopes(scale: float) -> None:
    """With what is decided constant autograd has 2, and the slopes are 1 below and 0 above."""
    program = "where(x**1.5 >= 0, x**1.5 + 2*x, x).sum() - 2*relu(x).sum()"
    assert gradcli.check(program, {"x": [0.0, scale]})["x"].verdict in {"mismatch", "undecided"}


def test_what_quotients_cannot_tell_of_a_decision_is_no_match() -> None:
    """Beside 1e12, where they are lost, the slopes are 2 below and 1 above, and x² decides which."""
    assert gradcli.check("where(x**3 >= 0, x, 2*x).sum() + y", {"x": 0.0, "y": 1e14})["x"].verdict != "match"


def test_a_jump_lost_beside_a_large_number_is_no_match() -> None:
    """0**y is 1 at y = 0 and 0 above, beside 2**710: below, where it would be infinite, y² is not."""
    assert gradcli.check("(x**(y**2)).sum()", {"x": [2.0, 0.0], "y": [26.0, 0.0]})["y"].verdict != "match"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_tie_whose_slopes_have_no_digits_is_no_kink(command: Any) -> None:
    """Both are x + y where that is positive, and the slopes are of 1e-318 here."""
    program = "((hardswish(y) - log1p(x))/minimum(y + x, elu(y + x))).sum()"
    assert command(program, {"y": 1.71875, "x": [1e160] * 3})["x"].verdict == "match"


DECIDED = [
    # sin(x) < x for x > 0, and both are the same number where x is as small as the shortest steps are
    ("where(x > sin(x), x, 2*sin(x))", "undecided"),
    ("where(x - tanh(x) > 0, x, 2*x)", "undecided"),
    # these decide otherwise further away, and whether they do next to the point no rounding hides
    ("where(x < maximum(x, 2*x - 0.001), 2*x, x)", "match"),
    ("where(relu(x - 0.001) > 0*x, 2*x, x)", "match"),
    ("where(x > sin(x) + 1e-9, 2*x, x)", "match"),
]


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(("program", "wanted"), DECIDED)
def test_what_rounding_makes_equal_next_to_the_point_is_no_match(command: Any, program: str, wanted: str) -> None:
    assert command(program, {"x": 0.0})["x"].verdict == wanted


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_beside_large_numbers_two_floors_may_cancel(command: Any) -> None:
    """The standard deviation s is 0, and max(floor(s), floor(-s)) is 0 there and next to it."""
    program = "s = std(x); floor(s) if floor(s) > floor(-s) else floor(-s)"
    assert command(program, {"x": [1e160, 1e160]})["x"].verdict == "undecided"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_jump_along_entries_of_very_different_sizes_is_seen(command: Any) -> None:
    """Only where both entries are less than whole is the smaller of the losses 1/2, not 0."""
    program = "amin(F.huber_loss(x, floor(x), reduction='none'))"
    assert command(program, {"x": [1e8, 6.0]})["x"].verdict == "undefined"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_what_is_decided_on_the_way_does_not_hide_that_a_kink_is_none(command: Any) -> None:
    """Equal entries all move by as much: their deviation stays 0."""
    program = "std(where(var(y) > median(y), var(y), 2*median(y)) + x)"
    assert command(program, {"y": [1.8125, 1.8125], "x": [1.5, 1.5]})["y"].verdict == "match"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_kink_whose_squares_underflow_next_to_it_is_one(command: Any) -> None:
    """The deviation of two numbers is |a - b|/sqrt(2); computed of differences below 1e-154 it is 0."""
    assert command("log1p(std(x)/y)", {"x": [1e-160, 1e-160], "y": -40.0})["x"].verdict == "subgradient"


@pytest.mark.parametrize("program", ["torch.linalg.svd(A).S.prod()", "torch.linalg.svd(A).S.sum()"])
def test_the_least_singular_value_has_a_kink_at_zero(program: str) -> None:
    """Of a matrix of rank 1 the product is |det A| next to it, and the sum the nuclear norm."""
    assert gradcli.check(program, {"A": [[1.0, 2.0], [2.0, 4.0]]})["A"].verdict == "subgradient"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_an_infinite_output_does_not_hide_that_an_op_jumps(command: Any) -> None:
    """Nothing is seen of the jump from 0 to 1 beside -inf, and it is one."""
    report = command("y/relu(y) + round(x)", {"y": -3.0, "x": 0.5})
    assert {name: report[name].verdict for name in "xy"} == {"x": "undefined", "y": "undefined"}


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_gradient_beyond_every_piece_at_a_tie_of_zeros_is_wrong(command: Any) -> None:
    """The pieces next to 0 have the gradients [1, 0], [2, 0] and [0, 1]; PyTorch's is [2/3, 1], beyond a + 2*b = 2."""
    program = "where(cummax(x, 0)[0] > x, cummax(x, 0)[0], 2*x).min()"
    assert command(program, {"x": [0.0, 0.0, -1.90625]})["x"].verdict == "mismatch"


@pytest.mark.parametrize(("size", "wanted"), [(1e9, {"undecided", "undefined"}), (1.0, {"undefined"})])
@pytest.mark.parametrize("program", ["norm(stack([floor(y), x]))", "hypot(floor(y), x)"])
def test_a_jump_that_a_root_of_squares_absorbs_is_no_match(program: str, size: float, wanted: set[str]) -> None:
    """The root of x² + 1 is 1/(2*x) above x: below y = 0 the program is larger by that."""
    assert gradcli.evaluate(program, {"x": size, "y": 0.0})["y"].verdict in wanted


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_what_rounding_makes_of_copies_of_one_number_is_no_kink(command: Any) -> None:
    """The deviation of three copies is 0 next to the point, or 10^-16 of them where they are rounded."""
    program = "std(cummin(logcumsumexp(x, 0), 0)[0])"
    assert command(program, {"x": [0.0, 1.0, 1.0]})["x"].verdict == "match"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_kink_by_an_entry_is_one_be_others_ever_so_steep(command: Any) -> None:
    """At 0 the slopes are -e and e; at -3 it is 10^10."""
    program = "expm1(maximum(exp(x), exp(-x))).sum()"
    assert command(program, {"x": [-3.0, 0.0, 0.0]})["x"].verdict == "subgradient"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_what_is_lost_beside_kinks_that_cancel_does_not_make_them_one(command: Any) -> None:
    """The slope of tanh at 40 is 10^-34, and that of the sum is 3 to both sides."""
    assert command("maximum(x, 2*x) + minimum(x, 2*x) + tanh(x + 40)", {"x": 0.0})["x"].verdict == "match"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(("program", "wanted"), [("x > round(x)", "subgradient"), ("round(x) > 0", "match")])
def test_what_is_decided_between_neighbouring_numbers_is_no_match(command: Any, program: str, wanted: str) -> None:
    """Each is the rounded one of itself, and what is above it by less is larger than that."""
    assert command(f"where({program}, x, round(x))", {"x": 1e160})["x"].verdict == wanted


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(
    "program", ["where(exp(x) > round(exp(x)), x, round(x))", "x if 1e30*x > round(1e30*x) else -x"]
)
def test_what_rounding_decides_between_them_is_not_known(command: Any, program: str) -> None:
    assert command(program, {"x": 100.25})["x"].verdict == "undecided"


def test_a_step_that_underflows_is_none() -> None:
    """Next to an exponent of 0 is one of 5e-324, and no step is a part of that."""
    report = gradcli.evaluate("maximum(x**tanh(x), softplus(x)).sum()", {"x": [1e-300, 0.0, 1.9375]})
    assert report["x"].verdict != "match"  # 0**x jumps


TINY = [1e-160] * 3


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_kink_that_only_underflow_makes_excuses_no_wrong_gradient(command: Any) -> None:
    """The squares of 2e-160 have three digits: PyTorch's gradient of the norm of three is off by 6e-6."""
    found = command("norm(2*x)", {"x": TINY})["x"]
    assert float(found.gradient[0]) != pytest.approx(float(2 / mpf(3) ** 0.5), rel=1e-6)
    assert found.verdict == "mismatch"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_slopes_at_a_tie_that_rounding_leaves_no_digits_are_not_between_anything(command: Any) -> None:
    """In double precision 1e160 - 1 is 1e160, which the sine differs at."""
    assert command("sin(y - x).min()", {"x": [1.0, 1.0], "y": 1e160})["x"].verdict == "undecided"
    assert command("(y - x).min()", {"x": [1.0, 1.0], "y": 1e160})["x"].verdict == "subgradient"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_jump_that_takes_all_entries_is_seen_by_steps_in_proportion_to_them(command: Any) -> None:
    """The smaller of two ceilings is 1 next to the point, where both entries move, and 0 at it."""
    point = torch.tensor([1e-6, 0.1], dtype=torch.float64)
    assert command("ceil(abs(x - y)).min()", {"x": point, "y": point}, wrt=["x"])["x"].verdict == "undefined"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_many_stairs_within_a_step_are_no_slope(command: Any) -> None:
    """At 1e8, y**1.5/4 is a whole number, and between 64 units in the last place it passes no other."""
    found = command("ceil(y**1.5/4 if y > 6 else y)", {"y": 1e8})["y"]
    assert found.verdict == "undefined"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_jump_that_underflow_hides_is_not_taken_for_none(command: Any) -> None:
    """The sign of a square jumps at 0; squares of steps that are short beside 1e-160 are 0."""
    point = torch.tensor([-40.0, 1e-160], dtype=torch.float64)
    shifted = torch.tensor([-10.0, 1e-160], dtype=torch.float64)
    found = command("sign((x - y)**2).sum()", {"x": point, "y": shifted}, wrt=["x"])["x"]
    assert found.verdict in {"undefined", "undecided"}
    assert "so little" not in str(found.note)


STAIRS = [
    ("hardtanh(floor(x)).sum()", [1e300, 0.5], {"match"}),
    ("hardtanh(floor(x)).sum()", [1e300, 1.0], {"undefined", "undecided"}),
    ("relu(ceil(x) - 1).sum()", [1e300, 1.0], {"undefined", "undecided"}),
]


@pytest.mark.parametrize(("program", "point", "verdicts"), STAIRS)
def test_hidden_stairs_hide_nothing_where_the_output_is_the_same_on_the_next(
    program: str, point: list[float], verdicts: set[str]
) -> None:
    """Of 1 a step function jumps, and the output with it: no step shows that beside 1e300."""
    assert gradcli.evaluate(program, {"x": point})["x"].verdict in verdicts


def test_a_term_that_a_sum_absorbs_is_said_to_be_the_reason() -> None:
    """d/dy (2y + cos y) = 2 - sin y; in double precision y + cos(y) is y at 1e160."""
    found = gradcli.check("y + cos(y) + y", {"y": 1e160})["y"]
    assert found.verdict == "undecided"
    assert "too small beside the sum" in str(found.note)


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_symbolic_nan_says_nothing_of_what_the_differences_cannot_tell(command: Any) -> None:
    """The smaller of 0**s and 0 is 0 for each s; that of 0**s and 1/2 jumps at s = 0."""
    zero = torch.zeros(1, dtype=torch.float64)
    found = command("minimum(z**s, y - 1).sum()", {"z": zero, "s": [0.0], "y": [1.0]}, wrt=["s"])["s"]
    assert found.verdict in {"match", "undecided"}
    other = command("minimum(z**s, y - 1).sum()", {"z": zero, "s": [0.0], "y": [1.5]}, wrt=["s"])["s"]
    assert other.verdict in {"undefined", "undecided"}


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_gradient_may_be_one_at_a_kink_though_what_led_to_it_is_wrong(command: Any) -> None:
    """The slopes of min(x, round x) at 710 are 1 and 0, so those of the sum 3/2, 0 by one entry and 1/2, 0 by another.

    PyTorch's gradient of logcumsumexp beside 1e300 is not 3/2 and 1/2.
    """
    program = "logcumsumexp(minimum(x, round(x)) + 1e300, 0).sum()"
    report = command(program, {"x": [710.0, 710.0]})
    assert all(0 <= float(one) <= float(most) for one, most in zip(report["x"].gradient, (1.5, 0.5), strict=True))
    assert report["x"].verdict == "subgradient"


def sides(function: Callable[[mpf], mpf], step: str) -> tuple[float, float]:
    """Return the quotients of a function of a shift to both sides of 0, in digits enough for numbers of 1e300."""
    with mp.workdps(1000):
        length, start = mpf(step), function(mpf(0))
        return float((start - function(-length)) / length), float((function(length) - start) / length)


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_kink_less_steep_than_long_quotients_may_be_off_by_is_not_cancelled(command: Any) -> None:
    """The middle one of hypot(1e-10, s²) twice and of a larger number is the larger of the equal ones, as s² moves.

    Its slope by one of them is 1e-10 upwards and 0 downwards: both are less than quotients of longer steps, as
    far as 1, resolve.
    """
    at = [mpf(torch.expm1(torch.tensor(entry, dtype=torch.float64)).item()) for entry in (-1e-10, 2.0)]
    below, above = sides(
        lambda shift: sorted([mp.hypot(at[0], at[0] ** 2 + shift), *(mp.hypot(one, one**2) for one in at)])[1], "1e-200"
    )
    found = command("median(hypot(expm1(x), (expm1(x))**2))", {"x": [-1e-10, -1e-10, 2.0]})["(expm1(x))**2"]
    assert below < float(found.gradient[0]) < above
    assert found.verdict == "subgradient"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(("entry", "other"), [(1e-160, -1.0), (1e-170, -1.703125)])
def test_beside_a_number_whose_square_underflows_an_absolute_difference_has_its_slopes(
    command: Any, entry: float, other: float
) -> None:
    """||x| - x| is 0 for all x > 0, and -2x below."""
    program = "F.l1_loss(abs(x), x, reduction='sum')"
    found = command(program, {"x": [entry, other]})["x"]
    for slope, start in zip(found.gradient, (entry, other), strict=True):
        one = sides(lambda shift, start=start: abs(abs(start + shift) - (start + shift)), "1e-200")  # type: ignore[misc]
        assert one == (float(slope), float(slope))
    assert found.verdict == "match"
    assert command(program.replace("abs(x), x", "abs(x), 0*x"), {"x": [0.0, entry]})["x"].verdict == "subgradient"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_steps_far_longer_than_an_entry_show_no_kink_at_it(command: Any) -> None:
    """The variance of l⁻¹ x is smooth in l; steps that are long beside l = 1e-160 see it only near 0."""

    def variance(shift: mpf) -> mpf:
        ratio = mpf(1e-160) / (mpf(1e-160) + shift)
        return (ratio - 1) ** 2 / 3

    assert sides(variance, "1e-500") == pytest.approx((0.0, 0.0), abs=1e-100)
    found = command("var(x/F.leaky_relu(x, 0.25))", {"x": [1e-160, 1.0, 1.0]})["F.leaky_relu(x, 0.25)"]
    assert found.verdict in {"match", "undecided"}
    assert "kink" not in str(found.note)


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_where_no_step_is_short_enough_a_smooth_loss_has_no_kink(command: Any) -> None:
    """Half the square of a difference is linear beyond 1; next to 1e17 numbers are 16 apart."""
    program = "s = F.smooth_l1_loss(cummin(x, 0)[0], x, reduction='none'); sum(where(s > F.softshrink(s, 0.5), s, 0*s))"

    def loss(shift: mpf) -> mpf:
        return max(shift, mpf(0)) ** 2 / 2  # 1e17 + shift is no new minimum; nor is it far from it

    assert sides(loss, "1e-200") == pytest.approx((0.0, 0.0), abs=1e-150)
    assert command(program, {"x": [1e17, 1e17]})["x"].verdict in {"match", "undecided"}
    assert command("sum(where(x > y, x, y))", {"x": [1e17], "y": [1e17]})["x"].verdict == "subgradient"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_slope_whose_square_overflows_is_not_infinite(command: Any) -> None:
    """Of |1e300 log(x)| it is 1e300; the norm of numbers above 1e154 is infinite in double precision."""
    assert sides(lambda shift: abs(mpf(1e300) * mp.log1p(shift)), "1e-400") == pytest.approx((-1e300, 1e300))
    point = {"x": [1.0, 1.0, -0.5], "y": [1e300, 0.0, 0.0]}
    found = command("norm(xlogy(F.hardshrink(F.smooth_l1_loss(x, y, reduction='none'), 0.5), x))", point)["x"]
    assert found.verdict in {"subgradient", "undecided"}
    assert command("norm(log(x)*1e300)", {"x": [1.0, 1.0]})["x"].verdict == "subgradient"


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_jump_beside_a_large_number_may_stay_within_and_is_no_match_for_a_factor_of_zero(command: Any) -> None:
    """Next to 1e300 floor(x) is above 1, next to 0 it is -1 or 0; relu(floor(x) - 1e14 + 1/2) is 0 or 1/2 at 1e14."""
    with mp.workdps(400):
        near = [mpf(1e300) - mpf("1e-50"), mpf(1e300), mpf("-1e-50"), mpf("1e-50"), mpf(1e14) - mpf("1e-50"), mpf(1e14)]
        large, same, below, above, left, right = map(mp.floor, near)
        assert min(large, same) > 1
        assert max(below, above) <= 0
        assert max(left - mpf(1e14) + mpf(0.5), 0) == 0 != right - mpf(1e14) + mpf(0.5)
    assert command("clamp(floor(x), 0, 1).sum()", {"x": [1e300, 0.0]})["x"].verdict == "match"
    found = command("relu(floor(x[0]) - 1e14 + 0.5)*x[1]", {"x": [1e14, 0.0]})["x"]
    assert found.verdict in {"undecided", "undefined", "subgradient"}


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_jump_does_not_stay_within_where_a_large_sum_absorbs_what_depends_on_it(command: Any) -> None:
    """x*sign(x) is |x|, of slopes -1 and 1 at 0; no sum of 1e17, or 1e34, shows them."""
    assert sides(lambda shift: shift * mp.sign(shift), "1e-100") == (-1, 1)
    for source in ("sum(x*sign(x))", "sum(x*sign(x) + x**2)"):
        assert command(source, {"x": [0.0, 1e17]})["x"].verdict in {"undecided", "subgradient", "mismatch"}


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_kink_is_seen_within_the_numbers_that_an_op_has_of_its_own(command: Any) -> None:
    """v/max(|v|, 1e-12) is 1e12 v next to 0; below 3 the slope of x - hardswish(x) is -1/2, and above 0."""

    def normalised(shift: mpf) -> mpf:
        x = 2 * (mpf(1.5) + shift)
        v = x - x * min(x + 3, mpf(6)) / 6
        return v / max(abs(v), mpf(1e-12))

    below, above = sides(normalised, "1e-100")
    found = command("F.normalize(x + x - F.hardswish(x + x), dim=0).sum()", {"x": [1.5]})["x"]
    assert below < -1e11
    assert float(found.gradient[0]) == above == 0
    assert found.verdict == "subgradient"
    assert command("clamp(x, 0, 1e-20)", {"x": 0.0})["x"].verdict == "subgradient"
