r"""LaTeX read back: a formula's numbers, by a reader that shares nothing with the writer but what LaTeX means.

Every vector is a column. Products are side by side, those entry by entry have \odot, and \mathbf{1} is a vector of ones
of the length that fits. A softmax is along the last axis of a matrix.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

TOKEN = re.compile(
    r"\\(?:begin|end)\{\w+\}|\\(?:operatorname|mathrm|mathbf|mathtt|text)\{(?:[^{}\\]|\\.)*\}|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\S"
)
# What KaTeX and MathJax know of what is written.
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    name: getattr(torch, name) for name in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh")
}
FUNCTIONS |= {"arcsin": torch.asin, "arccos": torch.acos, "arctan": torch.atan, "sigma": torch.sigmoid}
WORDS: dict[str, Callable[..., Any]] = {"relu": torch.relu, "sign": torch.sign, "erf": torch.erf}
SIGNS = {r"\le": torch.le, r"\ge": torch.ge, r"\ne": torch.ne, "<": torch.lt, ">": torch.gt, "=": torch.eq}
CLOSING = {r"\bmod", r"\right", "}", "]", "&", r"\\", r"\end{cases}", ",", r"\wedge", r"\vee", *SIGNS}


# What KaTeX and MathJax know, of what takes no argument, and of what takes one or two in braces.
SYMBOLS = {"top", "odot", "cdot", "circ", "le", "ge", "ne", "wedge", "vee", "infty", "pi", "sigma", "partial", "psi"}
SYMBOLS |= {"max", "min", "alpha", "langle", "rangle", "sum", "bmod", "delta", "Gamma", "log", "det", *FUNCTIONS}
FENCES = {"(", ")", "[", "]", "|", r"\lVert", r"\rVert", r"\lfloor", r"\rfloor", r"\langle", r"\rangle"}


class UnreadError(Exception):
    """Something has no value here."""


@dataclass(frozen=True)
class Ones:
    """A column of ones, or a row of them, of the length that fits."""

    is_row: bool = False


Value = Tensor | Ones


def latex_value(latex: str, leaves: Mapping[str, Tensor]) -> Tensor:
    """Return the value of a formula: a number, or a matrix, in which a vector is a column. Names are LaTeX."""
    names = {"".join(TOKEN.findall(name)): value for name, value in leaves.items()}
    reader = _Reader(TOKEN.findall(latex), names)
    value = reader.sum()
    if reader.peek() is not None or isinstance(value, Ones):
        raise UnreadError(f"{reader.peek()} is left")
    return value


def check_latex(latex: str) -> None:
    """Refuse what KaTeX and MathJax do not take: unknown commands, and brackets that are left open."""
    depth, open_ones = 0, []
    tokens = TOKEN.findall(latex)
    for place, piece in enumerate(tokens):
        depth += (piece == "{") - (piece == "}")
        following = tokens[place + 1] if place + 1 < len(tokens) else ""
        if piece in {r"\left", r"\begin{cases}"}:
            open_ones.append((piece, depth))
        elif piece in {r"\right", r"\end{cases}"}:
            assert open_ones.pop() == ({r"\right": r"\left"}.get(piece, r"\begin{cases}"), depth), latex
        if piece in {r"\left", r"\right"}:
            assert following in FENCES, latex
        elif piece in {r"\frac", r"\sqrt"}:
            assert following == "{", latex
        elif piece[0] == "\\" and "{" not in piece and len(piece) > 2:
            assert piece[1:] in SYMBOLS | {one[1:] for one in FENCES}, piece
        assert depth >= 0, latex
        assert not (piece in {"^", "_"} and following in {"^", "_", "}", ""}), latex
    assert not depth, latex
    assert not open_ones, latex
    assert not re.search(r"\^\{(?:[^{}]|\{[^{}]*\})*\}\^", latex), f"two exponents: {latex}"


def column(value: Tensor) -> Tensor:
    """Return a vector as a column."""
    return value[:, None] if value.ndim == 1 else value


class _Reader:
    def __init__(self, tokens: Sequence[str], names: Mapping[str, Tensor]) -> None:
        self.tokens, self.names, self.place = tokens, names, 0

    def peek(self) -> str | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def next(self, *expected: str) -> str:
        piece = self.peek()
        if piece is None or (expected and piece not in expected):
            raise UnreadError(f"{piece} where {expected} is due")
        self.place += 1
        return piece

    def sum(self) -> Value:
        total = self.signed()
        while self.peek() in {"+", "-"}:
            negative = self.next() == "-"
            total = _entries(torch.sub if negative else torch.add, total, self.entrywise())
        return total

    def signed(self) -> Value:
        if self.peek() != "-":
            return self.entrywise()
        self.next()
        return -_number(self.entrywise())

    def entrywise(self) -> Value:
        value = self.product()
        while self.peek() == r"\odot":
            self.next()
            value = _entries(torch.mul, value, self.product())
        return value

    def product(self) -> Value:
        factors = [self.factor()]
        while (piece := self.peek()) is not None and piece not in {"+", "-", r"\odot", *CLOSING}:
            if piece == r"\cdot":
                self.next()
            factors.append(self.factor())
        return _product(factors)

    def factor(self) -> Value:
        value = self.atom()
        while self.peek() in {"^", "_"}:
            value = self.raised(value) if self.next() == "^" else self.part(value)
        return value

    def group(self) -> list[str]:
        self.next("{")
        start, depth = self.place, 1
        while depth:
            depth += {"{": 1, "}": -1}.get(self.next(), 0)
        return list(self.tokens[start : self.place - 1])

    def inside(self, tokens: Sequence[str]) -> Value:
        reader = _Reader(tokens, self.names)
        value = reader.sum()
        if reader.peek() is not None:
            raise UnreadError(f"{reader.peek()} is left of {''.join(tokens)}")
        return value

    def raised(self, base: Value) -> Value:
        exponent = self.group()
        if isinstance(base, Ones):
            return Ones(is_row="".join(exponent) == r"\top")
        match exponent:
            case [r"\top"]:
                return base.mT
            case ["-", r"\top"]:
                return base.inverse().mT
            case [r"\circ", *rest]:
                return base ** self.inside(rest)
        power = _number(self.inside(exponent))
        if base.ndim >= 2 and min(base.shape[-2:]) > 1:
            return torch.linalg.matrix_power(base, int(power))
        return base**power

    def part(self, base: Value) -> Value:
        """Return some entries of a tensor, given as Python gives them."""
        text = re.sub(r"\\(.)", r"\1", "".join(self.group()))
        if not text.startswith("[") or isinstance(base, Ones):
            raise UnreadError(text)
        is_vector = base.shape[1] == 1 and ("," not in text or "None" in text)
        vector = base[:, 0] if is_vector else base
        return column(eval(f"value{text}", {"value": vector}))  # noqa: S307 (a test's own)

    def atom(self) -> Value:
        named = self.name()
        if named is not None:
            return named
        piece = self.next()
        if piece[0].isdigit():
            return torch.tensor(float(piece), dtype=torch.float64)
        match piece:
            case r"\mathbf{1}":
                return Ones()
            case r"\pi":
                return torch.tensor(torch.pi, dtype=torch.float64)
            case "{":
                self.place -= 1
                return self.inside(self.group())
            case r"\left":
                return self.fenced()
        return self.command(piece)

    def command(self, piece: str) -> Value:
        match piece:
            case r"\frac":
                above, below = self.inside(self.group()), self.inside(self.group())
                return _entries(torch.div, above, below)
            case r"\sqrt":
                return _number(self.inside(self.group())).sqrt()
            case r"\begin{cases}":
                return self.cases()
            case "e":
                self.next("^")
                return torch.linalg.matrix_exp(_number(self.inside(self.group())))
            case "I":
                self.next("_")
                return torch.eye(int("".join(self.group())), dtype=torch.float64)
        return self.function(piece)

    def name(self) -> Tensor | None:
        """Return the tensor of the longest name that is next."""
        for end in range(min(self.place + 12, len(self.tokens)), self.place, -1):
            text = "".join(self.tokens[self.place : end])
            if text in self.names and not (self.tokens[end - 1] == "_" or text.endswith("{")):
                self.place = end
                return column(self.names[text])
        return None

    def fenced(self) -> Value:
        left = self.next()
        value = self.sum()
        self.next(r"\right")
        right = self.next()
        if (left, right) == ("(", ")"):
            return value
        if (left, right) == ("|", "|"):
            return _number(value).abs()
        if (left, right) == (r"\lVert", r"\rVert"):
            return _number(value).norm()
        raise UnreadError(left)

    def cases(self) -> Value:
        value = self.sum()
        self.next("&")
        if self.peek() == r"\text{else}":
            self.next(r"\text{else}")
            self.next(r"\end{cases}")
            return value
        test = self.condition()
        self.next(r"\\")
        other = self.cases()
        return _entries(lambda one, another: torch.where(test, one, another), value, other)

    def condition(self) -> Tensor:
        test = self.comparison()
        while self.peek() in {r"\wedge", r"\vee"}:
            both = torch.logical_and if self.next() == r"\wedge" else torch.logical_or
            test = both(test, self.comparison())
        return test

    def comparison(self) -> Tensor:
        left = self.sum()
        sign = self.next(*SIGNS)
        found = _entries(SIGNS[sign], left, self.sum())
        assert isinstance(found, Tensor)
        return found

    def function(self, piece: str) -> Value:
        word = re.fullmatch(r"\\operatorname\{(.*)\}", piece)
        name = re.sub(r"\\(.)", r"\1", word[1]) if word else piece.removeprefix("\\")
        if name in {"sum", "mean"}:
            return self.along(getattr(torch, name))
        axis = self.axis()
        arguments = self.arguments()
        if not word and name in FUNCTIONS:
            return FUNCTIONS[name](*arguments)
        return self.of_matrices(name, arguments, axis)

    def along(self, total: Callable[..., Tensor]) -> Tensor:
        """Return the sum, or the mean, of all entries, or along the axis in the index."""
        axis = self.axis()
        return total(*self.arguments()) if axis is None else column(total(*self.arguments(), dim=axis))

    def axis(self) -> Any:
        """Return the axis in an index, or several; None if there is none."""
        if self.peek() != "_":
            return None
        self.next()
        axes = [int(axis) for axis in re.sub(r"\\.", "", "".join(self.group())).split(",")]
        return axes[0] if len(axes) == 1 else axes

    def of_matrices(self, name: str, arguments: list[Tensor], axis: Any) -> Value:
        first = arguments[0]
        match name:
            case "tr":
                return first.trace()
            case "det":
                return first.det()
            case "diag":
                return torch.diag(first[:, 0]) if first.shape[1] == 1 else column(first.diagonal())
            case "logdet":
                return first.logdet()
            case "one_hot":
                return torch.nn.functional.one_hot(first[:, 0].long(), int(arguments[1])).double()
            case "softmax" | "log_softmax" | "logsumexp":
                along = axis if axis is not None and first.shape[1] > 1 else int(first.shape[1] > 1)
                return column(getattr(torch, name)(first, dim=along))
        if name in WORDS:
            return WORDS[name](*arguments)
        raise UnreadError(name)

    def arguments(self) -> list[Tensor]:
        self.next(r"\left")
        self.next("(")
        found = [_number(self.sum())]
        while self.peek() == ",":
            self.next()
            found.append(_number(self.sum()))
        self.next(r"\right")
        self.next(")")
        return found


def _number(value: Value) -> Tensor:
    if isinstance(value, Ones):
        raise UnreadError("ones of no length")
    return value


def _entries(function: Callable[[Tensor, Tensor], Tensor], left: Value, right: Value) -> Value:
    return function(_number(left), _number(right))


def _product(factors: Sequence[Value]) -> Value:
    """Return a product from the left; ones sum up what they are multiplied with, and repeat it on the other side."""
    value, *rest = factors
    for factor in rest:
        value = _times(value, factor)
    return value


def _times(left: Value, right: Value) -> Value:
    if isinstance(left, Ones):
        right = _number(right)
        return _scalar(right.sum(0, keepdim=True)) if left.is_row else right
    if isinstance(right, Ones):
        return left if right.is_row else _scalar(left.sum(1, keepdim=True))
    return left * right if not left.ndim or not right.ndim else _scalar(left @ right)


def _scalar(value: Tensor) -> Tensor:
    return value[0, 0] if value.numel() == 1 else value
