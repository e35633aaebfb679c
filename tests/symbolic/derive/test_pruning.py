from __future__ import annotations

from gradcli.derivation.tensor_program import Step, TensorProgram
from gradcli.symbolic.derive.pruning import pruned

X, V = ("ij", "ij")


def program(steps: list[Step], result: int) -> TensorProgram:
    """Return a program over two matrices, the values 0 and 1."""
    return TensorProgram(("x", "cotangent"), (X, V), (("i", "x", 0), ("j", "x", 1)), tuple(steps), result, "AB")


def test_what_nothing_reads_and_what_only_copies_is_left_out() -> None:
    steps = [
        Step("relabel", (0,), ("AB",), "AB"),
        Step("number", (), (), "", 2.0),
        Step("exp", (2,), ("AB",), "AB"),
        Step("relabel", (4,), ("AB",), "AB"),
        Step("mul", (5, 1), ("AB", "AB"), "AB"),
    ]
    found = pruned(program(steps, 6))
    assert found.steps == (Step("exp", (0,), ("AB",), "AB"), Step("mul", (2, 1), ("AB", "AB"), "AB"))
    assert found.result == 3


def test_a_copy_may_be_the_result() -> None:
    assert pruned(program([Step("relabel", (1,), ("AB",), "AB")], 2)).result == 1


def test_a_diagonal_is_no_copy() -> None:
    diagonal = Step("relabel", (0,), ("AA",), "A")
    assert pruned(program([diagonal], 2)).steps == (diagonal,)
