"""`gradcli ops`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gradcli.ops.record import Op

NameArgument = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="One op; without it all are listed.", show_default=False)
]
LONGEST_DEFINITION = 72


def ops(name: NameArgument = None) -> int:
    """List the supported ops, or show how one is defined.

    An op is defined, never differentiated by hand: its derivative is derived from
    the definition that is shown here.

    Examples:
      gradcli ops
      gradcli ops sigmoid
      gradcli ops torch.matmul
    """
    from gradcli.ops.table import OPS
    from gradcli.output import write

    text = list_text([op for op in OPS if not op.name.startswith("_")]) if name is None else op_text(find_op(name))
    write(text, None)
    return 0


def find_op(name: str) -> Op:
    """Return the op that the name stands for, with or without PyTorch's prefix, or say which name is near."""
    from gradcli.errors import InputError
    from gradcli.inputs import suggest
    from gradcli.ops.table import find, names

    op = find(name)
    if op is not None:
        return op
    near = suggest(name.rpartition(".")[2], names())
    hint = f"did you mean '{near}'? `gradcli ops` lists all" if near else "`gradcli ops` lists all"
    raise InputError(f"unknown op '{name}'", hint=hint)


def list_text(table: Sequence[Op]) -> str:
    """Return the table by family: name, kind and definition of every op on a line."""
    families: dict[str, list[Op]] = {}
    for op in table:
        families.setdefault(op.family, []).append(op)
    width = max(len(op.name) for op in table)
    blocks = []
    for family, members in families.items():
        lines = [f"  {op.name:<{width}}  {op.kind:<9}  {_one_line(op.definition)}".rstrip() for op in members]
        blocks.append("\n".join([family, *lines]))
    return "\n\n".join([*blocks, f"{len(table)} ops; `gradcli ops NAME` shows one in full"]) + "\n"


def op_text(op: Op) -> str:
    """Return everything that the table holds about one op."""
    facts = {
        "signature": op.signature,
        "torch": op.torch,
        "aliases": ", ".join(op.aliases),
        "family": op.family,
        "kind": str(op.kind),
        "definition": op.definition,
        "entry": op.entry,
        "along": op.along or "",
        "domain": ", ".join(f"{operand}: {domain}" for operand, domain in op.domain.items()),
        "kinks": op.kinks or "",
        "jumps": op.jumps or "",
        "derivative": derivative_text(op),
        "examples": "\n".join(map(example_command, op.examples)),
    }
    return "".join(_fact(name, text) for name, text in facts.items() if text)


def derivative_text(op: Op) -> str:
    """Return the gradients of the first example, as derived: `grad_output` is the upstream gradient."""
    from gradcli.errors import GradcliError
    from gradcli.inputs import parse_shapes
    from gradcli.session import evaluate_program
    from gradcli.settings import Limits, Settings

    if not op.examples:
        return ""
    program, shapes = split_example(op.examples[0])
    settings = Settings(shapes=parse_shapes(shapes, Limits()), init="uniform", grad_output="randn")
    try:
        report = evaluate_program(program, settings)
    except GradcliError:
        return ""  # the example's values are outside the op's domain
    leaves = [tensor for tensor in report.tensors if tensor.kind == "leaf" and tensor.symbolic is not None]
    lines = [f"{tensor.name}: {tensor.symbolic.formula}" for tensor in leaves if tensor.symbolic]
    return "\n".join([f"of {program}", *lines])


def split_example(example: str) -> tuple[str, list[str]]:
    """Return `softmax(x, dim=-1) | x=2x3` as the program and its shapes."""
    program, _, shapes = example.rpartition(" | ")
    return (program, shapes.split()) if program else (example, [])


def example_command(example: str) -> str:
    """Return `softmax(x, dim=-1) | x=2x3` as the command that runs it."""
    import shlex

    program, shapes = split_example(example)
    options = [word for shape in shapes for word in ("--shape", shape)]
    return shlex.join(["gradcli", "eval", program, *options, "--grad-output", "ones"])


def _fact(name: str, text: str) -> str:
    first, *others = text.strip().split("\n")
    return "\n".join([f"{name:<12}{first}", *(" " * 12 + line for line in others)]) + "\n"


def _one_line(definition: str) -> str:
    text = "; ".join(line.strip() for line in definition.strip().splitlines())
    return text if len(text) <= LONGEST_DEFINITION else text[: LONGEST_DEFINITION - 4] + " ..."
