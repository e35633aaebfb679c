"""Products of tensors entry by entry, and their sums, in as few passes over memory as PyTorch's functions allow.

`P*(1 - t**2)` takes three passes as it stands, and two as `addcmul(P, P*t, t, value=-1)`; what is added to a product is
added in the pass that multiplies.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from gradcli.derivation.notation.code_numbers import decimal
from gradcli.derivation.notation.parsed import is_number, names_read, parsed
from gradcli.derivation.notation.written import text_of

MOST_REPEATED = 3  # equal factors that are written one after the other instead of as a power


@dataclass(frozen=True, slots=True)
class Product:
    """number * above / below: formulas of tensors, and of numbers that are no fractions, such as `sqrt(2)`."""

    number: Fraction = Fraction(1)
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()

    @property
    def tensors(self) -> Product:
        """Return it without numbers."""
        return Product(Fraction(1), *_those(self, lambda text: not _is_number(text)))

    @property
    def numbers(self) -> Product:
        """Return it without tensors."""
        return Product(self.number, *_those(self, _is_number))

    @property
    def reduced(self) -> Product:
        """Return it without what stands both above and below the line."""
        above, below = Counter(self.above), Counter(self.below)
        return Product(self.number, tuple((above - below).elements()), tuple((below - above).elements()))

    @property
    def scale(self) -> str:
        """Return the number that it is multiplied by, as a formula."""
        above, below = (_powers(those) for those in _those(self, _is_number))
        number = abs(self.number)
        top, bottom = decimal(number) or str(number.numerator), "1" if decimal(number) else str(number.denominator)
        top = "*".join([*([top] if top != "1" or not above else []), *above])
        whole = top + "".join(f"/{one}" for one in [*([bottom] if bottom != "1" else []), *below])
        return f"-{whole}" if self.number < 0 else whole

    @property
    def is_number(self) -> bool:
        """Return whether it has no factors."""
        return not self.above and not self.below

    def times(self, other: Product) -> Product:
        """Return the product of both."""
        return Product(self.number * other.number, (*self.above, *other.above), (*self.below, *other.below))

    def over(self, other: Product) -> Product:
        """Return the quotient of both."""
        return Product(self.number / other.number, (*self.above, *other.below), (*self.below, *other.above))

    def has(self, part: Product) -> bool:
        """Return whether it has all factors of another."""
        return Counter(part.above) <= Counter(self.above) and Counter(part.below) <= Counter(self.below)

    def without(self, part: Product) -> Product:
        """Return it without factors that it has."""
        above, below = Counter(self.above) - Counter(part.above), Counter(self.below) - Counter(part.below)
        return Product(self.number, tuple(above.elements()), tuple(below.elements()))


def _powers(factors: Sequence[str]) -> list[str]:
    """Return factors, equal ones as a power."""
    return [_closed(text) if count == 1 else f"{_closed(text)}**{count}" for text, count in Counter(factors).items()]


def _without_roots_below(product: Product) -> Product:
    """Return a product by 1 over a root, which is one pass, instead of over the root."""
    roots = [text for text in product.below if text.startswith("sqrt(") and product_of(text).above == (text,)]
    inverses = tuple(f"r{text}" for text in roots)
    return replace(product.without(Product(below=tuple(roots))), above=(*product.above, *inverses))


def _those(product: Product, are: Callable[[str], bool]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(filter(are, product.above)), tuple(filter(are, product.below))


def _is_number(text: str) -> bool:
    return is_number(parsed(text).body)


def common_factors(several: Sequence[Product]) -> Product:
    """Return the tensors that several products all have."""
    above, below = Counter(several[0].tensors.above), Counter(several[0].tensors.below)
    for one in several[1:]:
        above &= Counter(one.tensors.above)
        below &= Counter(one.tensors.below)
    return Product(Fraction(1), tuple(above.elements()), tuple(below.elements()))


def product_of(text: str) -> Product:
    """Return a formula as a product."""
    return _one(parsed(text).body)


def _terms(node: ast.expr) -> list[Product]:
    """Return the terms that an expression is the sum of."""
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [*_terms(left), *_terms(right)]
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return [*_terms(left), *map(_negative, _terms(right))]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return [*map(_negative, _terms(inner))]
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return [_one(left).times(_one(right))]
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return [_one(left).over(_one(right))]
        case ast.Constant(value=int() | float() as number):
            return [Product(Fraction(str(number)))]
    return [_factor(node)]


def _negative(product: Product) -> Product:
    return replace(product, number=-product.number)


def _one(node: ast.expr) -> Product:
    """Return an expression as one product: a sum is a factor, `t - 1` as less than `1 - t`."""
    terms = _terms(node)
    if len(terms) == 1:
        return terms[0]
    if any(one.is_number and one.number == -1 for one in terms):
        return Product(Fraction(-1), (_sum_text([*map(_negative, terms)]),))
    return Product(above=(text_of(node),))


def _factor(node: ast.expr) -> Product:
    match node:
        case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=int(count))) if 0 < count <= MOST_REPEATED:
            inner = _one(base)
            return Product(inner.number**count, inner.above * count, inner.below * count)
        case ast.Call(func=ast.Name(id="where"), args=[test, *branches]):
            return _choice(test, [*map(_one, branches)])
        case ast.Call(func=function, args=arguments, keywords=words):
            node = ast.Call(function, [*map(_argument, arguments)], words)
    return Product(above=(text_of(node),))


def _choice(test: ast.expr, branches: Sequence[Product]) -> Product:
    """Return a choice without what both branches have in common, unless they are the same but for numbers."""
    common = common_factors(branches)
    rests = [one.without(common) for one in branches]
    if all(one.is_number for one in rests):
        common, rests = Product(), [*branches]
    return common.times(Product(above=(f"where({text_of(test)}, {', '.join(map(_text, rests))})",)))


def _argument(node: ast.expr) -> ast.expr:
    """Return an argument with its numbers in one place."""
    return node if isinstance(node, ast.Compare | ast.BoolOp) else parsed(_sum_text(_terms(node))).body


def _sum_text(terms: Sequence[Product]) -> str:
    """Return a sum as a formula, one that is not subtracted first."""
    first, *rest = sorted(terms, key=lambda one: one.number < 0)
    return "".join([_text(first), *(_signed(one) for one in rest)])


def _signed(product: Product) -> str:
    sign = "-" if product.number < 0 else "+"
    return f" {sign} {_text(replace(product, number=abs(product.number)))}"


def _text(product: Product) -> str:
    """Return a product as a formula, its numbers first, equal factors as a power."""
    scale, tensors = product.scale, product.tensors
    body = "*".join(_powers(tensors.above))
    whole = _multiple(scale, body) if body else scale
    return f"{whole}/{_divisor(tensors.below)}" if tensors.below else whole


def _multiple(scale: str, text: str) -> str:
    """Return a number times a formula of a product."""
    return text if scale == "1" else f"-{text}" if scale == "-1" else f"{scale}*{text}"


def _divisor(factors: Sequence[str]) -> str:
    """Return what a product is divided by."""
    return _closed(factors[0]) if len(factors) == 1 else f"({_joined(factors)})"


def _joined(factors: Sequence[str]) -> str:
    return "*".join(map(_closed, factors))


def _closed(text: str) -> str:
    """Return a formula as it may stand in a product."""
    node = parsed(text).body
    is_power = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)
    return text if is_power or isinstance(node, ast.Name | ast.Call | ast.Constant) else f"({text})"


@dataclass(slots=True)
class Values:
    """Values that are computed one after the other, each once, and have a name each."""

    texts: dict[str, str] = field(default_factory=dict)
    """Name -> formula, of what is given and of names before it."""

    def named(self, text: str) -> str:
        """Return the name of the value of a formula; of a name, that name."""
        if isinstance(parsed(text).body, ast.Name):
            return text
        known = next((name for name, other in self.texts.items() if other == text), None)
        name = known or f"_{len(self.texts)}"
        self.texts[name] = text
        return name

    def tensor(self, product: Product) -> Product:
        """Return a product whose tensors are one that has a name; the numbers are still to be multiplied by."""
        return product.numbers.times(Product(above=(self.named(self._unscaled(product)),)))

    def text(self, product: Product) -> str:
        """Return the formula of a product."""
        text = self._unscaled(product)
        node = parsed(text).body
        is_sum = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
        return _multiple(product.scale, f"({text})" if is_sum and product.scale != "1" else text)

    def _unscaled(self, product: Product) -> str:
        """Return the formula of a product without its numbers; a factor that is 1 and a rest is multiplied in one."""
        tensors = _without_roots_below(product.tensors)
        factors = self._multiplied_out(tensors.above)
        whole = _joined(factors) if len(factors) != 1 or tensors.below else factors[0]
        return f"{whole or '1'}/{_divisor(tensors.below)}" if tensors.below else whole or "1"

    def _multiplied_out(self, factors: Sequence[str]) -> list[str]:
        """Return factors none of which is 1 and a rest, if there are several: x*(1 - x) is one of them."""
        rests = {text: rest for text in factors if (rest := _rest_of_one(text))}
        plain = [text for text in factors if text not in rests]
        spread = [text for text in factors if text in rests]
        if not plain:
            plain, spread = spread[:1], spread[1:]
        for text in spread:
            own = next((one for one in plain if one in names_read(parsed(text).body)), None)
            if own is None:
                plain = [self._spread(self.named(_joined(plain) if len(plain) > 1 else plain[0]), rests[text])]
            else:  # what is read anyway
                plain.remove(own)
                plain.append(self._spread(own, rests[text]))
        return plain

    def _spread(self, base: str, rest: Sequence[Product]) -> str:
        """Return base*(1 + rest)."""
        (first, *others) = rest
        if not others and not first.below and first.scale in {"1", "-1"}:
            return self._added(base, replace(first, above=(base, *first.above)))
        return f"addcmul({base}, {base}, {self.text(self.total(rest))})"

    def total(self, terms: Sequence[Product]) -> Product:
        """Return a sum as one product: the numbers that its first term is multiplied by, and the rest."""
        terms = [term for term in terms if term.number] or terms[:1]
        first, *others = sorted(terms, key=lambda one: (one.scale != "1", len(one.above) > 1 and not one.below))
        if not others:
            return first
        text = self._unscaled(first)
        for other in others:
            text = self._added(text, other.over(first.numbers).reduced)
        return first.numbers.times(Product(above=(text,)))

    def _added(self, text: str, product: Product) -> str:
        """Return the sum of a formula and of a product."""
        scale, above, below = product.scale, product.tensors.above, product.tensors.below
        if len(above) > 1:
            above = tuple(self._multiplied_out(above))
        value = "" if scale == "1" else f", value={scale}"
        if below and above:
            return f"addcdiv({text}, {_joined(above)}, {_joined(below)}{value})"
        if len(above) > 1:
            return f"addcmul({text}, {_joined(above[:-1])}, {above[-1]}{value})"
        if above and scale not in {"1", "-1"}:
            return f"add({text}, {above[0]}, alpha={scale})"
        return f"{text}{_signed(replace(product.numbers, above=(*product.numbers.above, *above), below=product.below))}"


def _rest_of_one(text: str) -> list[Product] | None:
    """Return the terms but 1 of a sum that has a 1; None of anything else."""
    terms = _terms(parsed(text).body)
    rest = [one for one in terms if not (one.is_number and one.number == 1)]
    return rest if len(terms) > 1 and len(rest) == len(terms) - 1 else None
