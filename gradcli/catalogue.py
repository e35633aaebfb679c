"""The op table for its readers: every op that a user may write, and the derivative that follows from its definition."""

from __future__ import annotations

import shlex
from dataclasses import replace

from gradcli.engine import evaluate_program
from gradcli.errors import GradcliError
from gradcli.inputs import parse_shapes
from gradcli.limits import Limits
from gradcli.ops.record import Kind, Op
from gradcli.ops.table import OPS
from gradcli.report.op_page import DerivedGradient, Example, OpPage
from gradcli.report.report import Report
from gradcli.settings import Settings


def pages(*, derivatives: bool = False) -> tuple[OpPage, ...]:
    """Return every op that a user may write, in the order of the table; helpers of definitions are left out.

    With `derivatives` those of the pointwise ops are derived, which takes some seconds.
    """
    shown = [op for op in OPS if not op.name.startswith("_")]
    wanted = {op.name for op in shown if derivatives and op.kind is Kind.POINTWISE}
    return tuple(with_derivative(page(op), op) if op.name in wanted else page(op) for op in shown)


def page(op: Op) -> OpPage:
    """Return what the table holds about one op."""
    return OpPage(
        name=op.name,
        family=op.family,
        kind=str(op.kind),
        signature=op.signature,
        aliases=op.aliases,
        torch=op.torch,
        definition=_definition(op),
        overloads={overload.signature: _definition(overload) for overload in op.overloads},
        domain=dict(op.domain),
        kinks=op.kinks,
        jumps=op.discontinuities,
        examples=tuple(_example(text) for text in op.examples),
    )


def _definition(op: Op) -> str:
    """Return a definition as it is read: an implicit one as an equation, an indexed one as an entry of the result."""
    text = op.definition.strip()
    if op.kind is Kind.IMPLICIT:
        return f"out solves: {text} = 0"
    if op.kind is Kind.INDEXED and op.entry:
        entry = f"out[..., {', '.join(op.entry)}] = {text}"
        return f"{entry}, along {op.along}" if op.along else entry
    return text


def _example(text: str) -> Example:
    program, shapes = split_example(text)
    options = [word for shape in shapes for word in ("--shape", shape)]
    return Example(program, f"gradcli check {_quoted(program)} {' '.join([*options, '--grad-output', 'ones'])}")


def _quoted(program: str) -> str:
    """Return a program as one word of a shell's; in double quotes if it has single ones and nothing to expand."""
    return f'"{program}"' if "'" in program and not set(program) & set('"$`\\!') else shlex.quote(program)


def split_example(text: str) -> tuple[str, list[str]]:
    """Return `softmax(x, dim=-1) | x=2x3` as the program and its shapes."""
    program, _, shapes = text.rpartition(" | ")
    return (program, shapes.split()) if program else (text, [])


def with_derivative(shown: OpPage, op: Op) -> OpPage:
    """Return a page with the gradient of its first example; without one where there is no gradient to derive.

    A pointwise op's is that of single numbers, with no upstream gradient in it.
    """
    if op.kind is Kind.CONSTANT or not op.examples:
        return shown
    program, shapes = split_example(op.examples[0])
    pointwise = op.kind is Kind.POINTWISE
    settings = Settings(
        command="check",
        shapes={} if pointwise else parse_shapes(shapes, Limits()),
        grad_output=None if pointwise else "random",
        witnesses=("symbolic",),
    )
    try:
        return replace(shown, derivative=_derived(evaluate_program(program, settings)))
    except GradcliError:
        return shown  # an example that needs a shape, or whose output has no gradient


def _derived(report: Report) -> DerivedGradient | None:
    leaves = [tensor for tensor in report.tensors if tensor.kind == "leaf" and tensor.symbolic is not None]
    telling = {leaf.name: leaf.symbolic.telling_formula for leaf in leaves if leaf.symbolic}
    formulas = {name: formula for name, formula in telling.items() if formula}
    return DerivedGradient(report.program, formulas) if formulas else None
