"""A program run again elsewhere: decisions by values are made anew, and what a gradient takes for constant is kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.forward.rerun import RefusedError, Rerun
from gradcli.execution.forward.run import display_names, run_program
from gradcli.inputs.programs import read
from gradcli.settings import Settings


def rerun(program: str, **settings: Any) -> Rerun:
    chosen = Settings(**settings)
    parsed = read(program, chosen)
    with default_dtype(chosen):
        return Rerun.of(parsed, chosen, run_program(parsed, chosen, {}))


def at(rerun: Rerun, **values: Any) -> Tensor:
    names = {name: traced for traced, name in display_names(rerun.trace).items()}
    return rerun.output({names[name]: torch.tensor(value, dtype=torch.float64) for name, value in values.items()})


# A program, its leaf's value, another value, and what the program gives there.
ELSEWHERE: list[tuple[str, Any, Any, Any]] = [
    ("where(x > 0, x, 10*x)", 1.0, -1.0, -10.0),
    ("x if x > 0 else 10*x", 1.0, -1.0, -10.0),
    ("y = x\nwhile y < 10:\n    y = 2*y\ny", 6.0, 1.0, 16.0),
    ("sort(x).values[0]*3 + x[0]", [1.0, 2.0], [5.0, 4.0], 17.0),
    ("x[argmax(x)]", [1.0, 2.0], [5.0, 4.0], 5.0),
    ("n = 2 if x > 0 else 3; x*n", 1.0, -1.0, -3.0),
    ("floor(x)*x", 1.5, 2.5, 5.0),
    # a detached value stays what it was
    ("x.detach()*x", 2.0, 3.0, 6.0),
    ("x + (round(x) - x).detach()", 0.75, 1.75, 2.0),
    # and what is decided by one does not
    ("where(x.detach() > 0, x, 10*x)", 1.0, -1.0, -10.0),
    ("c = x.detach(); c*x if c > 0 else 10*x", 2.0, -1.0, -10.0),
    ("sort(x.detach()).indices[0] + x[0]", [1.0, 2.0], [5.0, 4.0], 6.0),
]


@pytest.mark.parametrize(("program", "start", "there", "wanted"), ELSEWHERE)
def test_decisions_are_made_anew_and_constants_kept(program: str, start: Any, there: Any, wanted: float) -> None:
    again = rerun(program, values={"x": start})
    assert at(again, x=there).item() == wanted
    assert torch.equal(at(again), again.trace.output.tensor)


def test_a_non_leaf_is_given_another_value_where_it_is_made() -> None:
    again = rerun("y = x*x; z = where(y > 5, y, 2*y); z + x", values={"x": 3.0})
    assert at(again, y=1.0).item() == 5.0
    assert at(again, z=1.0).item() == 4.0


def test_the_reduction_is_part_of_the_program() -> None:
    again = rerun("x*y", values={"x": [1.0, 2.0], "y": 3.0}, reduce="sum")
    assert at(again, x=[1.0, 1.0]).item() == 6.0


def test_a_run_of_low_precision_is_one_of_double_precision() -> None:
    again = rerun("x @ eye(2)", values={"x": [[1.0, 2.0]]}, dtype="bfloat16")
    assert at(again).dtype == torch.float64


def test_where_the_program_does_not_run_it_is_refused() -> None:
    again = rerun("x[0:1] if x.sum() > 0 else x", values={"x": [1.0, 2.0]})
    with pytest.raises(RefusedError, match="different shape"):
        at(again, x=[-1.0, -2.0])


@pytest.mark.parametrize(
    ("program", "there", "otherwise"),
    [
        ("where(x > 2, x, x*x)", 2.5, True),
        ("where(x > 2, x, x*x)", 1.5, False),
        ("x if x > 2 else x*x", 2.5, True),
        ("x*x", 2.5, False),
    ],
)
def test_a_decision_that_changes_is_seen(program: str, there: float, *, otherwise: bool) -> None:
    again = rerun(program, values={"x": 2.0})
    assert again.decides_otherwise({again.trace.leaves[0]: torch.tensor(there, dtype=torch.float64)}) is otherwise
