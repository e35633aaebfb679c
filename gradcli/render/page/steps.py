"""The backward pass as steps for a reader: one contribution at a time, each sum over children written out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gradcli.escaping import clip, escape
from gradcli.render.graph.picture import brief
from gradcli.report.trace import Contribution, TraceStep

LONGEST_NAME, LONGEST_FORMULA = 40, 400
MOST_TERMS = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One contribution: of which operation's result, to which operand, and what the operand's gradient is with it.

    `tail` and `head` are the boxes of the two in the picture, empty where they have none.
    """

    number: int
    source: str
    grad_fn: str
    result: str
    operand: str
    rule: str
    numbers: str
    total: str
    tail: str
    head: str


def steps_of(trace: Sequence[TraceStep], keys: Mapping[str, str]) -> list[Step]:
    """Return the contributions in backward order; `keys` has the boxes of tensors by name."""
    return [*_steps(trace, keys)]


def _steps(trace: Sequence[TraceStep], keys: Mapping[str, str]) -> Iterator[Step]:
    sums: dict[str, list[str]] = {}
    number = 0
    for one in trace:
        for operand in one.operands:
            number += 1
            terms = sums.setdefault(operand.name, [])
            terms.append(brief(operand.contribution))
            first = one.results[0]
            yield Step(
                number,
                clip(one.source, LONGEST_NAME),
                escape(first.grad_fn or one.op),
                clip(first.name, LONGEST_NAME),
                clip(operand.name, LONGEST_NAME),
                clip(operand.product, LONGEST_FORMULA),
                _product(one, operand),
                _sum(operand, terms),
                keys.get(first.name, ""),
                keys.get(operand.name, ""),
            )


def _product(step: TraceStep, operand: Contribution) -> str:
    """Return upstream times factor, if that is all, with the sum over the axes that broadcast."""
    found = brief(operand.contribution)
    if operand.factor is None:
        return f"= {found}"
    product = f"{brief(step.results[0].gradient)} \N{MULTIPLICATION SIGN} {brief(operand.factor)}"
    axes = ", ".join(map(str, operand.summed_axes))
    return f"= {product}{f', summed over axes {axes},' if axes else ''} = {found}"


def _sum(operand: Contribution, terms: Sequence[str]) -> str:
    """Return the operand's gradient so far: the contributions of its children, and what they add up to."""
    name = f"grad({clip(operand.name, LONGEST_NAME)})"
    shown = list(terms) if len(terms) <= MOST_TERMS else [*terms[:2], "...", *terms[-2:]]
    added = f"{' + '.join(shown)} = " if len(terms) > 1 else ""
    return f"{name} = {added}{brief(operand.total)}"
