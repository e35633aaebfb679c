"""Steps that nothing reads are left out of a program."""

from __future__ import annotations

from dataclasses import replace

from gradcli.derivation.tensor_program import TensorProgram


def pruned(program: TensorProgram) -> TensorProgram:
    """Return a program without the steps that its result does not depend on."""
    first = len(program.operands)
    needed = {program.result}
    for value in range(first + len(program.steps) - 1, first - 1, -1):
        if value in needed:
            needed.update(program.steps[value - first].inputs)
    kept = [value for value in range(first, first + len(program.steps)) if value in needed]
    place = {value: value for value in range(first)} | {value: first + n for n, value in enumerate(kept)}
    steps = (program.steps[value - first] for value in kept)
    renumbered = tuple(replace(step, inputs=tuple(place[value] for value in step.inputs)) for step in steps)
    return replace(program, steps=renumbered, result=place[program.result])
