"""When values die: those of a tensor program, so that their memory is used again while it runs, and Python's own.

Large tensors are bound by memory, and memory that a process has not touched before costs more than the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from gradcli.derivation.tensor_program import Step, TensorProgram
from gradcli.ops.functions import FUNCTIONS

OVERWRITING = frozenset(row.name for row in FUNCTIONS if row.overwrites)
# Steps whose result may be a view of an input, or is one that all runs have in common.
SHARING = frozenset({"relabel", "expand", "gather", "number"})


@dataclass(frozen=True, slots=True)
class Lives:
    """For each step, which input it may overwrite (or None) and which values no later step reads.

    `fresh`: the result is a tensor of its own: no view of an operand, nor one that another run has too.
    """

    overwritten: tuple[int | None, ...]
    dead: tuple[tuple[int, ...], ...]
    fresh: bool


@lru_cache(maxsize=4096)
def lives(program: TensorProgram) -> Lives:
    """Return when the values of a program die."""
    first = len(program.operands)
    readers: dict[int, list[int]] = {}
    for position, step in enumerate(program.steps):
        for value in step.inputs:
            readers.setdefault(value, []).append(position)
    dead: list[list[int]] = [[] for _ in program.steps]
    for value, positions in readers.items():
        if value != program.result:
            dead[positions[-1]].append(value)
    overwritten = (_overwritten(step, program, readers) for step in program.steps)
    fresh = program.result >= first and not _is_shared(program.steps[program.result - first])
    return Lives(tuple(overwritten), tuple(map(tuple, dead)), fresh)


def _overwritten(step: Step, program: TensorProgram, readers: dict[int, list[int]]) -> int | None:
    """Return the input that a step may overwrite: a step made it only for this one, and it has the result's axes."""
    if step.function not in OVERWRITING:
        return None
    first = len(program.operands)
    for place, value in enumerate(step.inputs):
        lone = value >= first and len(readers[value]) == 1 and value != program.result
        if lone and step.labels[place] == step.out and not _is_shared(program.steps[value - first]):
            return place
    return None


def _is_shared(step: Step) -> bool:
    """Return whether a step's result is not its own; torch.einsum gives a view for the diagonal of a tensor."""
    return step.function in SHARING or (step.function == "einsum" and len(step.inputs) == 1)
