"""What `custom` alone reports: the checks of a Function, and its node in the graph."""

from __future__ import annotations

from collections.abc import Sequence

from gradcli.escaping import escape
from gradcli.render.grid import Grid, Lines
from gradcli.render.numbers import tensor_lines
from gradcli.report.report import Check, FunctionNode


def grids_of_checks(checks: Sequence[Check]) -> tuple[Grid, ...]:
    """Return a grid with a row for each check, and what there is to say of any of them below."""
    rows = tuple(((check.name,), check.verdict) for check in checks)
    below = tuple(f"{check.name}: {escape(' '.join(check.note.split()))}" for check in checks if check.note)
    return (Grid("Checks", ("check", "verdict"), rows, below),)


def grids_of_node(node: FunctionNode) -> tuple[Grid, ...]:
    """Return a grid of the node: where its gradients go, and what a call of its backward by hand returns."""
    names = dict.fromkeys([*node.next_functions, *node.returned])
    rows = tuple(
        ((escape(name),), (escape(node.next_functions.get(name) or "None"),), _lines(node.returned.get(name)))
        for name in names
    )
    upstream = ", ".join(" ".join(_lines(tensor)) for tensor in node.grad_outputs)
    below = (f"returned is what grad_fn.apply(grad_output) gives, by hand, for grad_output = {upstream}",)
    return (Grid(f"Node {escape(node.name)}", ("input", "next_functions", "returned"), rows, below),)


def _lines(value: object | None) -> Lines:
    return ("None",) if value is None else tensor_lines(value)
