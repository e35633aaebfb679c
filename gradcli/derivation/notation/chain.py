"""Backward and jvp of an elementwise chain, a step at a time: what autograd does, in fewer passes over memory.

Steps whose results are saved for backward are results of the Function too, so that it can be differentiated again: what
flows back to them from there is added to what flows back from the output.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gradcli.derivation.notation.chain_products import Product, Values, common_factors, product_of
from gradcli.derivation.notation.parsed import names_read, parsed
from gradcli.ops.table import FUSED

# Stands for the gradient that arrives at a step.
ARRIVING = "_g"
UPSTREAM = Product(above=(ARRIVING,))
# What functions cost, in passes over memory; any other.
COSTS = {"plus": 0.0, "add": 1.0, "addcmul": 1.3, "addcdiv": 1.8, "abs": 1.0, "sign": 1.0, "square": 1.0}
COSTS |= {
    "sqrt": 1.5,
    "rsqrt": 1.5,
    "exp": 2.0,
    "where": 3.0,
    "log": 3.0,
    "sin": 3.5,
    "cos": 3.5,
    "erf": 4.0,
    "sigmoid": 4.5,
    "tanh": 5.0,
}
# PyTorch's own kernels of backward are of one pass, but for what they compute in it.
COSTS |= dict.fromkeys(FUSED, 1.2) | {"gelu_backward": 7.5, "mish_backward": 20.0}
COSTS |= {"softplus_backward": 2.2, "silu_backward": 2.2, "elu_backward": 2.2}
OTHER, DIVISION, ROOT = 8.0, 1.5, 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a chain."""

    name: str
    """Of its result."""
    partials: Mapping[str, str]
    """Operand -> what the step adds to its gradient: a formula of operands, the result and what is `ARRIVING`."""
    quotient: Product | None = None
    """What the step is, where it is nothing but a quotient of its operands."""
    fused: Mapping[str, str] = field(default_factory=dict)
    """Operand -> the same as of `partials`, by PyTorch's own kernel, where there is one."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of calls of tensors of one shape."""

    leaves: Sequence[str]
    """What it is differentiated by."""
    steps: Sequence[Step]
    """In the order in which they run; the last one is the output."""
    is_through_quotients: bool = True
    """Whether the result of a quotient is read where a derivative computes it."""

    @property
    def with_kernels(self) -> Chain:
        """Return the same by PyTorch's own kernels, where there are some."""
        steps = [replace(step, partials={**step.partials, **step.fused}) for step in self.steps]
        return replace(self, steps=steps)


@dataclass(frozen=True, slots=True)
class Statements:
    """Values in the order in which they are computed, and results after them; all as formulas."""

    values: Mapping[str, str]
    results: Mapping[str, str]

    @property
    def texts(self) -> list[str]:
        """Return the formulas."""
        return [*self.values.values(), *self.results.values()]

    @property
    def read(self) -> list[str]:
        """Return the names that are read, without those of the values."""
        names = dict.fromkeys(name for text in self.texts for name in names_read(parsed(text).body))
        return [name for name in names if name not in self.values]


def cost(text: str) -> float:
    """Return what a formula costs, in passes over memory."""
    nodes = [node for node in ast.walk(parsed(text).body) if isinstance(node, ast.expr)]
    return sum(_cost_of(node) for node in nodes if [*names_read(node)])


def _cost_of(node: ast.expr) -> float:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return COSTS.get(name, OTHER)
        case ast.Call():
            return OTHER
        case ast.BinOp(op=ast.Div()):
            return DIVISION
        case ast.BinOp(op=ast.Pow(), right=power):
            return DIVISION if isinstance(power, ast.Constant) and isinstance(power.value, int) else ROOT
        case ast.BinOp() | ast.UnaryOp() | ast.Compare():
            return 1.0
    return 0.0


def backward(chain: Chain, upstream: str, returned: Mapping[str, str]) -> Statements:
    """Return the gradients of the leaves; of steps that are `returned`, by name, the names of their own gradients."""
    values = Values()
    arriving: dict[str, list[Product]] = {chain.steps[-1].name: [Product(above=(upstream,))]}
    for step in reversed(chain.steps):
        if step.name in arriving:
            whole = values.total(arriving[step.name])
            if step.name in returned:
                whole = Product(above=(f"plus({values.text(whole)}, {returned[step.name]})",))
            for operand, part in _parts(chain, step, whole, values).items():
                arriving.setdefault(operand, []).append(part)
    return Statements(values.texts, {leaf: values.text(values.total(arriving[leaf])) for leaf in chain.leaves})


def _parts(chain: Chain, step: Step, whole: Product, values: Values) -> dict[str, Product]:
    """Return what a step adds to the gradients of its operands, with what these have in common computed once."""
    found = {operand: _part(text, whole, values) for operand, text in step.partials.items()}
    if chain.is_through_quotients:
        found = {operand: _through_result(part, step) for operand, part in found.items()}
    common = common_factors([*found.values()]) if len(found) > 1 else Product()
    if len(common.above) + len(common.below) < 2:  # noqa: PLR2004 (two, to multiply)
        return found
    named = values.tensor(common)
    return {operand: named.times(part.without(common)) for operand, part in found.items()}


def _part(text: str, whole: Product, values: Values) -> Product:
    """Return a formula with a product in the place of what is arriving."""
    part = product_of(text)
    rest = part.without(UPSTREAM)
    if part.has(UPSTREAM) and not any(ARRIVING in other for other in (*rest.above, *rest.below)):
        return whole.times(rest).reduced
    named = values.tensor(whole)  # its numbers are multiplied by later: a part is linear in what arrives
    return named.numbers.times(product_of(put(text, ARRIVING, *named.tensors.above))).reduced


def _through_result(part: Product, step: Step) -> Product:
    while step.quotient is not None and part.has(step.quotient):
        part = part.without(step.quotient).times(Product(above=(step.name,)))
    return part


def along(chain: Chain, tangents: Mapping[str, str], returned: Collection[str], known: Collection[str]) -> Statements:
    """Return the derivative along tangents of the leaves: of the output, and of the steps that are `returned`.

    Quotients whose results are `known` are read instead of computed.
    """
    values = Values()
    moving = {leaf: Product(above=(tangents[leaf],)) for leaf in chain.leaves}
    for step in chain.steps:
        parts = [_part(text, moving[operand], values) for operand, text in step.partials.items()]
        if parts:
            parts = [_through_result(part, step) if step.name in known else part for part in parts]
            moving[step.name] = values.tensor(values.total(parts))
        if step.name in returned:
            moving[step.name] = Product(above=(values.named(values.text(moving[step.name])),))
    wanted = [chain.steps[-1].name, *returned]
    return Statements(values.texts, {name: values.text(moving[name]) for name in wanted})


def put(text: str, part: str, value: str) -> str:
    """Return a formula with a part of it replaced."""
    return ast.unparse(_Putting(part, parsed(value).body).visit(parsed(text).body))


class _Putting(ast.NodeTransformer):
    def __init__(self, part: str, value: ast.expr) -> None:
        self.part, self.value = part, value

    def visit(self, node: ast.AST) -> ast.AST:
        """Return a node with the part replaced."""
        if isinstance(node, ast.expr) and ast.unparse(node) == self.part:
            return self.value
        return self.generic_visit(node)
