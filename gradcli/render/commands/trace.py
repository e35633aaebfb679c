"""What only `trace` reports: the chain rule, a grid for each node, and the contributions that meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradcli.escaping import clip, escape
from gradcli.phrases import show_shape
from gradcli.render.grid import Grid, Lines
from gradcli.render.numbers import FULL_ELEMENTS, FULL_ROW, MATRIX_RANK, tensor_lines
from gradcli.render.presentation import Presentation
from gradcli.render.wrapping import wrap
from gradcli.report.report import TensorReport
from gradcli.report.trace import Contribution, LeftOut, TraceDetails, TraceStep, Upstream

MOST_STEPS = 40
FIRST_STEPS = 24
LAST_STEPS = 4
MOST_TERMS = 4
WIDEST_EQUATION = 33
WIDEST_FORMULA = 22
LONGEST_NAME = 16
LONGEST_SOURCE = 40
NOT_ALL = "Where that is not the gradient: a hook changes it, or part of it has no node here"


def grids(details: TraceDetails) -> tuple[Grid, ...]:
    """Return an introduction, a grid for each step, and one for the contributions that meet."""
    steps = details.trace
    numbered = [*enumerate(steps, 1)]
    shown = numbered if len(steps) <= MOST_STEPS else [*numbered[:FIRST_STEPS], *numbered[-LAST_STEPS:]]
    nodes = [_node(number, step) for number, step in shown]
    if len(shown) < len(steps):
        nodes.insert(FIRST_STEPS, Grid(f"... {len(steps) - len(shown):,} more nodes left out; --json has all"))
    return (_introduction(steps), *nodes, *_meeting(steps), *_left_out(details.left_out))


def _introduction(steps: Sequence[TraceStep]) -> Grid:
    rule = "upstream gradient * local derivative = contribution to the operand's gradient"
    return Grid("The chain rule, node by node, from the output back", (), (), (rule if steps else "There is no node.",))


def _node(number: int, step: TraceStep) -> Grid:
    rows = [_upstream(result) for result in step.results]
    rows += [_operand(step, operand) for operand in step.operands]
    rows += [(("into " + clip(name, LONGEST_NAME),), ("passed on inside of it",), ("see there",)) for name in step.into]
    return Grid(f"{number}. {_title(step)}", (), tuple(rows))


def _title(step: TraceStep) -> str:
    source = clip(step.source, LONGEST_SOURCE)
    (first, *others) = step.results
    name = clip(first.name, LONGEST_NAME)
    facts = ", ".join([first.grad_fn or "", *([f"shape {show_shape(first.shape)}"] if first.shape else [])])
    if others or first.name == step.source or first.name.startswith(f"{step.source} ("):
        return f"{source}  ({facts})"
    return f"{name} = {source}  ({facts})"


def _upstream(result: Upstream) -> tuple[Lines, Lines, Lines]:
    formula = _wrapped(f"grad({clip(result.name, LONGEST_NAME)})")
    return ("upstream",), formula, tensor_lines(result.gradient)


def _operand(step: TraceStep, operand: Contribution) -> tuple[Lines, Lines, Lines]:
    name = ("to " + clip(operand.name, LONGEST_NAME),)
    return name, _wrapped(escape(operand.local or operand.product)), _equation(step.results[0].gradient, operand)


def _equation(upstream: Any, operand: Contribution) -> Lines:
    """Return upstream * local = contribution, the sum over the axes that broadcast below it."""
    result = tensor_lines(operand.contribution)
    if operand.factor is None or not all(map(_is_small, (upstream, operand.factor, operand.contribution))):
        return beside(("= ",), result) if len(result) == 1 else result
    terms = [tensor_lines(upstream), tensor_lines(operand.factor)]
    if not operand.summed_axes:
        return _product([*terms, result])
    axes = "axes" if len(operand.summed_axes) > 1 else "axis"
    summed = f"summed over {axes} {', '.join(map(str, operand.summed_axes))}: "
    return (*_product([*terms, tensor_lines(upstream * operand.factor)]), *beside((summed,), result))


def _product(terms: list[Lines]) -> Lines:
    """Return two factors and their product side by side, or below each other where that is too wide."""
    left, right, result = terms
    line = beside(left, (" * ",), right, (" = ",), result)
    if max(map(len, line)) <= WIDEST_EQUATION:
        return line
    return (*beside(("  ",), left), *beside(("* ",), right), *beside(("= ",), result))


def beside(*blocks: Lines) -> Lines:
    """Return blocks of lines side by side, their first lines level."""
    height = max(map(len, blocks))
    columns = []
    for block in blocks:
        width = max(map(len, block))
        columns.append([line.ljust(width) for line in (*block, *[""] * (height - len(block)))])
    return tuple("".join(parts).rstrip() for parts in zip(*columns, strict=True))


def _meeting(steps: Sequence[TraceStep]) -> tuple[Grid, ...]:
    """Return a grid of the tensors that get more than one contribution."""
    found: dict[str, list[tuple[TraceStep, Contribution]]] = {}
    for step in steps:
        for operand in step.operands:
            found.setdefault(operand.name, []).append((step, operand))
    rows = [_sum(name, parts) for name, parts in found.items() if len(parts) > 1]
    more = (f"... {len(rows) - MOST_STEPS:,} more left out; --json has all",) if len(rows) > MOST_STEPS else ()
    headings = ("tensor", "contributions from", "their sum")
    return (Grid("Where contributions meet, they add", headings, tuple(rows[:MOST_STEPS]), more),) if rows else ()


def _left_out(found: Sequence[LeftOut]) -> tuple[Grid, ...]:
    """Return a grid of the tensors whose gradient is not what the nodes above come to."""
    rows = [
        ((clip(one.name, LONGEST_NAME),), tensor_lines(one.total), tensor_lines(one.gradient))
        for one in found[:MOST_STEPS]
    ]
    more = (f"... {len(found) - MOST_STEPS:,} more left out; --json has all",) if len(found) > MOST_STEPS else ()
    headings = ("tensor", "the nodes come to", "autograd has")
    return (Grid(NOT_ALL, headings, tuple(rows), more),) if rows else ()


def _sum(name: str, parts: Sequence[tuple[TraceStep, Contribution]]) -> tuple[Lines, Lines, Lines]:
    shown = parts if len(parts) <= MOST_TERMS else parts[: MOST_TERMS - 1]
    cut = ["..."] if len(shown) < len(parts) else []
    sources = _wrapped(", ".join([*(clip(step.results[0].name, LONGEST_NAME) for step, _ in shown), *cut]))
    label, total = (clip(name, LONGEST_NAME),), tensor_lines(parts[-1][1].total)
    if not _is_small(parts[-1][1].total):
        return label, sources, total
    terms = [*(tensor_lines(operand.contribution) for _, operand in shown), *((part,) for part in cut)]
    line = beside(*[block for term in terms for block in ((" + ",), term)][1:], (" = ",), total)
    return label, sources, line if max(map(len, line)) <= WIDEST_EQUATION else _column(terms, total)


def _column(terms: Sequence[Lines], total: Lines) -> Lines:
    """Return a sum with its terms below each other."""
    signs = ["  ", *["+ "] * (len(terms) - 1)]
    lines = [line for sign, term in zip(signs, terms, strict=True) for line in beside((sign,), term)]
    return (*lines, *beside(("= ",), total))


def _is_small(tensor: Any) -> bool:
    shape = tuple(tensor.shape)
    return len(shape) <= MATRIX_RANK and tensor.numel() <= FULL_ELEMENTS and (not shape or 0 < shape[-1] <= FULL_ROW)


def _wrapped(text: str) -> Lines:
    return tuple(wrap(text, WIDEST_FORMULA)) or ("",)


def _is_leaf(tensor: TensorReport) -> bool:
    """Tell whether a tensor is shown: the chain rule shows the gradient of every non-leaf on its way."""
    return tensor.kind == "leaf"


PRESENTATION = Presentation(grids, shows=_is_leaf)
