"""Grids for what happens when backward runs more than once."""

from __future__ import annotations

from gradcli.escaping import clip, escape
from gradcli.render import formulas
from gradcli.render.grid import Grid, Lines, left_out
from gradcli.render.last_line import listed
from gradcli.render.numbers import optional_lines, tensor_lines
from gradcli.render.presentation import Presentation
from gradcli.report.double_backward import DoubleBackwardDetails, Second, WithoutRetainGraph, WithRetainGraph
from gradcli.report.verdict import Verdict, fails

MOST_CALLS = 12
MOST_NODES = 24
LONGEST = 28


def grids(details: DoubleBackwardDetails) -> tuple[Grid, ...]:
    """Return the grids: the second backward, what saves tensors, what accumulates, the second derivatives."""
    life = details.lifecycle
    return (
        _without_retain_graph(life.without_retain_graph),
        *_saving(life.without_retain_graph),
        _with_retain_graph(life.with_retain_graph),
        _second(life.with_create_graph.second),
    )


def _without_retain_graph(once: WithoutRetainGraph) -> Grid:
    predicted = "ok: no node saved a tensor, so that nothing was freed"
    if once.nodes:
        first = once.nodes[0]
        what = " and ".join(f"'{name}'" for name in first.saves)
        predicted = f"error: backward frees {what} of {first.grad_fn}, which made {clip(first.name, LONGEST)}"
    rows = ((("predicted",), (predicted,)), (("observed",), (once.observed,)))
    below = () if once.message is None else (f"PyTorch says: {escape(once.message)}",)
    return Grid("A second backward, without retain_graph", (), rows, below)


def _saving(once: WithoutRetainGraph) -> tuple[Grid, ...]:
    shown = once.nodes[:MOST_NODES]
    rows = tuple(((node.grad_fn,), (clip(node.name, LONGEST),), (", ".join(node.saves),)) for node in shown)
    more = left_out(len(once.nodes) - len(shown), "nodes")
    title = "Nodes that save tensors, in the order of the backward pass"
    return (Grid(title, ("grad_fn", "made", "saves"), rows, more),) if rows else ()


def _with_retain_graph(kept: WithRetainGraph) -> Grid:
    names, shown = list(kept.grads[0]), kept.grads[:MOST_CALLS]
    headings = ("call", *(f"{clip(name, LONGEST)}.grad" for name in names))
    rows = tuple(
        ((str(number),), *(optional_lines(grads[name]) for name in names)) for number, grads in enumerate(shown, 1)
    )
    more = left_out(len(kept.grads) - len(shown), "calls")
    return Grid("With retain_graph=True, .grad accumulates", headings, rows, more)


def _second(second: dict[str, Second]) -> Grid:
    disputed = any(fails(item.verdict) for item in second.values())
    shown = any(item.formula for item in second.values())
    headings = ("leaf", "second derivative", *(["symbolic"] if disputed else []), *(["formula"] if shown else []))
    rows = tuple(_second_row(name, item, disputed=disputed, shown=shown) for name, item in second.items())
    noted: dict[str, list[str]] = {}
    for name, item in second.items():
        if item.note:
            noted.setdefault(" ".join(item.note.split()), []).append(name)
    notes = tuple(f"{listed(names, LONGEST)}: {escape(note)}" for note, names in noted.items())
    return Grid("With create_graph=True: d(sum of the gradient)/d(leaf)", (*headings, "verdict"), rows, notes)


def _second_row(name: str, item: Second, *, disputed: bool, shown: bool) -> tuple[Lines | Verdict, ...]:
    symbolic = () if not disputed else (("",) if item.symbolic is None else tensor_lines(item.symbolic.value),)
    formula = ((formulas.second(item.formula or ""),),) if shown else ()
    return (
        (clip(name, LONGEST),),
        optional_lines(item.gradient),
        *symbolic,
        *formula,
        item.verdict or Verdict.UNVERIFIED,
    )


PRESENTATION = Presentation(grids)
