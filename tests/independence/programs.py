"""Random programs over the op table: the examples of its records, chained by the shapes of their leaves."""

from __future__ import annotations

import ast
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import NotSupportedError
from gradcli.execution.forward.callables import function
from gradcli.execution.forward.domains import domains, draw, leaves_for, parse_example
from gradcli.execution.forward.dtypes import double_precision
from gradcli.inputs.programs import read
from gradcli.ops.record import Kind
from gradcli.ops.table import OPS, find, names
from gradcli.settings import Settings

Shape = tuple[int, ...]
Leaves = dict[str, Tensor]

MOST_LEAVES = 3
FEWEST_CALLS, MOST_CALLS = 2, 6
LARGEST_VALUE = 1e3
# Shapes that an op on one tensor of any shape is tried at, beside those of its example.
SHAPES: tuple[Shape, ...] = ((), (3,), (2, 3), (3, 3), (2, 2, 3), (2, 1))

# Left out, with the reason.
INACCURATE = frozenset({"hardsigmoid", "hardswish"})  # PyTorch's backward multiplies by 1/6 in float32
INACCURATE |= {"digamma", "polygamma"}  # the derivative of either, where they are the same, is off by 5e-10
WRONG = frozenset({"ctc_loss", "cholesky_solve", "cholesky_inverse"})  # and here PyTorch's gradient is another one

# What has, by PyTorch's own definition, another gradient than its slope.
NO_SLOPE = ("detach", "padding_idx")

# What brings any real tensor called v into a domain.
INTO = {
    "(0, inf)": "exp(tanh({v}))",
    "(-1, 1)": "0.9*tanh({v})",
    "(0, 1)": "sigmoid({v})",
    "(1, inf)": "1.25 + exp(tanh({v}))",
    "invertible": "tanh({v}) + 4*eye({n})",
    "positive definite": "tanh({v}) @ tanh({v}).mT + eye({n})",
}

NAMESPACE: dict[str, Any] = {name: function(op.torch) for name in names() if "." not in name and (op := find(name))} | {
    "torch": torch,
    "F": torch.nn.functional,
    "special": torch.special,
    "linalg": torch.linalg,
    "fft": torch.fft,
    "inf": math.inf,
}


@dataclass(frozen=True)
class Template:
    """An example of the table: a program, its leaves' shapes, and the domains that they have to lie in."""

    program: str
    shapes: dict[str, Shape]
    domains: dict[str, str]
    free: bool  # its one leaf may have any shape


@dataclass
class Random:
    """A program in the making."""

    random: random.Random
    statements: list[str] = field(default_factory=list)
    leaves: dict[str, Shape] = field(default_factory=dict)
    values: dict[str, Shape] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    tensors: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Generated:
    """A program, a point, and the weights that make one number of its output."""

    text: str
    leaves: dict[str, Tensor]
    weights: Tensor


def templates(knows: Callable[[str, Leaves], bool]) -> list[Template]:
    """Return the examples of every op with a gradient whose program, at its point, `knows` accepts."""
    found = []
    for op in OPS:
        for example in op.examples if op.kind is not Kind.CONSTANT and op.name not in INACCURATE | WRONG else ():
            text, shapes = parse_example(example)
            program = read(text, Settings(shapes=dict(shapes)))
            slope = not any(word in text for word in NO_SLOPE)
            if slope and knows(text, leaves_for(program, shapes, find)):
                free = op.kind is Kind.POINTWISE and len(shapes) == 1
                found.append(Template(text, shapes, domains(program, find), free))
    return found


def generate(seed: int, choices: list[Template]) -> Generated | None:
    """Return a random program of a seed, or None if PyTorch refuses it, or it leaves the range of tame numbers."""
    return compose(random.Random(seed), choices, seed)  # noqa: S311 (tests have to be repeatable)


def compose(source: random.Random, choices: list[Template], seed: int) -> Generated | None:
    """Return a program that a source of random numbers decides on; the seed decides on the weights."""
    made = Random(source)
    try:
        for _ in range(made.random.randint(FEWEST_CALLS, MOST_CALLS)):
            _append(made, _choose(made, choices))
        _state(made, f"result = {_ending(made)}")
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, NotSupportedError):
        return None
    output = made.tensors["result"]
    tame = (bool((value.abs() < LARGEST_VALUE).all()) for value in made.tensors.values() if isinstance(value, Tensor))
    if not all(tame) or not output.is_floating_point() or not output.numel():
        return None
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    text = "\n".join(made.statements).replace("\nresult = ", "\n")
    return Generated(text, {name: made.tensors[name] for name in made.leaves}, weights)


def _choose(made: Random, choices: list[Template]) -> Template:
    """Return a template, rather one whose leaves have shapes that are at hand."""
    few = [made.random.choice(choices) for _ in range(3)]
    return max(few, key=lambda template: template.free or set(template.shapes.values()) <= set(made.values.values()))


def _append(made: Random, template: Template) -> None:
    """Append a template's program with values of the program so far in the place of its leaves."""
    shapes = dict(template.shapes)
    if template.free:
        at_hand = [shape for shape in made.values.values() if len(shape) < 4]
        shapes = {name: made.random.choice(at_hand or list(SHAPES)) for name in shapes}
    instead: dict[str, str] = {}
    for name, shape in shapes.items():
        instead[name] = _operand(made, shape, template.domains.get(name), set(instead.values()))
    lines = renamed(template.program, instead, len(made.values))
    *before, last = lines
    for line in before:
        _state(made, line)
    _assign(made, last)


def renamed(program: str, instead: dict[str, str], number: int) -> list[str]:
    """Return a program's statements with its leaves replaced, and its own names made fresh."""
    tree = ast.parse(program)
    own = {
        node.id: f"{node.id}{number}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = (instead | own).get(node.id, node.id)
    return [ast.unparse(statement) for statement in tree.body]


def _operand(made: Random, shape: Shape, domain: str | None, taken: set[str]) -> str:
    """Return a value of a shape and domain; not one that is taken, because `l1_loss(x, x)` is at a kink."""
    fitting = [name for name, own in made.values.items() if own == shape and name not in taken]
    if fitting and made.random.random() < 0.7:
        name = made.random.choice(fitting)
    elif len(made.leaves) < MOST_LEAVES:
        name = "xyz"[len(made.leaves)]
        made.leaves[name] = made.values[name] = shape
        made.tensors[name] = _leaf(made, shape)
    else:
        name = made.random.choice(fitting or [name for name in made.values if name not in taken] or list(made.values))
    made.used.add(name)
    if made.values[name] != shape:
        name = _assign(made, _adapted(name, made.values[name], shape))
        made.used.add(name)
    if domain is not None and domain in INTO:
        name = _assign(made, INTO[domain].format(v=name, n=shape[-1] if shape else 1))
        made.used.add(name)
    return name


def _adapted(name: str, own: Shape, wanted: Shape) -> str:
    """Return an expression that makes a tensor of a different shape; no two entries of it are equal."""
    have, need = math.prod(own), math.prod(wanted)
    if not wanted:
        return f"{name}.sum()"
    flat = f"reshape({name}, ({have},))"
    if have < need:
        flat = f"(tile({flat}, ({math.ceil(need / have)},)) + arange({have * math.ceil(need / have)})/8)"
    return f"reshape({flat}[0:{need}], {wanted})" if have != need else f"reshape({flat}, {wanted})"


def _assign(made: Random, expression: str) -> str:
    name = f"v{len(made.values)}"
    _state(made, f"{name} = {expression}")
    made.values[name] = tuple(made.tensors[name].shape)
    return name


def _state(made: Random, statement: str) -> None:
    """Append a statement, and run it for the shapes of what it makes."""
    made.statements.append(statement)
    with double_precision():
        exec(statement, NAMESPACE, made.tensors)  # noqa: S102 (our own text)


def _ending(made: Random) -> str:
    """Return a last statement on which everything has an influence."""
    unused = [name for name in made.values if name not in made.used]
    *others, last = unused
    return " + ".join([last, *(f"{name}.sum()" for name in others)]) if others else f"{last}*1"


def _leaf(made: Random, shape: Shape) -> Tensor:
    """Return a point, no entry of which ties with one of another leaf."""
    generator = torch.Generator().manual_seed(made.random.randrange(2**32))
    return draw("real", shape, generator) + len(made.leaves) / 512


def execute(text: str, leaves: Leaves) -> Tensor:
    """Return the output of a program, run by Python itself with PyTorch's functions."""
    variables: dict[str, Any] = {**leaves}
    *lines, last = text.split("\n")
    with double_precision():
        exec("\n".join([*lines, f"result = {last}"]), NAMESPACE, variables)  # noqa: S102 (our own text)
    result: Tensor = variables["result"]
    return result
