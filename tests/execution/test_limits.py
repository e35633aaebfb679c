from __future__ import annotations

import resource
import time

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.errors import LimitError
from gradcli.limits import Limits
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings, Shape

COLUMN: dict[str | None, Shape] = {"x": (100_000, 1), "y": (1, 100_000)}


def used() -> int:
    """Return the most memory that this process ever held, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(
    "program",
    [
        "sum(x @ y)",
        "sum(x * y)",
        "sum(outer(x[:, 0], y[0]))",
        "x.expand(100000, 100000).sum() + y.sum()",
        "sum(x.repeat(1, 100000)) + y.sum()",
        "sum(zeros(100000, 100000)) + sum(x) + sum(y)",
        "sum(eye(100000)) + sum(x) + sum(y)",
        'einsum("ik,kj->ij", x, y).sum()',
        "sum(F.pad(x, (50000, 50000))) + y.sum()",
    ],
)
def test_a_result_that_is_too_large_is_refused_before_it_takes_memory(program: str) -> None:
    before = used()
    with pytest.raises(LimitError, match="elements") as refused:
        evaluate_program(program, Settings(shapes=COLUMN))
    assert "--max-elements" in (refused.value.hint or "")
    assert refused.value.span is not None
    assert used() - before < 1_000_000


def test_a_limit_can_be_raised() -> None:
    shapes: dict[str | None, Shape] = {"x": (400, 1), "y": (1, 400)}
    small = Settings(shapes=shapes, limits=Limits(elements=150_000))
    with pytest.raises(LimitError):
        evaluate_program("sum(x @ y)", small)
    assert evaluate_program("sum(x @ y)", Settings(shapes=shapes)).verdict is Verdict.MATCH


def test_the_graph_in_all_is_limited() -> None:
    limits = Limits(memory=30 * 2**20)
    program = "a = x*2; b = a*2; c = b*2; d = c*2; sum(d)"
    with pytest.raises(LimitError, match="GiB") as refused:
        evaluate_program(program, Settings(shapes={None: (1_000_000,)}, limits=limits))
    assert "--max-memory" in (refused.value.hint or "")


@pytest.mark.parametrize(
    "program", ["y = x\nwhile sum(y) < 1e9:\n    y = y*1\ny", "y = x\nfor i in range(90):\n    y = y*1\ny"]
)
def test_the_operations_of_a_run_are_limited(program: str) -> None:
    with pytest.raises(LimitError, match=r"more than 50 ") as refused:
        evaluate_program(program, Settings(limits=Limits(operations=50)))
    assert "--max-operations" in (refused.value.hint or "")


@pytest.mark.parametrize("shape", [(1,), (2**17,)])
def test_the_rank_of_a_result_is_limited(shape: Shape) -> None:
    with pytest.raises(LimitError, match="axes"):
        evaluate_program("x.reshape(-1, 1, 1, 1, 1, 1, 1, 1, 1).sum()", Settings(shapes={None: shape}))


def test_a_long_row_of_operations_is_run_and_can_only_not_be_rewritten() -> None:
    row = "+".join(["y"] * 900)
    assert evaluate_program(f"y = x*2; {row}", Settings()).verdict is Verdict.MATCH
    with pytest.raises(LimitError, match="too many operations in a row"):
        evaluate_program(f"y = x*2; {row}", Settings(detach=("y",)))


@pytest.mark.parametrize(
    ("program", "shapes"),
    [
        ("F.conv2d(x, w).sum()", {"x": (1, 1, 2000, 2000), "w": (1, 1, 1000, 1000)}),
        ("F.conv1d(x, w).sum()", {"x": (1, 1, 1_000_000), "w": (1, 1, 100_000)}),
        ("F.conv3d(x, w).sum()", {"x": (1, 1, 100, 100, 100), "w": (1, 1, 50, 50, 50)}),
        ("F.conv_transpose2d(x, w).sum()", {"x": (1, 1, 1000, 1000), "w": (1, 1, 1000, 1000)}),
    ],
)
@pytest.mark.parametrize("verify", [True, False])
def test_the_windows_of_a_large_kernel_are_refused_before_they_take_memory(
    program: str, shapes: dict[str | None, Shape], *, verify: bool
) -> None:
    before = used()
    with pytest.raises(LimitError, match="GiB") as refused:
        evaluate_program(program, Settings(shapes=shapes, verify=verify))
    assert "--max-memory" in (refused.value.hint or "")
    assert used() - before < 200_000


def test_a_matrix_is_raised_to_any_power_in_few_steps() -> None:
    before, started = used(), time.process_time()
    settings = Settings(values={"x": [[0.0, 1.0], [1.0, 0.0]]}, grad_output="ones", formulas=False)
    report = evaluate_program("matrix_power(x, 10**9)", settings)
    assert report.verdict is Verdict.MATCH
    # Ones are a fixed point of x and of its transpose: each of the n places of x in the power adds 1 to an entry.
    assert report["x"].symbolic is not None
    torch.testing.assert_close(report["x"].symbolic.value, torch.full((2, 2), 1e9, dtype=torch.float64))
    assert used() - before < 100_000
    assert time.process_time() - started < 5


def undecided_after(program: str, **limits: int) -> tuple[str, float]:
    """Return why the derivative of a program by x is undecided, and how much computing it took to say so."""
    started = time.process_time()
    report = evaluate_program(program, Settings(values={"x": 2e6}, limits=Limits(**limits)))
    assert report["x"].verdict is Verdict.UNDECIDED
    return report["x"].note or "", time.process_time() - started


def test_a_loop_of_a_definition_is_refused_before_its_first_round() -> None:
    reason, seconds = undecided_after("mvlgamma(x, 1000000).sum()")
    assert "999,999 rounds of a loop, more than the limit of 2,000 (`--max-operations`)" in reason
    assert seconds < 2.0


def test_the_loops_of_all_definitions_are_limited_together() -> None:
    program = " + ".join(["mvlgamma(x, 21)"] * 9)
    assert "180 rounds of a loop, more than the limit of 160" in undecided_after(program, operations=20)[0]
    assert evaluate_program(program, Settings(values={"x": 99.0})).verdict is Verdict.MATCH


def test_the_loops_of_definitions_are_limited_as_the_operations_are() -> None:
    settings = Settings(values={"x": 99.0}, limits=Limits(operations=20))
    assert evaluate_program("mvlgamma(x, 21)", settings).verdict is Verdict.MATCH
    assert "21 rounds" in undecided_after("mvlgamma(x, 22)", operations=20)[0]
