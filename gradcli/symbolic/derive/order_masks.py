"""Sums over all positions before or after one: contractions with a mask of order, as running sums.

Σᵢ (k ≤ i)·x[i] reads each entry once as a running sum from the end; a mask has a row for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gradcli.derivation.tensor_program import Step

# What `a relation b` is for b.
TURNED: Mapping[str, str] = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


@dataclass(frozen=True, slots=True)
class Running:
    """A mask's part in a sum: the label that is summed, the one that it is compared with, and how."""

    summed: str
    target: str
    relation: str
    """What a position that counts is to the target: `lt`, `le`, `gt` or `ge`."""


@dataclass(frozen=True, slots=True)
class Split:
    """A contraction by way of a running sum: the factors that are added up, on the labels `kept`, and the others."""

    running: Running
    added: list[int]
    kept: str
    rest: list[int]


def split(values: Sequence[int], letters: Sequence[str], out: str, step: Callable[[int], Step | None]) -> Split | None:
    """Return a contraction of values by way of a running sum, if a mask among them allows it.

    `letters` are the labels of each, `step` returns the step that makes a value.
    """
    for place, value in enumerate(values):
        for running in _readings(value, step):
            found = _without(place, running, letters, out)
            if found is not None:
                added, rest = ([values[one] for one in group] for group in found)
                read = {*out, *"".join(letters[one] for one in found[1])}
                held = dict.fromkeys("".join(letters[one] for one in found[0]))
                kept = [letter for letter in held if letter in read and letter != running.summed]
                return Split(running, added, "".join(kept) + running.summed, rest)
    return None


def _without(place: int, running: Running, letters: Sequence[str], out: str) -> tuple[list[int], list[int]] | None:
    """Return the factors to add up, and the others; None where a running sum does not give the contraction.

    What is added up must not depend on the target. A factor joins if it shares a label of the sum.
    """
    if running.summed in out:
        return None
    others = [one for one in range(len(letters)) if one != place]
    added, inner = list[int](), {running.summed}
    while joining := [one for one in others if one not in added and inner & {*letters[one]}]:
        free = [one for one in joining if running.target not in letters[one]]
        if not free:
            break
        added += free
        inner |= {letter for one in free for letter in letters[one] if letter not in out}
    rest = [one for one in others if one not in added]
    return None if any(running.summed in letters[one] for one in rest) else (sorted(added), rest)


def _readings(value: int, step: Callable[[int], Step | None]) -> Iterator[Running]:
    """Yield how a value masks a sum over either label, if it is 1 where two positions are in order and 0 elsewhere."""
    choice = step(value)
    if choice is None or choice.function != "where":
        return
    test, *numbers = (step(one) for one in choice.inputs)
    if test is None or test.function not in TURNED or [one and one.number for one in numbers] != [1, 0]:
        return
    sides = [step(one) for one in test.inputs]
    if all(side is not None and side.function == "index" for side in sides):
        left, right = test.labels
        yield Running(left, right, test.function)
        yield Running(right, left, TURNED[test.function])
