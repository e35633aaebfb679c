"""Steps that nothing reads, or that change nothing, are left out of a program."""

from __future__ import annotations

from dataclasses import replace

from gradcli.derivation.tensor_program import Step, TensorProgram


def pruned(program: TensorProgram) -> TensorProgram:
    """Return a program without the steps that its result does not depend on, and without those that only copy."""
    first = len(program.operands)
    needed = {program.result}
    for value in range(first + len(program.steps) - 1, first - 1, -1):
        if value in needed:
            needed.update(program.steps[value - first].inputs)
    place, kept = {value: value for value in range(first)}, list[Step]()
    for value, step in enumerate(program.steps, first):
        if value not in needed:
            continue
        inputs = tuple(place[read] for read in step.inputs)
        if step.function == "relabel" and step.labels[0] == step.out:
            place[value] = inputs[0]
        else:
            place[value] = first + len(kept)
            kept.append(replace(step, inputs=inputs))
    return replace(program, steps=tuple(kept), result=place[program.result])
