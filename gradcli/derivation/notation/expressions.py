"""A formula's tree as an expression that a library of tensors runs, without loops.

The indices of an entry become arrays, each along an axis of its own, so that reading at them is reading a whole tensor,
and a sum over an index is a sum over its axis. A condition on indices is a mask, and what it guards is read inside of
the tensor everywhere: positions wrap round.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from gradcli.derivation.notation.backends import MADE, TORCH, Backend
from gradcli.derivation.notation.brackets import bracketed, with_parentheses
from gradcli.derivation.notation.labels import LABELS
from gradcli.derivation.notation.numpy_helpers import with_order
from gradcli.derivation.notation.parsed import (
    CONSTANTS,
    Parsed,
    callee,
    depth_of_sums,
    index_of,
    is_number,
    is_sum_over_indices,
    names_read,
)
from gradcli.derivation.notation.poles import without_pole
from gradcli.derivation.notation.prepared import for_torch, prepared
from gradcli.derivation.notation.ranges import Letter, index_code, span, stop_of
from gradcli.derivation.notation.shapes import literal_shape
from gradcli.derivation.notation.unified import value as value_of
from gradcli.derivation.notation.whole import FLOATS
from gradcli.errors import NotSupportedError
from gradcli.python_trees import expression_tree


@dataclass(slots=True)
class Emitter:
    """Writes the expressions of one gradient; `lines` are the statements that they need before them."""

    backend: Backend
    names: Mapping[str, str]
    """What the code calls each tensor."""
    like: str
    """What the code calls the tensor whose type the numbers have."""
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """The shapes of tensors, by what the code calls them."""
    lines: list[str] = field(default_factory=list)
    helpers: dict[str, None] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)
    rank: int = 0
    depth: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    """The lengths that have names, and what they are where it is decided whether an index may lie outside."""
    integers: set[str] = field(default_factory=set)
    """The names of tensors of whole numbers, or of truth values."""
    device: str | None = None
    """What the code calls the tensor that is where new ones go; None for the default device."""
    typed: Collection[Fraction] = ()
    """The decimals of the program."""

    def expression(self, formula: Parsed, shape: Sequence[int | str]) -> str:
        """Return the expression of a formula; that of an entry has an axis at its end for every index of its sums."""
        if formula.indices is not None:
            self.rank = len(formula.indices) + depth_of_sums(formula.body)
            self.depth = len(formula.indices)
            for axis, (letter, size) in enumerate(zip(formula.indices, shape, strict=True)):
                if letter != "0":
                    length, stop = (size, "") if isinstance(size, int) else (int(value_of(size, self.sizes)), size)
                    self._enter(letter, axis, 0, length - 1, stop)
        return bracketed(self.value(self._prepared(formula.body)))

    def _prepared(self, node: ast.expr) -> ast.expr:
        """Return an expression as the library takes it."""
        shapes = {name: self.shapes[own] for name, own in self.names.items() if own in self.shapes}
        found = prepared(node, shapes, self.sizes, self.typed)
        return for_torch(found, self.integers, self.is_number) if self.backend is TORCH else found

    def _enter(self, letter: str, axis: int, low: int, high: int, stop: str = "") -> None:
        taken = {*self.names.values(), *(known.code for known in self.letters.values())}
        taken |= {line.partition(" = ")[0] for line in self.lines}
        code = letter
        while code in taken:
            code += "_"
        sizes = [-1 if place == axis else 1 for place in range(self.rank)]
        end = stop or str(high + 1)
        bounds = end if low == 0 else f"{low}, {end}"
        shape = "" if self.rank == 1 else f".reshape({', '.join(map(str, sizes))})"
        self.lines.append(f"{code} = {self.backend.module}.arange({bounds}{self.there}){shape}")
        self.letters[letter] = Letter(code, low, high, stop)

    @property
    def there(self) -> str:
        """Return the argument that puts a new tensor where the others are."""
        return f", device={self.device}.device" if self.device else ""

    @property
    def ranks(self) -> dict[str, int]:
        """Return the ranks of tensors, by the names that formulas have for them."""
        return {name: len(self.shapes[own]) for name, own in self.names.items() if own in self.shapes}

    def is_number(self, node: ast.expr) -> bool:
        """Tell whether an expression is a number, whatever the tensors are: lengths are numbers."""
        return is_number(node, self.sizes)

    def value(self, node: ast.expr) -> ast.expr:
        """Return a number or a tensor of numbers."""
        match node:
            case ast.Constant():
                return node
            case ast.Name():
                return self._name(node)
            case ast.BinOp(left=left, op=operator, right=right):
                return with_parentheses(ast.BinOp(self.value(left), operator, self.value(right)), node, self.ranks)
            case ast.UnaryOp(op=sign, operand=inner):
                return ast.UnaryOp(sign, self.value(inner))
            case ast.Call():
                return self._call(node)
            case ast.Attribute(value=inner, attr="T" | "mT" as name):
                return ast.Attribute(self.value(inner), name)
            case ast.Subscript():
                return self._read(node)
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return self._choice(self.condition(test), body, otherwise)
            case ast.Compare() | ast.BoolOp():
                return self.condition(node)
        return self._shape(node)

    def _shape(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Tuple | ast.List):
            return type(node)([self.value(item) for item in node.elts])
        raise NotSupportedError(f"{self.backend.name} has no word for `{ast.unparse(node)}`")

    def _name(self, node: ast.Name) -> ast.expr:
        if node.id in self.letters:  # among numbers, and so a number that is not whole
            return expression_tree(self._as_numbers(self.letters[node.id].code))
        if node.id in self.names:
            return ast.Name(self.names[node.id])
        return expression_tree(f"math.{node.id}") if node.id in CONSTANTS else node

    def _as_numbers(self, code: str) -> str:
        return f"{code}.to({self.like}.dtype)" if self.backend is TORCH else f"{code}.astype({self.like}.dtype)"

    def _call(self, node: ast.Call) -> ast.expr:
        if is_sum_over_indices(node):
            return self._sum(node.args[0])
        name = callee(node)
        if name is None:
            return self._method(node)
        if name == FLOATS:
            return expression_tree(self._as_numbers(f"({ast.unparse(self.value(node.args[0]))})"))
        if name == "where":
            return self._choice(self.condition(node.args[0]), *node.args[1:])
        if name in MADE:
            return self._made(name, node)
        if name == "outer" and all(isinstance(one, ast.Call) and callee(one) == "arange" for one in node.args):
            given = [self._made("arange", one) for one in node.args if isinstance(one, ast.Call)]
            return ast.Call(expression_tree(self.backend.function(name)), given, [])
        if name == "tensor":
            return self._tensor(node, f", dtype={self.like}.dtype")
        if self.is_number(node):
            return ast.Call(expression_tree(f"math.{name}"), [self.value(argument) for argument in node.args], [])
        return self._function(node, name)

    def _made(self, name: str, node: ast.Call) -> ast.expr:
        given = [ast.unparse(self.value(argument)) for argument in node.args]
        return expression_tree(self.backend.made(name, given, f"dtype={self.like}.dtype{self.there}"))

    def _tensor(self, node: ast.Call, kind: str) -> ast.expr:
        return expression_tree(f"{self.backend.function('tensor')}({ast.unparse(node.args[0])}{kind}{self.there})")

    def _whole(self, node: ast.expr) -> ast.expr:
        """Return labels or positions: numbers in a list stay integers."""
        if isinstance(node, ast.Call) and callee(node) == "tensor":
            return self._tensor(node, "")
        return ast.Tuple([self._whole(one) for one in node.elts]) if isinstance(node, ast.Tuple) else self.value(node)

    def _function(self, node: ast.Call, name: str) -> ast.expr:
        name = name if self.backend is TORCH else with_order(name, node)
        own = self.backend.function(name)
        if own.startswith("_"):
            self.helpers[name] = None
        words = [ast.keyword(self.backend.word(name, one.arg), self.value(one.value)) for one in node.keywords]
        labels = LABELS.get(name)
        given = [self._whole(one) if place == labels else self.value(one) for place, one in enumerate(node.args)]
        made = ast.Call(expression_tree(own), given, words)
        is_whole = name in {"one_hot", "counted"} and self.backend is TORCH
        return expression_tree(self._as_numbers(ast.unparse(made))) if is_whole else made

    def _method(self, node: ast.Call) -> ast.expr:
        """Return a call of a method: of tensors of PyTorch's there are all, of other libraries' one is known."""
        assert isinstance(node.func, ast.Attribute)  # noqa: S101 (what else has a method)
        name = node.func.attr if self.backend is TORCH else {"permute": "transpose"}.get(node.func.attr)
        if name is None:
            raise NotSupportedError(f"{self.backend.name} has no function for '{node.func.attr}'")
        words = [ast.keyword(keyword.arg, self.value(keyword.value)) for keyword in node.keywords]
        return ast.Call(ast.Attribute(self.value(node.func.value), name), [*map(self.value, node.args)], words)

    def _read(self, node: ast.Subscript) -> ast.expr:
        """Return a part of a tensor, or its entries at indices."""
        tensor, places = self.value(node.value), node.slice
        items = places.elts if isinstance(places, ast.Tuple) else [places]
        if not any(name in self.letters for item in items for name in names_read(item)):
            found = [item if isinstance(item, ast.Slice) else self._whole(item) for item in items]
            return ast.Subscript(tensor, ast.Tuple(found) if isinstance(places, ast.Tuple) else found[0])
        literal = literal_shape(node.value)
        found = [self._place(item, tensor, axis, literal) for axis, item in enumerate(items)]
        return ast.Subscript(tensor, ast.Tuple(found) if len(found) > 1 else found[0])

    def _place(self, item: ast.expr, tensor: ast.expr, axis: int, literal: Sequence[int] | None) -> ast.expr:
        """Return the positions along one axis, which wrap round where they may lie outside of it."""
        if isinstance(item, ast.Slice):
            return item
        low, high = span(item, self.letters, self.sizes)
        shape = self.shapes.get(tensor.id) if isinstance(tensor, ast.Name) else literal
        if low >= 0 and shape is not None and high < shape[axis]:
            return index_code(item, self.letters, self.sizes)
        if isinstance(item, ast.Constant) or (shape is None and isinstance(item, ast.Name)):
            return index_code(item, self.letters, self.sizes)
        length = ast.Subscript(ast.Attribute(tensor, "shape"), ast.Constant(axis))
        size = ast.Constant(literal[axis]) if literal else length
        return ast.BinOp(index_code(item, self.letters, self.sizes), ast.Mod(), size)

    def condition(self, node: ast.expr) -> ast.expr:
        """Return a mask."""
        if isinstance(node, ast.BoolOp):
            sign = ast.BitAnd() if isinstance(node.op, ast.And) else ast.BitOr()
            first, *rest = [self.condition(part) for part in node.values]
            for part in rest:
                first = ast.BinOp(first, sign, part)
            return first
        if not isinstance(node, ast.Compare):
            return self.value(node)
        read = set(names_read(node))
        of_indices = read <= {*self.letters, *self.sizes} and not any(
            isinstance(part, ast.Call) for part in ast.walk(node)
        )
        sides = (node.left, *node.comparators)
        if read and of_indices:
            first, *rest = [index_code(side, self.letters, self.sizes) for side in sides]
        else:
            first, *rest = map(self.value, sides)
        return ast.Compare(first, node.ops, rest)

    def _choice(self, test: ast.expr, body: ast.expr, otherwise: ast.expr) -> ast.expr:
        """Return the one number or the other; two of Python's would come in another type than the tensors."""
        found = [self.value(body), self.value(otherwise)]
        if self.is_number(body) and self.is_number(otherwise):
            text, module = ast.unparse(found[0]), self.backend.module
            kind = "tensor" if self.backend is TORCH else "asarray"
            found[0] = expression_tree(f"{module}.{kind}({text}, dtype={self.like}.dtype{self.there})")
        found[1] = without_pole(test, found[1]) if self.backend is TORCH else found[1]
        return ast.Call(expression_tree(self.backend.function("where")), [test, *found], [])

    def _sum(self, node: ast.expr) -> ast.expr:
        assert isinstance(node, ast.GeneratorExp)  # noqa: S101 (what a sum over indices sums)
        kept, first = dict(self.letters), self.depth
        masks: list[ast.expr] = []
        counts: list[str] = []
        for loop in node.generators:
            masks += self._loop(loop)
            self.depth += 1
        body = self.value(node.elt)
        for mask in masks:
            body = ast.Call(expression_tree(self.backend.function("where")), [mask, body, ast.Constant(0)], [])
        read = set(names_read(node.elt))
        axes = []
        for place, loop in enumerate(node.generators):
            letter = index_of(loop)
            known = self.letters[letter]
            if letter in read or masks:
                axes.append(first + place)
            else:
                counts.append(known.size)
        self.letters, self.depth = kept, first
        for count in counts:
            body = ast.BinOp(expression_tree(count), ast.Mult(), body)
        if not axes:
            return body
        along = ast.Constant(axes[0]) if len(axes) == 1 else ast.Tuple([ast.Constant(axis) for axis in axes])
        words = [ast.keyword(self.backend.axis, along), ast.keyword(self.backend.keep, ast.Constant(value=True))]
        return ast.Call(ast.Attribute(body, "sum"), [], words)

    def _loop(self, loop: ast.comprehension) -> list[ast.expr]:
        """Enter the index of a loop, and return the conditions that bind it to its range."""
        assert isinstance(loop.iter, ast.Call)  # noqa: S101 (range)
        *start, stop = loop.iter.args
        low = span(start[0], self.letters, self.sizes) if start else (0, 0)
        high = span(stop, self.letters, self.sizes)
        letter = index_of(loop)
        self._enter(letter, self.depth, low[0], high[1] - 1, stop_of(stop, self.letters, self.sizes))
        code = ast.Name(self.letters[letter].code)
        masks: list[ast.expr] = []
        if low[0] != low[1]:
            masks.append(ast.Compare(code, [ast.GtE()], [index_code(start[0], self.letters, self.sizes)]))
        if high[0] != high[1]:
            masks.append(ast.Compare(code, [ast.Lt()], [index_code(stop, self.letters, self.sizes)]))
        return masks
