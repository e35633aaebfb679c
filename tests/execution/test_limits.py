from __future__ import annotations

import resource

import pytest

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
