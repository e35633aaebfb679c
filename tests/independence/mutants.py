"""Wrong derivatives: every way to get one step of a derivative program wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gradcli.derivation.messages import Derived
from gradcli.derivation.tensor_program import Step, TensorProgram

FACTOR = 1.0005

# What a step's function is taken for. Each takes as many operands as the one that it replaces.
CONFUSED: Mapping[str, tuple[str, ...]] = {
    "add": ("sub", "mul"),
    "sub": ("add",),
    "mul": ("add", "div"),
    "div": ("mul",),
    "neg": ("abs",),
    "reciprocal": ("neg", "sqrt"),
    "pow": ("mul",),
    "sqrt": ("reciprocal",),
    "exp": ("log", "neg"),
    "log": ("exp",),
    "sin": ("cos",),
    "cos": ("sin",),
    "tan": ("tanh",),
    "tanh": ("tan",),
    "atan": ("tanh",),
    "sinh": ("cosh",),
    "cosh": ("sinh",),
    "erf": ("tanh",),
    "erfc": ("erf",),
    "erfinv": ("erf",),
    "abs": ("neg",),
    "sign": ("abs",),
    "lt": ("gt",),
    "le": ("ge",),
    "gt": ("lt",),
    "ge": ("le",),
    "eq": ("ne",),
    "ne": ("eq",),
    "delta": ("add",),
    "logical_and": ("logical_or",),
    "logical_or": ("logical_and",),
    "besseli": ("besselj",),
    "besselj": ("besseli",),
}


def mutants(answer: Derived) -> Iterator[tuple[str, Derived]]:
    """Yield every mutant of an answer with a name: of its adjoints, and of an implicit definition's system."""
    for name, program in answer.adjoints.items():
        for description, changed in changed_programs(program):
            yield f"{name}: {description}", replace(answer, adjoints=answer.adjoints | {name: changed})
    if answer.system is not None:
        for description, changed in changed_programs(answer.system.matrix):
            yield f"system: {description}", replace(answer, system=replace(answer.system, matrix=changed))


def changed_programs(program: TensorProgram) -> Iterator[tuple[str, TensorProgram]]:
    """Yield a program with one step wrong, for every step; without steps, the result itself is scaled or negated."""
    for place, step in enumerate(program.steps):
        for description, changed in changed_steps(step):
            steps = (*program.steps[:place], changed, *program.steps[place + 1 :])
            yield f"step {place} {description}", replace(program, steps=steps)
    for value in range(len(program.operands) + len(program.steps)):
        for factor in (FACTOR, -1.0):
            yield f"value {value} times {factor}", scaled(program, value, factor)


def changed_steps(step: Step) -> Iterator[tuple[str, Step]]:
    """Yield what may be written in the place of one step."""
    for function in CONFUSED.get(step.function, ()):
        yield f"{step.function} as {function}", replace(step, function=function)
    if step.function in {"sub", "div", "pow", "where"}:
        yield (
            f"{step.function} with operands exchanged",
            replace(step, inputs=exchanged(step.inputs), labels=exchanged(step.labels)),
        )
    if step.function == "einsum":
        yield from changed_contractions(step)
    if step.function == "relabel" and len(step.labels[0]) > 1:
        yield "axes exchanged", replace(step, labels=(step.labels[0][::-1],))
    if step.function == "cumsum":
        for order in {"lt", "le", "gt", "ge"} - {step.number}:
            yield f"cumsum {step.number} as {order}", replace(step, number=order)
    if step.function == "expand" and len(step.labels[0]) > 1:
        yield "axes exchanged", replace(step, labels=(step.labels[0][::-1],))


def exchanged(items: tuple) -> tuple:  # type: ignore[type-arg]
    """Return a tuple with its last two items exchanged."""
    return (*items[:-2], items[-1], items[-2])


def changed_contractions(step: Step) -> Iterator[tuple[str, Step]]:
    """Yield einsum without one of its operands, and with one operand's labels in reverse."""
    for place, letters in enumerate(step.labels):
        kept = step.labels[:place] + step.labels[place + 1 :]
        if kept and set(step.out) <= set("".join(kept)):
            inputs = step.inputs[:place] + step.inputs[place + 1 :]
            yield f"einsum without operand {place}", replace(step, inputs=inputs, labels=kept)
        if len(letters) > 1:
            labels = (*step.labels[:place], letters[::-1], *step.labels[place + 1 :])
            yield f"einsum with operand {place} transposed", replace(step, labels=labels)


def scaled(program: TensorProgram, value: int, factor: float) -> TensorProgram:
    """Return a program in which everything after one value reads it times a factor.

    An operand is scaled before the first step, the value of a step right after it.
    """
    operands = len(program.operands)
    place = max(value - operands + 1, 0)
    first = operands + place
    labels = [*program.labels, *(step.out for step in program.steps)][value]

    def moved(read: int) -> int:
        return first + 1 if read == value else read + 2 if read >= first else read

    extra = (Step("number", (), (), "", factor), Step("mul", (value, first), (labels, ""), labels))
    later = [replace(step, inputs=tuple(map(moved, step.inputs))) for step in program.steps[place:]]
    return replace(program, steps=(*program.steps[:place], *extra, *later), result=moved(program.result))
