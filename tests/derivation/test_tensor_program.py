"""Derivatives as plain steps."""

from __future__ import annotations

import json
from dataclasses import replace

from gradcli.derivation.tensor_program import Step, TensorProgram

STEPS = (Step("number", (), (), "", 2.0), Step("mul", (0, 1), ("i", ""), "i"))
PROGRAM = TensorProgram(("x",), ("i",), (("i", "x", 0),), STEPS, 2, "i")


def read(program: TensorProgram) -> TensorProgram:
    return TensorProgram.from_data(json.loads(json.dumps(program.to_data())))


def test_equal_programs_are_the_same_one() -> None:
    assert read(PROGRAM) == PROGRAM
    assert read(PROGRAM) is read(PROGRAM)


def test_programs_with_other_steps_have_other_hashes() -> None:
    other = replace(PROGRAM, steps=(replace(STEPS[0], number=3.0), STEPS[1]))
    assert read(other) != read(PROGRAM)
    assert hash(read(other)) != hash(read(PROGRAM))
