"""The tables of other tools' tasks: every row is derived, equal to autograd's, and of the formula that stands there.

What a tool's documentation states is computed beside it, and is autograd's too: what is quoted is that derivative.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.derivation.notation.written import symbols
from gradcli.report.verdict import Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "derive-peers.md").read_text(encoding="utf-8")
TASK = r"^\| (.+?) of `(.+?)` \| `(.+?)` \| (.+?) \| `([^`]+)` \| (\d+) \|"
LENGTHS = {"n": 3, "m": 2, "k": 4, "l": 5}
KNOWN = {name: getattr(torch, name) for name in ("sum", "log", "trace", "diag", "outer", "sigmoid", "logdet", "det")}
KNOWN |= {name: getattr(torch, name) for name in ("softmax", "log_softmax")}
KNOWN |= {"inv": torch.linalg.inv, "norm": torch.linalg.norm, "eye": partial(torch.eye, dtype=torch.float64)}


class Task(NamedTuple):
    """A row, as it stands in a table."""

    what: str
    name: str
    program: str
    shapes: str
    formula: str
    count: str

    @property
    def wrt(self) -> str:
        """Return the leaf to differentiate by."""
        return self.what.rpartition(" ")[2].rpartition("/d")[2].removesuffix("²")


ALONE = [Task(*row) for row in re.findall(TASK + "$", PAGE, re.MULTILINE)]
QUOTED = [
    (Task(*row[:6]), *row[6:]) for row in re.findall(TASK + r" `([^`]+)` \| (\d+) \| \[.+ \|$", PAGE, re.MULTILINE)
]


def shapes_of(text: str) -> dict[str, tuple[str, ...]]:
    pairs = (item.removesuffix(" symmetric").split(" ") for item in text.split(", "))
    return {name: () if shape == "scalar" else tuple(shape.split("x")) for name, shape in pairs}


def derived(task: Task) -> gradcli.Derivation:
    options: dict[str, Any] = {"order": 1 + ("²" in task.what)}
    if task.what.startswith("Jacobian"):
        options = {"product": "jacobian"}
    symmetric = re.findall(r"(\w+) \w+ symmetric", task.shapes)
    return gradcli.derive(task.program, shapes_of(task.shapes), wrt=task.wrt, symmetric=symmetric, **options)


def value_of(text: str, values: dict[str, Any]) -> Tensor:
    """Return the value of a formula, its parts first: `outer(p, p) where p = softmax(x, dim=-1)`."""
    formula, _, part = text.partition(" where ")
    name, _, definition = part.partition(" = ")
    known = {**KNOWN, **LENGTHS, **values}
    parts = {name: eval(definition, known)} if part else {}  # noqa: S307 (of our own page)
    found: Tensor = eval(formula, known | parts)  # noqa: S307 (of our own page)
    return found


def test_there_are_forty_tasks_and_twenty_with_their_form() -> None:
    first, _, rest = PAGE.partition("## tensorgrad")
    assert len(re.findall(TASK, first, re.MULTILINE)) == 40
    assert len(QUOTED) == 20
    assert len(ALONE) + len(QUOTED) == len(re.findall(r"^\| [dJ]", first + rest, re.MULTILINE))


@pytest.mark.parametrize("task", ALONE, ids=lambda task: task.name)
def test_a_row_is_what_is_derived(task: Task) -> None:
    found = derived(task)[task.wrt]
    assert (found.formula, found.checked.verdict) == (task.formula, Verdict.MATCH)
    assert symbols(task.formula) == int(task.count)


@pytest.mark.parametrize("task", [task for task, *_ in QUOTED], ids=lambda task: task.name)
def test_a_row_with_another_form_is_what_is_shown(task: Task) -> None:
    found = derived(task)
    parts = ", ".join(f"{name} = {text}" for name, text in found.where.parts.items())
    shown = found.where.formulas[task.wrt] + (f" where {parts}" if parts else "")
    assert (shown, found[task.wrt].checked.verdict) == (task.formula, Verdict.MATCH)
    assert symbols(task.formula) == int(task.count)


@pytest.mark.parametrize(("task", "form", "count"), QUOTED, ids=lambda value: getattr(value, "name", ""))
def test_the_form_that_is_quoted_is_autograds_too(task: Task, form: str, count: str) -> None:
    torch.manual_seed(0)
    values = {
        name: torch.randn([LENGTHS[length] for length in shape], dtype=torch.float64)
        for name, shape in shapes_of(task.shapes).items()
    }
    values |= {name: values[name] @ values[name].T for name in re.findall(r"(\w+) \w+ symmetric", task.shapes)}
    take = torch.autograd.functional.hessian if "²" in task.what else torch.autograd.functional.jacobian
    expected = take(lambda leaf: value_of(task.program, values | {task.wrt: leaf}), values[task.wrt])
    torch.testing.assert_close(value_of(form, values), expected)
    assert symbols(form) == int(count)


def test_most_are_no_longer_than_the_form_that_is_quoted() -> None:
    assert sum(int(task.count) <= int(count) for task, _, count in QUOTED) >= 0.8 * len(QUOTED)
