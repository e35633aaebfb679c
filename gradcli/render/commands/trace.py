"""What only `trace` reports: the chain rule, a grid for each node, and the contributions that meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from gradcli.escaping import clip, escape
from gradcli.phrases import show_shape
from gradcli.render.grid import Grid, Lines, left_out
from gradcli.render.numbers import FULL_ELEMENTS, FULL_ROW, MATRIX_RANK, tensor_lines
from gradcli.render.presentation import Presentation
from gradcli.render.wrapping import wrap
from gradcli.report.report import TensorReport
from gradcli.report.trace import Contribution, LeftOut, TraceDetails, TraceStep, Upstream

MOST_STEPS = 40
FIRST_STEPS = 24
LAST_STEPS = 4
MOST_TERMS = 4
Part = tuple[TraceStep, Contribution]
NOT_ALL = "Where that is not the gradient: a hook changes it, or part of it has no node here"


@dataclass(frozen=True, slots=True)
class Room:
    """How many columns each part of a step may take."""

    name: int
    formula: int
    equation: int
    source: int


NARROW = Room(name=16, formula=22, equation=33, source=40)  # 80 columns in all
WIDE = Room(name=24, formula=38, equation=49, source=72)  # 120


def grids(details: TraceDetails) -> tuple[Grid, ...]:
    """Return an introduction, a grid for each step, and one for the contributions that meet."""
    steps = details.trace
    numbered = [*enumerate(steps, 1)]
    shown = numbered if len(steps) <= MOST_STEPS else [*numbered[:FIRST_STEPS], *numbered[-LAST_STEPS:]]
    nodes = [_in_any(partial(_node, number, step)) for number, step in shown]
    nodes[FIRST_STEPS:FIRST_STEPS] = map(Grid, left_out(len(steps) - len(shown), "nodes"))
    meeting = [_in_any(partial(_meeting, found))] if (found := _met(steps)) else []
    others = [_in_any(partial(_left_out, details.left_out))] if details.left_out else []
    return (_introduction(steps), *nodes, *meeting, *others)


def _in_any(made: Callable[[Room], Grid]) -> Grid:
    """Return a grid for 80 columns, and for 120 where there are as many."""
    return replace(made(NARROW), wide=made(WIDE))


def _introduction(steps: Sequence[TraceStep]) -> Grid:
    rule = "upstream gradient * local derivative = contribution to the operand's gradient"
    return Grid("The chain rule, node by node, from the output back", (), (), (rule if steps else "There is no node.",))


def _node(number: int, step: TraceStep, room: Room) -> Grid:
    rows = [_upstream(result, room) for result in step.results]
    rows += [_operand(step, operand, room) for operand in step.operands]
    rows += [(("into " + clip(name, room.name),), ("passed on inside of it",), ("see there",)) for name in step.into]
    return Grid(f"{number}. {_title(step, room)}", (), tuple(rows))


def _title(step: TraceStep, room: Room) -> str:
    source = clip(step.source, room.source)
    (first, *others) = step.results
    name = clip(first.name, room.name)
    facts = ", ".join([first.grad_fn or "", *([f"shape {show_shape(first.shape)}"] if first.shape else [])])
    if others or first.name == step.source or first.name.startswith(f"{step.source} ("):
        return f"{source}  ({facts})"
    return f"{name} = {source}  ({facts})"


def _upstream(result: Upstream, room: Room) -> tuple[Lines, Lines, Lines]:
    formula = _wrapped(f"grad({clip(result.name, room.name)})", room)
    return ("upstream",), formula, tensor_lines(result.gradient)


def _operand(step: TraceStep, operand: Contribution, room: Room) -> tuple[Lines, Lines, Lines]:
    name = ("to " + clip(operand.name, room.name),)
    formula = _wrapped(escape(operand.local or operand.product), room)
    return name, formula, _equation(step.results[0].gradient, operand, room)


def _equation(upstream: Any, operand: Contribution, room: Room) -> Lines:
    """Return upstream * local = contribution, the sum over the axes that broadcast below it."""
    result = tensor_lines(operand.contribution)
    if operand.factor is None or not all(map(_is_small, (upstream, operand.factor, operand.contribution))):
        return beside(("= ",), result) if len(result) == 1 else result
    terms = [tensor_lines(upstream), tensor_lines(operand.factor)]
    if not operand.summed_axes:
        return _product([*terms, result], room)
    axes = "axes" if len(operand.summed_axes) > 1 else "axis"
    summed = f"summed over {axes} {', '.join(map(str, operand.summed_axes))}: "
    line = beside((summed,), result)
    last = line if max(map(len, line)) <= room.equation else (summed.rstrip(), *beside(("  ",), result))
    return (*_product([*terms, tensor_lines(upstream * operand.factor)], room), *last)


def _product(terms: list[Lines], room: Room) -> Lines:
    """Return two factors and their product side by side, or below each other where that is too wide."""
    left, right, result = terms
    line = beside(left, (" * ",), right, (" = ",), result)
    if max(map(len, line)) <= room.equation:
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


def _met(steps: Sequence[TraceStep]) -> dict[str, list[Part]]:
    """Return the contributions to the tensors that get more than one, by the tensors' names."""
    found: dict[str, list[Part]] = {}
    for step in steps:
        for operand in step.operands:
            found.setdefault(operand.name, []).append((step, operand))
    return {name: parts for name, parts in found.items() if len(parts) > 1}


def _meeting(found: Mapping[str, Sequence[Part]], room: Room) -> Grid:
    rows = tuple(_sum(name, parts, room) for name, parts in [*found.items()][:MOST_STEPS])
    headings = ("tensor", "contributions from", "their sum")
    return Grid("Where contributions meet, they add", headings, rows, left_out(len(found) - MOST_STEPS))


def _left_out(found: Sequence[LeftOut], room: Room) -> Grid:
    """Return a grid of the tensors whose gradient is not what the nodes above come to."""
    rows = tuple(
        ((clip(one.name, room.name),), tensor_lines(one.total), tensor_lines(one.gradient))
        for one in found[:MOST_STEPS]
    )
    return Grid(NOT_ALL, ("tensor", "the nodes come to", "autograd has"), rows, left_out(len(found) - MOST_STEPS))


def _sum(name: str, parts: Sequence[Part], room: Room) -> tuple[Lines, Lines, Lines]:
    shown = parts if len(parts) <= MOST_TERMS else parts[: MOST_TERMS - 1]
    cut = ["..."] if len(shown) < len(parts) else []
    sources = _wrapped(", ".join([*(clip(step.results[0].name, room.name) for step, _ in shown), *cut]), room)
    label, total = (clip(name, room.name),), tensor_lines(parts[-1][1].total)
    if not _is_small(parts[-1][1].total):
        return label, sources, total
    terms = [*(tensor_lines(operand.contribution) for _, operand in shown), *((part,) for part in cut)]
    line = beside(*[block for term in terms for block in ((" + ",), term)][1:], (" = ",), total)
    return label, sources, line if max(map(len, line)) <= room.equation else _column(terms, total)


def _column(terms: Sequence[Lines], total: Lines) -> Lines:
    """Return a sum with its terms below each other."""
    signs = ["  ", *["+ "] * (len(terms) - 1)]
    lines = [line for sign, term in zip(signs, terms, strict=True) for line in beside((sign,), term)]
    return (*lines, *beside(("= ",), total))


def _is_small(tensor: Any) -> bool:
    shape = tuple(tensor.shape)
    return len(shape) <= MATRIX_RANK and tensor.numel() <= FULL_ELEMENTS and (not shape or 0 < shape[-1] <= FULL_ROW)


def _wrapped(text: str, room: Room) -> Lines:
    return tuple(wrap(text, room.formula)) or ("",)


def _is_leaf(tensor: TensorReport) -> bool:
    """Tell whether a tensor is shown: the chain rule shows the gradient of every non-leaf on its way."""
    return tensor.kind == "leaf"


PRESENTATION = Presentation(grids, shows=_is_leaf)
