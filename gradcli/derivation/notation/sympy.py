"""An entry in index notation as an expression of sympy's, over `IndexedBase`s and whole indices."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gradcli.derivation.notation.parsed import Parsed, bound_names, callee, is_sum_over_indices
from gradcli.derivation.notation.ranges import last_of
from gradcli.derivation.notation.terms import call
from gradcli.errors import NotSupportedError
from gradcli.python_trees import expression_tree

FUNCTIONS = frozenset({
    *("exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh"),
    *("atanh", "sqrt", "erf", "erfc", "erfinv", "sign", "floor", "polygamma", "digamma"),
})  # fmt: skip
# What PyTorch has, in the words that sympy has: `loggamma` would be complex where the function is real.
WRITTEN: Mapping[str, str] = {
    "abs": "Abs({0})",
    "ceil": "ceiling({0})",
    "lgamma": "log(Abs(gamma({0})))",
    "sigmoid": "1/(1 + exp(-({0})))",
    "logical_and": "And({0}, {1})",
    "logical_or": "Or({0}, {1})",
    "logical_not": "Not({0})",
    "special.i0": "besseli(0, {0})",
    "special.i1": "besseli(1, {0})",
    "special.i0e": "exp(-Abs({0}))*besseli(0, {0})",
    "special.i1e": "exp(-Abs({0}))*besseli(1, {0})",
    "special.bessel_j0": "besselj(0, {0})",
    "special.bessel_j1": "besselj(1, {0})",
}
RELATIONS: Mapping[type[ast.cmpop], str] = {ast.Eq: "Eq", ast.NotEq: "Ne"}
CONSTANTS: Mapping[str, str] = {"inf": "oo", "nan": "nan", "pi": "pi"}
# All the names of sympy's in the text: a tensor of such a name has another one.
WORDS = FUNCTIONS | {
    *(
        "Abs",
        "And",
        "Array",
        "Eq",
        "IndexedBase",
        "Integer",
        "KroneckerDelta",
        "Ne",
        "Not",
        "Or",
        "Piecewise",
        "Rational",
        "Sum",
    ),
    *("Symbol", "besseli", "besselj", "ceiling", "gamma", "symbols", *CONSTANTS.values()),
}
# A diagonal matrix is read at two indices; a diagonal, at one.
DIAGONAL, ZERO = 2, ast.Constant(0)
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Pow, ast.Mod)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tensor as sympy's expression."""

    text: str
    """The expression."""
    free: tuple[str, ...]
    """The entry's own indices; 0 along an axis of length 1."""
    letters: tuple[str, ...]
    """All indices in it, those of its sums among them."""


def sympy(formula: Parsed, names: Mapping[str, str]) -> Entry:
    """Return an entry; `names` has the variable of each tensor.

    Raises NotSupportedError if the entry holds what sympy has no word for.
    """
    free = formula.indices or ()
    letters = tuple(dict.fromkeys([*(letter for letter in free if letter != "0"), *bound_names(formula.body)]))
    return Entry(ast.unparse(_Expression(names).visit(formula.body)), free, letters)


def variables(names: Sequence[str]) -> dict[str, str]:
    """Return the variable of each tensor: its name, with `_` after it where sympy's own is in the text."""
    found: dict[str, str] = {}
    for name in names:
        own = name
        while own in WORDS or (own != name and own in names):
            own += "_"
        found[name] = own
    return found


def declarations(
    shapes: Mapping[str, Sequence[int | str]], sizes: Sequence[str], letters: Sequence[str]
) -> Iterator[str]:
    """Yield the lines that declare tensors of some shapes, lengths that have names, and indices."""
    yield from ("from sympy import *", "")
    names = variables([*shapes])
    yield from (f'{names[name]} = IndexedBase("{name}", real=True)' for name, shape in shapes.items() if shape)
    yield from (f'{names[name]} = Symbol("{name}", real=True)' for name, shape in shapes.items() if not shape)
    for several, known in ((sizes, "positive"), (letters, "nonnegative")):
        if several:
            yield f'{", ".join(several)} = symbols("{" ".join(several)}", integer=True, {known}=True)'


class _Expression(ast.NodeTransformer):
    """Turns Python's words for sums and choices into sympy's, and refuses every other."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Refuse what has no method here."""
        raise NotSupportedError(f"sympy has no word for `{ast.unparse(node)}` in an expression of single entries")

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Return a number; text is none."""
        if not isinstance(node.value, int | float):
            self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return a tensor's variable, an index, a length or a constant."""
        return ast.Name(CONSTANTS.get(node.id) or self.names.get(node.id, node.id))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Return a number with its sign, or the opposite of a condition."""
        inner = self.visit(node.operand)
        return call("Not", inner) if isinstance(node.op, ast.Not) else ast.UnaryOp(node.op, inner)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return arithmetic; a quotient of whole numbers, and a power of one, is exact."""
        if not isinstance(node.op, ARITHMETIC):
            self.generic_visit(node)
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.FloorDiv):
            return call("floor", self.visit(ast.BinOp(node.left, ast.Div(), node.right)))
        if isinstance(node.op, ast.Div | ast.Pow) and _is_whole(node.left) and _is_whole(node.right):
            is_quotient = isinstance(node.op, ast.Div)
            return call("Rational", left, right) if is_quotient else ast.BinOp(call("Integer", left), node.op, right)
        return ast.BinOp(left, node.op, right)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """Return a choice."""
        return self._choice(node.test, node.body, node.orelse)

    def _choice(self, test: ast.expr, body: ast.expr, otherwise: ast.expr) -> ast.expr:
        rest = self.visit(otherwise)
        first = ast.Tuple([self.visit(body), self.visit(test)])
        if isinstance(rest, ast.Call) and callee(rest) == "Piecewise":
            return call("Piecewise", first, *rest.args)
        return call("Piecewise", first, ast.Tuple([rest, ast.Constant(value=True)]))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Return a relation; Python's own would compare expressions, and not say that they are equal."""
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        name = RELATIONS.get(type(node.ops[0]))
        return call(name, left, right) if name else ast.Compare(left, node.ops, [right])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """Return a conjunction or disjunction."""
        name = "And" if isinstance(node.op, ast.And) else "Or"
        return call(name, *[self.visit(part) for part in node.values])

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Return a place of a tensor, or of a list, which is an array: that can be read at an index without a value."""
        places = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        indices = [self.visit(place) for place in places]
        match node.value:
            case ast.Name() as tensor:
                return _at(self.visit(tensor), indices)
            case ast.Call(func=ast.Name("tensor"), args=[ast.List() as values]):
                return _repeated(values) or _at(call("Array", values), indices)
            case ast.Subscript(value=ast.Name() as tensor, slice=ast.List() as chosen) if _is_flat(chosen):
                return _at(self.visit(tensor), [_at(call("Array", chosen), indices[:1]), *indices[1:]])
            case ast.Call(func=ast.Name("one_hot"), args=[ast.Name() as index, _]):
                return call("KroneckerDelta", self._labels(index, indices[:-1]), indices[-1])
            case ast.Call(func=ast.Name("diag"), args=[ast.Name() as vector], keywords=[]) if len(indices) == DIAGONAL:
                return self._choice(ast.Compare(places[0], [ast.Eq()], [places[1]]), _at(vector, places[:1]), ZERO)
        self.generic_visit(node)
        return node

    def _labels(self, index: ast.Name, indices: Sequence[ast.expr]) -> ast.expr:
        return _at(self.visit(index), indices) if indices else self.visit(index)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a function, or a sum with its limits."""
        if is_sum_over_indices(node):
            return self._sum(node.args[0])
        name = callee(node) or ""
        if name == "where":
            return self._choice(*node.args)
        if node.keywords or name not in FUNCTIONS | {*WRITTEN}:
            self.generic_visit(node)
        arguments = [self.visit(argument) for argument in node.args]
        if name in FUNCTIONS:
            return call(name, *arguments)
        return expression_tree(WRITTEN[name].format(*map(ast.unparse, arguments)))

    def _sum(self, node: ast.expr) -> ast.expr:
        assert isinstance(node, ast.GeneratorExp)  # noqa: S101 (what a sum over indices sums)
        limits = []
        for loop in reversed(node.generators):
            assert isinstance(loop.iter, ast.Call)  # noqa: S101 (range)
            *start, stop = loop.iter.args
            low = self.visit(start[0]) if start else ast.Constant(0)
            limits.append(ast.Tuple([loop.target, low, self.visit(last_of(stop))]))
        return call("Sum", self.visit(node.elt), *limits)


def _at(tensor: ast.expr, indices: Sequence[ast.expr]) -> ast.expr:
    return ast.Subscript(tensor, indices[0] if len(indices) == 1 else ast.Tuple([*indices]))


def _repeated(values: ast.List) -> ast.expr | None:
    """Return the number that every entry of a list is; None if there are several, or lists in it."""
    numbers = {value.value for value in values.elts if isinstance(value, ast.Constant)}
    if len(numbers) != 1 or not all(isinstance(value, ast.Constant) for value in values.elts):
        return None
    (number,) = numbers
    return ast.Constant(int(number) if isinstance(number, float) and number.is_integer() else number)


def _is_flat(values: ast.List) -> bool:
    """Tell whether a list is of places, counted from the front."""
    return all(isinstance(value, ast.Constant) and isinstance(value.value, int) for value in values.elts)


def _is_whole(node: ast.expr) -> bool:
    """Tell whether an expression is a whole number."""
    match node:
        case ast.Constant(value=int()):
            return True
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _is_whole(inner)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult(), right=right):
            return _is_whole(left) and _is_whole(right)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int())):
            return _is_whole(left)
    return False
