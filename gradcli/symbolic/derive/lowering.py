"""From an entry in index notation to a tensor program: each factor on its own labels, then one contraction a term."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from itertools import combinations
from typing import Any

import sympy
from sympy import Expr, Indexed, KroneckerDelta, Piecewise, Rational, Symbol

from gradcli.derivation.tensor_program import Step, TensorProgram
from gradcli.errors import NotSupportedError
from gradcli.ops.functions import FUNCTIONS
from gradcli.symbolic.derive.differentiate import Length
from gradcli.symbolic.derive.entries import Entry, index_labels, names_of
from gradcli.symbolic.derive.order_masks import Split, split
from gradcli.symbolic.derive.pruning import pruned
from gradcli.symbolic.derive.quotients import fraction, is_scale, sides, unfolded

# sympy's function classes and the names of the pointwise steps that evaluate them.
APPLY: Mapping[Any, str] = {getattr(sympy, row.sympy): row.name for row in FUNCTIONS if row.sympy and row.torch}


def lower(entry: Entry, operands: Mapping[str, str], sizes: Mapping[str, tuple[str, int]]) -> TensorProgram:
    """Return the program that evaluates an entry.

    `operands` gives the labels of every operand's axes, `sizes` the operand and axis where each label's length is read.
    Raises NotSupportedError if sympy's derivative holds a function that no step evaluates.
    """
    builder = _Builder(operands)
    out = names_of(entry.out)
    terms = [builder.term(term, out) for term in entry.terms] or [builder.number(0)]
    total = reduce(lambda left, right: builder.apply("add", left, right), terms)
    result = builder.expand(total, out)
    lengths = tuple((letter, *place) for letter, place in sizes.items())
    return pruned(TensorProgram(tuple(operands), tuple(operands.values()), lengths, tuple(builder.steps), result, out))


def _union(*texts: str) -> str:
    return "".join(dict.fromkeys("".join(texts)))


class _Builder:
    """Collects steps; equal subexpressions become one step, because sympy's expressions are hashable."""

    def __init__(self, operands: Mapping[str, str]) -> None:
        self.position = {name: position for position, name in enumerate(operands)}
        self.labels = list(operands.values())
        self.steps: list[Step] = []
        self.known: dict[Any, int] = {}

    def emit(self, step: Step) -> int:
        """Return the value that a step makes; an equal step is shared."""
        if step not in self.known:
            self.steps.append(step)
            self.labels.append(step.out)
            self.known[step] = len(self.labels) - 1
        return self.known[step]

    def number(self, value: Any) -> int:
        """Return a constant."""
        return self.emit(Step("number", (), (), "", float(value)))

    def apply(self, function: str, *inputs: int) -> int:
        """Return a pointwise function of values that broadcast by label."""
        letters = tuple(self.labels[value] for value in inputs)
        return self.emit(Step(function, inputs, letters, _union(*letters)))

    def expand(self, value: int, out: str) -> int:
        """Return a value broadcast and permuted to exactly the labels `out`."""
        if self.labels[value] == out:
            return value
        return self.emit(Step("expand", (value,), (self.labels[value],), out))

    def term(self, term: Expr, out: str) -> int:
        """Return a term with every label that is not in `out` summed."""
        numerators, denominators = fraction(term)
        scatters = [factor for factor in numerators if _is_scatter(factor)]
        plain = [factor for factor in numerators if factor not in scatters]
        if scatters:
            return self._scatter(self._factors(plain, denominators), scatters, out)
        if denominators and not self._summed(plain + denominators, out):
            return self.quotient(plain, denominators)
        above, below = (self._outside(factors, plain + denominators, out) for factors in (plain, denominators))
        inside = self._factors([f for f in plain if f not in above], [f for f in denominators if f not in below])
        total = self.contract(inside, out)
        return self.quotient(above, below, total) if above or below else total

    def _factors(self, above: list[Expr], below: list[Expr]) -> list[int]:
        """Return the factors of a product, what is below the line as one of them."""
        values = [self.value(factor) for factor in above]
        if below:
            values.append(self.apply("reciprocal", self.product([self.value(factor) for factor in below])))
        return values

    def _summed(self, factors: list[Expr], out: str) -> list[Expr]:
        """Return the factors that depend on a label that is summed."""
        return [factor for factor in factors if not set(self.labels[self.value(factor)]) <= set(out)]

    def _outside(self, factors: list[Expr], everything: list[Expr], out: str) -> list[Expr]:
        """Return the factors to take out of the sum: those that do not depend on it, where the sum has fewer axes."""
        summed = self._summed(everything, out)
        if len(out) >= max((len(self.labels[self.value(factor)]) for factor in summed), default=0):
            return []
        return [factor for factor in factors if factor not in summed]

    def quotient(self, above: list[Expr], below: list[Expr], total: int | None = None) -> int:
        """Return a quotient, multiplied and divided in turn: x/y² as x/y/y, so that no power leaves the range.

        It begins with `total`, if there is one.
        """
        tops = [self.value(factor) for factor in sorted(unfolded(above), key=is_scale)]
        bottoms = [self.value(factor) for factor in unfolded(below)]
        if total is None:
            total = tops.pop(0) if tops else self.apply("reciprocal", bottoms.pop(0))
        while tops or bottoms:
            if bottoms:
                total = self.apply("div", total, bottoms.pop(0))
            if tops:
                total = self.apply("mul", total, tops.pop(0))
        return total

    def contract(self, values: list[int], out: str) -> int:
        """Return the product of values, summed over the labels that are not in `out`."""
        used = _union(*(self.labels[value] for value in values))
        if set(used) <= set(out):
            return self.product(values)
        found = split(values, [self.labels[value] for value in values], out, self._step)
        if found is not None:
            return self.contract([self._running_sum(found), *found.rest], out)
        values = self._merge(values)
        target = "".join(letter for letter in out if letter in used)
        letters = tuple(self.labels[value] for value in values)
        return self.emit(Step("einsum", tuple(values), letters, target))

    def _step(self, value: int) -> Step | None:
        """Return the step that makes a value; None for an operand."""
        return self.steps[value - len(self.position)] if value >= len(self.position) else None

    def _running_sum(self, found: Split) -> int:
        """Return the sum over all positions that are in order with the target, as a tensor with its label."""
        running = found.running
        value = self.expand(self.contract(found.added, found.kept), found.kept)
        out = found.kept.replace(running.summed, running.target)
        return self.emit(Step("cumsum", (value,), (found.kept,), out, running.relation))

    def _merge(self, values: list[int]) -> list[int]:
        """Multiply factors into others that have all their labels until two are left: einsum contracts a pair."""
        merged = sorted(values, key=lambda value: -len(self.labels[value]))
        for place in range(len(merged) - 1, 0, -1):
            own = set(self.labels[merged[place]])
            host = next((other for other in range(place) if own <= set(self.labels[merged[other]])), None)
            if host is not None and len(merged) > 2:  # noqa: PLR2004 (a pair)
                merged[host] = self.apply("mul", merged[host], merged.pop(place))
        return merged

    def product(self, values: list[int]) -> int:
        """Return the product of values that broadcast by label, those first whose product has the fewest labels."""
        rest = list(values) or [self.number(1)]
        while len(rest) > 1:
            pairs = combinations(range(len(rest)), 2)
            one, other = min(pairs, key=lambda pair: len(_union(*(self.labels[rest[place]] for place in pair))))
            right = rest.pop(other)
            rest[one] = self.apply("mul", rest[one], right)
        return rest[0]

    def _scatter(self, values: list[int], scatters: list[Expr], out: str) -> int:
        """Return Σ values · δ(position[j], P): the values added up at their positions."""
        if len(scatters) != 1:
            msg = "two scattered axes in one term"
            raise NotSupportedError(msg)
        (place,), (target,) = _scatter_axes(scatters[0])
        index, axis = self.value(place), target.name
        kept = _union(self.labels[index], "".join(letter for letter in out if letter != axis))
        source = self.expand_known(self.contract(values, kept), self.labels[index])
        rest = "".join(letter for letter in self.labels[source] if letter not in self.labels[index])
        return self.emit(Step("scatter", (source, index), (self.labels[source], self.labels[index]), axis + rest))

    def expand_known(self, value: int, needed: str) -> int:
        """Return a value that has at least the labels `needed`."""
        return self.expand(value, _union(needed, self.labels[value]))

    def value(self, node: Any) -> int:
        """Return the value of an expression on its own labels, nothing summed."""
        if node not in self.known:
            self.known[node] = self._value(node)
        return self.known[node]

    def _value(self, node: Any) -> int:
        if isinstance(node, Length):
            return self.emit(Step("size", (), (), "", node.name.removeprefix("length_")))
        if isinstance(node, Indexed):
            return self._read(node)
        if isinstance(node, Symbol):
            return self._symbol(node)
        if node.is_Number or node.is_NumberSymbol or node in {sympy.true, sympy.false}:
            return self.number(1 if node == sympy.true else 0 if node == sympy.false else node)
        if node.is_Add:
            return self._sum(node)
        if node.is_Mul:
            return self._mul(node)
        if node.is_Pow:
            return self._power(node)
        if isinstance(node, Piecewise):
            return self._piecewise(node)
        return self._function(node)

    def _read(self, node: Indexed) -> int:
        source = self.position[node.base.label.name]
        if all(isinstance(index, Symbol) for index in node.indices):
            return self._relabel(source, names_of(node.indices))
        indices = tuple(self.value(index) for index in node.indices)
        letters = tuple(self.labels[index] for index in indices)
        return self.emit(Step("gather", (source, *indices), ("", *letters), _union(*letters)))

    def _relabel(self, source: int, letters: str) -> int:
        """Return an operand under the labels that this place reads it with (a diagonal where one repeats)."""
        if letters == self.labels[source]:
            return source
        return self.emit(Step("relabel", (source,), (letters,), _union(letters)))

    def _symbol(self, node: Symbol) -> int:
        if node.name in self.position and not index_labels(node):
            return self.position[node.name]
        return self.emit(Step("index", (), (), node.name))

    def _sum(self, node: Expr) -> int:
        """Return a sum; a subtraction stays one, so that no needless rounding or negative zero comes in."""
        positive = [argument for argument in node.args if not argument.could_extract_minus_sign()]
        negative = [-argument for argument in node.args if argument.could_extract_minus_sign()]
        if not positive:
            return self.apply("neg", self.value(sympy.Add(*negative)))
        total = reduce(lambda left, right: self.apply("add", left, right), [self.value(part) for part in positive])
        return reduce(
            lambda left, right: self.apply("sub", left, right), [self.value(part) for part in negative], total
        )

    def _mul(self, node: Expr) -> int:
        if node.args[0] == -1:
            return self.apply("neg", self.value(sympy.Mul(*node.args[1:])))
        numerators, denominators = fraction(node)
        if denominators:
            return self.quotient(numerators, denominators)
        return self.product([self.value(factor) for factor in numerators])

    def _power(self, node: Expr) -> int:
        base, exponent = node.as_base_exp()
        if exponent == Rational(1, 2):
            pair = sides(base)
            return self.apply("hypot" if pair else "sqrt", *[self.value(side) for side in pair or (base,)])
        if exponent.is_Number and exponent.is_negative:
            return self.apply(
                "reciprocal", self.value(sympy.Pow(base, -exponent, evaluate=False) if exponent != -1 else base)
            )
        return self.apply("pow", self.value(base), self.value(exponent))

    def _piecewise(self, node: Piecewise) -> int:
        *branches, last = node.args
        if last.cond != sympy.true:
            branches, result = list(node.args), self.number(float("nan"))
        else:
            result = self.value(last.expr)
        for branch in reversed(branches):
            result = self.apply("where", self.value(branch.cond), self.value(branch.expr), result)
        return result

    def _function(self, node: Any) -> int:
        name = APPLY.get(node.func)
        if name is None:
            msg = f"sympy's derivative holds {node.func.__name__}, which has no tensor evaluation yet"
            raise NotSupportedError(msg)
        values = [self.value(argument) for argument in node.args]
        if name in {"logical_and", "logical_or"}:
            return reduce(lambda left, right: self.apply(name, left, right), values)
        return self.apply(name, *values)


def _is_scatter(factor: Expr) -> bool:
    return isinstance(factor, KroneckerDelta) and any(isinstance(argument, Indexed) for argument in factor.args)


def _scatter_axes(factor: Expr) -> tuple[list[Expr], list[Symbol]]:
    places = [argument for argument in factor.args if isinstance(argument, Indexed)]
    targets = [argument for argument in factor.args if isinstance(argument, Symbol)]
    return places, targets
