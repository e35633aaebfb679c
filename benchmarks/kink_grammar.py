"""Random programs of piecewise ops, at points where they bend: ties, zeros, constants of ops, extreme magnitudes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

UNARY = {
    "neg": "-({})",
    "abs": "abs({})",
    "relu": "relu({})",
    "sign": "sign({})",
    "floor": "floor({})",
    "ceil": "ceil({})",
    "round": "round({})",
    "relu6": "F.relu6({})",
    "hardtanh": "F.hardtanh({})",
    "hardsigmoid": "F.hardsigmoid({})",
    "hardswish": "F.hardswish({})",
    "leaky_relu": "F.leaky_relu({}, 0.25)",
    "elu": "F.elu({})",
    "softshrink": "F.softshrink({}, 0.5)",
    "hardshrink": "F.hardshrink({}, 0.5)",
    "threshold": "F.threshold({}, 0.5, 0.5)",
    "clamp": "clamp({}, 0, 1)",
    "clamp_min": "clamp({}, min=0)",
    "sqrt": "sqrt({})",
    "log": "log({})",
    "log1p": "log1p({})",
    "exp": "exp({})",
    "expm1": "expm1({})",
    "sin": "sin({})",
    "cos": "cos({})",
    "tanh": "tanh({})",
    "sigmoid": "sigmoid({})",
    "softplus": "F.softplus({})",
    "reciprocal": "reciprocal({})",
    "square": "({})**2",
    "pow_half": "({})**0.5",
    "pow_three_halves": "({})**1.5",
    "cube": "({})**3",
    "positive_part": "({0})*(({0}) > 0)",
    "trunc": "trunc({})",
    "frac": "frac({})",
    "celu": "F.celu({}, 0.5)",
    "softsign": "F.softsign({})",
    "root_of_square": "sqrt(({})**2)",
    "atan": "atan({})",
}
BINARY = {
    "add": "({}) + ({})",
    "sub": "({}) - ({})",
    "mul": "({})*({})",
    "div": "({})/({})",
    "maximum": "maximum({}, {})",
    "minimum": "minimum({}, {})",
    "xlogy": "xlogy({}, {})",
    "pow": "({})**({})",
    "l1_loss": "F.l1_loss({}, {}, reduction='none')",
    "huber_loss": "F.huber_loss({}, {}, reduction='none')",
    "smooth_l1_loss": "F.smooth_l1_loss({}, {}, reduction='none')",
    "hypot": "hypot({}, {})",
    "where_above": "where(({0}) > ({1}), {0}, 2*({1}))",
    "where_larger": "where(({0}) > ({1}), {0}, {1})",
    "where_positive": "where(({0}) >= 0, {0}, {1})",
    "lerp": "lerp({}, {}, 0.25)",
    "logaddexp": "logaddexp({}, {})",
    "clamp_to": "clamp({}, min={})",
    "where_equal": "where(({0}) == ({1}), {0}, {1})",
}
SCALAR_BINARY = {
    "if_larger": "(({0}) if ({0}) > ({1}) else ({1}))",
    "if_half": "(({0}) if ({0}) > ({1}) else ({0})*0.5)",
}
TO_SCALAR = {
    "sum": "({}).sum()",
    "mean": "({}).mean()",
    "prod": "prod({})",
    "amax": "({}).amax()",
    "amin": "({}).amin()",
    "max": "({}).max()",
    "min": "({}).min()",
    "median": "median({})",
    "norm": "norm({})",
    "norm1": "norm({}, 1)",
    "norm_inf": "norm({}, inf)",
    "var": "var({})",
    "std": "std({})",
    "logsumexp": "logsumexp({}, 0)",
    "first": "({})[0]",
    "range": "({0}).amax() - ({0}).amin()",
    "norm3": "norm({}, 3)",
    "kthvalue": "kthvalue({}, 1)[0]",
}
TO_VECTOR = {
    "sort": "sort({})[0]",
    "cumsum": "cumsum({}, 0)",
    "cumprod": "cumprod({}, 0)",
    "cummax": "cummax({}, 0)[0]",
    "cummin": "cummin({}, 0)[0]",
    "logcumsumexp": "logcumsumexp({}, 0)",
    "softmax": "softmax({}, 0)",
    "log_softmax": "log_softmax({}, 0)",
    "normalize": "F.normalize({}, dim=0)",
    "flip": "flip({}, [0])",
}
TEMPLATES = UNARY | BINARY | SCALAR_BINARY | TO_SCALAR | TO_VECTOR
USUAL = (0.0, 0.0, 0.0, 1.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -3.0, 6.0, 1.5, 2.5, 0.25)
EXTREME = (
    1e-10,
    -1e-10,
    1e-5,
    1e8,
    1e17,
    1e-160,
    1e160,
    1e-300,
    1e300,
    40.0,
    -40.0,
    710.0,
    float("inf"),
    -float("inf"),
)
# What Python computes of numbers as PyTorch does of tensors.
PLAIN = ("neg", "square", "cube")
# How often an entry repeats the one before, is extreme, or is any other number.
TIED, EXTREMES, ANY = 0.35, 0.04, 0.15
# How often a binary op has the same operand twice but for what is done to it: kinks that cancel.
CANCELLING = 0.3
# How often there is a second leaf, a number for a leaf, a binary op, a negated twin, a Python `if`, and a plain sum.
SECOND, NUMBER, TWO, TWIN, BRANCH, SUM = 0.5, 0.08, 0.45, 0.6, 0.2, 0.7
# How often what is used more than once is made once, and has a name.
NAMED = 0.5
HALF = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One value of a program: a leaf, a number, or an op of others."""

    op: str
    operands: tuple[Node, ...]
    text: str
    is_vector: bool
    number: float | None = None

    def walk(self) -> list[Node]:
        """Return the node and all that it is made of, each once."""
        found = {id(self): self}
        for operand in self.operands:
            found |= {id(node): node for node in operand.walk()}
        return list(found.values())


@dataclass(frozen=True, slots=True)
class Drawn:
    """A program, and the point at which to differentiate it."""

    output: Node
    point: Mapping[str, float | list[float]]
    is_named: bool = False
    """Whether what is used more than once is made once, and has a name."""

    @property
    def source(self) -> str:
        """Return the program as a user writes it."""
        return "; ".join([*self._statements, self._written(self.output)])

    @property
    def _statements(self) -> list[str]:
        return [f"{name} = {self._right_side(node)}" for name, node in self._names.items()]

    @property
    def _names(self) -> dict[str, Node]:
        """Return names for what is used more than once, operands first."""
        made = [node for node in reversed(self.output.walk()) if node.operands and node is not self.output]
        shared = [node for node in made if self.is_named and self.output.text.count(node.text) > 1]
        shared.sort(key=lambda node: len(node.text))
        return {f"s{place}": node for place, node in enumerate(shared)}

    def _written(self, node: Node) -> str:
        """Return the name of a node, or what makes it."""
        named = (name for name, other in self._names.items() if other is node)
        return next(named, None) or self._right_side(node)

    def _right_side(self, node: Node) -> str:
        if not node.operands:
            return node.text
        return TEMPLATES[node.op].format(*map(self._written, node.operands))

    @property
    def tensors(self) -> dict[str, Node]:
        """Return the nodes that are one tensor of the program each, by the names that a report has for them."""
        source, texts = self.source, ((self._written(node), node) for node in self.output.walk())
        return self._names | {text: node for text, node in texts if node.op == "leaf" or source.count(text) == 1}

    def command(self, name: str) -> str:
        """Return the command that repeats it."""
        values = " ".join(f'--value "{leaf}={_shown(value)}"' for leaf, value in self.point.items())
        return f'gradcli {name} "{self.source}" {values}'


def _shown(value: float | list[float]) -> str:
    return "[" + ",".join(map(repr, value)) + "]" if isinstance(value, list) else repr(value)


def draw(generator: random.Random) -> Drawn:
    """Return a random program at a random point."""
    size = generator.choice((1, 2, 3, 3))
    leaves = [Node("leaf", (), "x", size > 1)]
    if generator.random() < SECOND:
        leaves.append(Node("leaf", (), "y", size > 1 and generator.random() < HALF))
    output = _scalar(generator, _value(generator, leaves, generator.randint(1, 3)))
    used = {node.text: node for node in output.walk() if node.op == "leaf"}
    if not used:
        return draw(generator)
    point = {name: _point(generator, size if node.is_vector else 0) for name, node in used.items()}
    return Drawn(output, point, is_named=generator.random() < NAMED)


def _point(generator: random.Random, size: int) -> float | list[float]:
    entries: list[float] = []
    for _ in range(max(size, 1)):
        chance = generator.random()
        if entries and chance < TIED:
            entries.append(entries[-1])
        elif chance < TIED + EXTREMES:
            entries.append(generator.choice(EXTREME))
        elif chance < TIED + EXTREMES + ANY:
            entries.append(generator.randint(-160, 160) / 64)
        else:
            entries.append(generator.choice(USUAL))
    return entries if size else entries[0]


def _value(generator: random.Random, leaves: Sequence[Node], depth: int) -> Node:
    if depth == 0:
        number = generator.choice((0.5, 1.0, 2.0, -1.0, 3.0))
        return _number(number) if generator.random() < NUMBER else generator.choice(leaves)
    first = _value(generator, leaves, depth - 1)
    if not _has_leaf(first):
        return _made(generator, {name: UNARY[name] for name in PLAIN}, (first,), is_vector=False)
    if generator.random() < TWO:
        return _binary(generator, first, _second(generator, leaves, first, depth))
    if first.is_vector and generator.random() < HALF:
        table, is_vector = (TO_VECTOR, True) if generator.random() < HALF else (TO_SCALAR, False)
        return _made(generator, table, (first,), is_vector=is_vector)
    return _made(generator, UNARY, (first,), is_vector=first.is_vector)


def _number(number: float) -> Node:
    return Node("number", (), repr(number), is_vector=False, number=number)


def _has_leaf(node: Node) -> bool:
    return any(part.op == "leaf" for part in node.walk())


def _second(generator: random.Random, leaves: Sequence[Node], first: Node, depth: int) -> Node:
    if generator.random() > CANCELLING or first.op == "number":
        return _value(generator, leaves, generator.randint(0, depth - 1))
    if len(first.operands) == 1 and first.op in UNARY and generator.random() < TWIN:
        (inner,) = first.operands
        negated = Node("neg", (inner,), UNARY["neg"].format(inner.text), inner.is_vector)
        return Node(first.op, (negated,), UNARY[first.op].format(negated.text), first.is_vector)
    return _made(generator, UNARY, (first,), is_vector=first.is_vector)


def _binary(generator: random.Random, first: Node, second: Node) -> Node:
    is_vector = first.is_vector or second.is_vector
    if not is_vector and _has_leaf(first) and _has_leaf(second) and generator.random() < BRANCH:
        return _made(generator, SCALAR_BINARY, (first, second), is_vector=False)
    table = BINARY
    if not (_has_leaf(first) and _has_leaf(second)) or first.is_vector != second.is_vector:
        table = {name: BINARY[name] for name in ("add", "sub", "mul", "div")}
    return _made(generator, table, (first, second), is_vector=is_vector)


def _made(generator: random.Random, table: Mapping[str, str], operands: tuple[Node, ...], *, is_vector: bool) -> Node:
    op = generator.choice(list(table))
    return Node(op, operands, table[op].format(*(node.text for node in operands)), is_vector)


def _scalar(generator: random.Random, node: Node) -> Node:
    if not node.is_vector:
        return node
    return _made(
        generator, {"sum": TO_SCALAR["sum"]} if generator.random() < SUM else TO_SCALAR, (node,), is_vector=False
    )
