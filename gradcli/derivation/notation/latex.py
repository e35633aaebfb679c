"""A formula as LaTeX: matrices side by side, sums with their limits, choices as cases."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradcli.derivation.notation.choices import RELATIONS, cases, connective, is_delta, is_new
from gradcli.derivation.notation.leading import number_first
from gradcli.derivation.notation.parsed import Parsed, callee, is_sum_over_indices
from gradcli.derivation.notation.pieces import (
    ATOM,
    CHOICE,
    CONSTANTS,
    HADAMARD,
    POWER,
    PRODUCT,
    SIGN,
    SUM,
    Piece,
    binds,
    function_name,
    number,
    side_by_side,
    times,
)
from gradcli.derivation.notation.ranges import last_of
from gradcli.derivation.notation.ranks import MATRIX, rank
from gradcli.errors import NotSupportedError
from gradcli.escaping import escape_latex, latex_name

ONES = r"\mathbf{1}"
CASES = 3  # a condition, and what it chooses between


def latex_of(formula: Parsed, ranks: Mapping[str, int]) -> str | None:
    """Return a formula as LaTeX, with the entry that it is of in front; None where something in it has no LaTeX."""
    try:
        text = Writer(ranks).write(formula.body).text
    except NotSupportedError:
        return None
    return text if formula.indices is None else rf"\left[{', '.join(formula.indices)}\right]: {text}"


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes formulas over tensors of known ranks."""

    ranks: Mapping[str, int]

    def write(self, node: ast.expr) -> Piece:
        """Return an expression."""
        match node:
            case ast.Constant() | ast.Name() | ast.Tuple() | ast.List():
                return self._item(node)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return Piece(f"-{self.write(inner).at_least(HADAMARD)}", SIGN)
            case ast.BinOp():
                return self._operation(node)
            case ast.Attribute(value=inner, attr="T"):
                return self._transpose(inner)
            case ast.Subscript():
                return self._read(node)
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return self._cases(test, body, otherwise)
            case ast.Compare() | ast.BoolOp():
                return self._condition(node)
            case ast.Call():
                return self._call(node)
        return Piece(rf"\mathtt{{{escape_latex(ast.unparse(node))}}}")

    def _item(self, node: ast.Constant | ast.Name | ast.Tuple | ast.List) -> Piece:
        """Return a number, a name, or several in brackets."""
        match node:
            case ast.Constant(value=str(value)):
                return Piece(rf"\mathtt{{{escape_latex(value)}}}")
            case ast.Tuple(elts=items) | ast.List(elts=items):
                left, right = "()" if isinstance(node, ast.Tuple) else "[]"
                return Piece(rf"\left{left}{', '.join(self.write(item).text for item in items)}\right{right}")
            case ast.Constant(value=bool(value)):
                return Piece(rf"\mathrm{{{value}}}")
            case ast.Constant(value=value):
                return number(r"\ldots" if value is ... else str(value))
            case ast.Name(id=name):
                return Piece(CONSTANTS.get(name) or latex_name(name))

    def _has_matrix(self, *nodes: ast.expr) -> bool:
        return any(rank(node, self.ranks) >= MATRIX for node in nodes)

    def _beside(self, *nodes: ast.expr, is_matrix: bool = False) -> list[Piece]:
        """Return operands of what is computed entry by entry: beside a matrix, a vector is repeated in every row."""
        is_matrix = is_matrix or self._has_matrix(*nodes)
        return [
            Piece(f"{ONES} {self._row(node).text}", PRODUCT)
            if is_matrix and rank(node, self.ranks) == 1
            else self.write(node)
            for node in nodes
        ]

    def _operation(self, node: ast.BinOp) -> Piece:
        is_product = isinstance(node.op, ast.MatMult)
        left, right = map(self.write, (node.left, node.right)) if is_product else self._beside(node.left, node.right)
        match node.op:
            case ast.Add():
                return Piece(f"{left.at_least(SUM)} + {right.at_least(HADAMARD)}", SUM)
            case ast.Sub():
                return Piece(f"{left.at_least(SUM)} - {right.at_least(HADAMARD)}", SUM)
            case ast.Div():
                return Piece(rf"\frac{{{left.text}}}{{{right.text}}}", PRODUCT)
            case ast.FloorDiv():
                return Piece(rf"\left\lfloor \frac{{{left.text}}}{{{right.text}}} \right\rfloor")
            case ast.Pow():
                return self._power(node, left, right)
            case ast.MatMult():
                return self._matrix_product(node)
            case ast.Mod():
                return Piece(rf"{left.at_least(PRODUCT)} \bmod {right.at_least(POWER)}", PRODUCT)
        return self._product(node, left, right)

    def _matrix_product(self, node: ast.BinOp) -> Piece:
        """Return a product, its number first; every vector is a column: `x @ A` is the transpose of A times x."""
        factor, rest = number_first(node)
        if factor is not None:
            return times(self.write(factor), self._matrix_product(rest))
        left, right = node.left, node.right
        if rank(left, self.ranks) != 1:
            first = self.write(left)
            return side_by_side(first, self.write(right))
        if rank(right, self.ranks) == 1:
            return side_by_side(self._row(left), self.write(right))
        return side_by_side(self._transpose(right), self.write(left))

    def _row(self, node: ast.expr) -> Piece:
        """Return the transpose of a column."""
        match node:
            case ast.BinOp(left=left, op=ast.MatMult(), right=right) if rank(left, self.ranks) == 1:
                return side_by_side(self._row(left), self.write(right))
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                return side_by_side(self._row(right), self._transpose(left))
        return Piece(rf"{self.write(node).at_least(ATOM)}^{{\top}}", POWER)

    def _product(self, node: ast.BinOp, left: Piece, right: Piece) -> Piece:
        if outer := self._outer(node):
            return outer
        both = rank(node.left, self.ranks) and rank(node.right, self.ranks)
        digits = right.text[:1].isdigit()
        sign = r" \odot " if both else r" \cdot " if digits else " "
        if both:
            return Piece(f"{left.at_least(SIGN)}{sign}{right.at_least(PRODUCT)}", HADAMARD)
        return Piece(f"{left.at_least(SIGN)}{sign}{right.at_least(POWER)}", binds(left))

    def _outer(self, node: ast.BinOp) -> Piece | None:
        """Return a product of a column and a row, `x[:, None]*y`, as a matrix product."""
        match node.left:
            case ast.Subscript(value=column, slice=ast.Tuple(elts=[ast.Slice(), ast.Constant(value=None)])):
                if rank(column, self.ranks) == rank(node.right, self.ranks) == 1:
                    return side_by_side(self.write(column), self._row(node.right))
        return None

    def _power(self, node: ast.BinOp, left: Piece, right: Piece) -> Piece:
        exponent = right.text if rank(node.left, self.ranks) < MATRIX else rf"\circ {right.text}"
        return Piece(f"{left.at_least(ATOM)}^{{{exponent}}}", POWER)

    def _transpose(self, inner: ast.expr) -> Piece:
        if isinstance(inner, ast.Attribute) and inner.attr == "T":
            return self.write(inner.value)
        if isinstance(inner, ast.Call) and callee(inner) == "inv":
            return Piece(rf"{self.write(inner.args[0]).at_least(ATOM)}^{{-\top}}", POWER)
        return Piece(rf"{self.write(inner).at_least(ATOM)}^{{\top}}", POWER)

    def _read(self, node: ast.Subscript) -> Piece:
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if any(isinstance(item, ast.Slice) or is_new(item) for item in items):
            return self._part(node, items)
        base = self.write(node.value).at_least(ATOM)
        return Piece(f"{base}_{{{', '.join(self.write(item).text for item in items)}}}")

    def _part(self, node: ast.Subscript, items: Sequence[ast.expr]) -> Piece:
        """Return a part of a tensor; a vector as a column is repeated by a row of ones, or is a row."""
        if rank(node.value, self.ranks) == 1 and len(items) == MATRIX and is_new(items[1]):
            return Piece(rf"{self.write(node.value).at_least(PRODUCT)} {ONES}^{{\top}}", PRODUCT)
        if rank(node.value, self.ranks) == 1 and len(items) == MATRIX and is_new(items[0]):
            return self._row(node.value)
        places = escape_latex(", ".join(ast.unparse(item) for item in items)).replace("None", r"\mathrm{None}")
        read = self.write(node.value).at_least(ATOM)
        read = f"{{{read}}}" if "_" in read else read
        return Piece(rf"{read}_{{[{places}]}}")

    def _cases(self, test: ast.expr, body: ast.expr, otherwise: ast.expr) -> Piece:
        if is_delta(test, body, otherwise):
            assert isinstance(test, ast.Compare)  # noqa: S101 (a delta's)
            sides = (self.write(side).text for side in (test.left, *test.comparators))
            return Piece(rf"\delta_{{{', '.join(sides)}}}")
        is_matrix = self._has_matrix(body, otherwise, test)
        value, other = self._beside(body, otherwise, is_matrix=is_matrix)
        decides = self._condition(test, is_matrix=is_matrix).text
        return Piece(cases(value.text, decides, other.text))

    def _condition(self, node: ast.expr, *, is_matrix: bool = False) -> Piece:
        """Return a test; beside a matrix, one of a vector's entries is that of every row."""
        match node:
            case ast.BoolOp() | ast.Call() if connective(node):
                return self._connected(node, is_matrix=is_matrix)
            case ast.Subscript(value=ast.Compare() as inner):  # the same in a whole row
                return self._condition(inner)
            case ast.Compare(left=left, ops=[operator, *_], comparators=[right, *_]):  # `x > 0 != 0` is x > 0
                one, other = self._beside(left, right, is_matrix=is_matrix)
                return Piece(f"{one.text} {RELATIONS[type(operator)]} {other.text}", CHOICE)
        return self.write(node)

    def _connected(self, node: ast.BoolOp | ast.Call, *, is_matrix: bool) -> Piece:
        """Return several tests; one that is connected in another way is in parentheses."""
        sign, tests = connective(node), node.values if isinstance(node, ast.BoolOp) else node.args
        texts = [
            rf"\left({text}\right)" if connective(test) not in {"", sign} else text
            for test in tests
            for text in (self._condition(test, is_matrix=is_matrix).text,)
        ]
        return Piece(f" {sign} ".join(texts), CHOICE)

    def _call(self, node: ast.Call) -> Piece:
        if connective(node):
            return self._condition(node)
        if is_sum_over_indices(node):
            return self._sum(node.args[0])
        name = callee(node)
        if name is None:
            return self._method(node)
        return self._special(name, node) or self._function(name, node.args, node.keywords)

    def _special(self, name: str, node: ast.Call) -> Piece | None:
        """Return what has a notation of its own."""
        first = node.args[0] if node.args else None
        if first is None:
            return None
        match name:
            case "sqrt":
                return Piece(rf"\sqrt{{{self.write(first).text}}}")
            case "abs":
                return Piece(rf"\left|{self.write(first).text}\right|")
            case "inv":
                return Piece(rf"{self.write(first).at_least(ATOM)}^{{-1}}", POWER)
            case "matrix_exp":
                return Piece(rf"e^{{{self.write(first).text}}}", POWER)
            case "eye":
                return Piece(f"I_{{{ast.unparse(first)}}}")
            case "ones":
                return Piece(ONES)
            case "where" if len(node.args) == CASES:
                return self._cases(*node.args)
        return self._of_matrices(name, node, first)

    def _of_matrices(self, name: str, node: ast.Call, first: ast.expr) -> Piece | None:
        match name:
            case "outer":
                return side_by_side(self.write(first), self._row(node.args[1]))
            case "norm" if not node.keywords and len(node.args) == 1:
                return Piece(rf"\left\lVert {self.write(first).text} \right\rVert")
            case "matrix_power":
                return Piece(f"{self.write(first).at_least(ATOM)}^{{{self.write(node.args[1]).text}}}", POWER)
            case "sum" if rank(first, self.ranks) in {1, MATRIX}:
                return self._total(first, node.keywords)
        return None

    def _total(self, node: ast.expr, words: Sequence[ast.keyword]) -> Piece | None:
        """Return the sum of a vector's or a matrix's entries, or of a matrix's rows or columns, by a vector of ones."""
        axes = [word.value.value for word in words if isinstance(word.value, ast.Constant)]
        inner = self.write(node)
        if rank(node, self.ranks) == 1:
            return Piece(rf"{ONES}^{{\top}} {inner.at_least(POWER)}", PRODUCT)
        if not words:
            return Piece(rf"{ONES}^{{\top}} {inner.at_least(POWER)} {ONES}", PRODUCT)
        if axes in ([1], [-1]):
            return Piece(rf"{inner.at_least(POWER)} {ONES}", PRODUCT)
        return Piece(rf"{inner.at_least(ATOM)}^{{\top}} {ONES}", PRODUCT) if axes else None

    def _function(self, name: str, arguments: Sequence[ast.expr], words: Sequence[ast.keyword]) -> Piece:
        own = function_name(name)
        axes = [ast.unparse(word.value).strip("()") for word in words if word.arg == "dim"]
        own += "".join(f"_{{{escape_latex(axis)}}}" for axis in axes if axis != "-1" or name in {"sum", "mean"})
        inside = ", ".join(self.write(argument).text for argument in arguments)
        return Piece(rf"{own}\left({inside}\right)")

    def _method(self, node: ast.Call) -> Piece:
        if not isinstance(node.func, ast.Attribute):
            raise NotSupportedError(f"there is no LaTeX of `{ast.unparse(node)}`")
        return self._function(node.func.attr, [node.func.value, *node.args], node.keywords)

    def _sum(self, node: ast.expr) -> Piece:
        assert isinstance(node, ast.GeneratorExp)  # noqa: S101 (what a sum over indices sums)
        signs = "".join(self._limits(loop) for loop in node.generators)
        return Piece(f"{signs} {self.write(node.elt).at_least(PRODUCT)}", PRODUCT)

    def _limits(self, loop: ast.comprehension) -> str:
        assert isinstance(loop.iter, ast.Call)  # noqa: S101 (range)
        *start, stop = loop.iter.args
        low = self.write(start[0]).text if start else "0"
        letter, high = ast.unparse(loop.target), self.write(last_of(stop)).text
        return rf"\sum_{{{letter}={low}}}^{{{high}}}"
