r"""LaTeX in index notation read back: every entry's number, from the indices, sums and choices that are printed.

What is read beside those is what `latex_values` reads: an entry may be one of a matrix product.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from latex_values import TOKEN, Ones, UnreadError, Value, _number, _Reader, column
from torch import Tensor

# PyTorch's names of functions, of columns and matrices.
KNOWN: dict[str, Callable[..., Tensor]] = {
    **{name: getattr(torch, name) for name in ("tril", "triu", "isnan", "maximum", "minimum")},
    "psi": torch.digamma,
    "clamp": lambda value, low, high: value.clamp(low.item(), high.item()),
    "max": lambda value, low: value.clamp(min=low.item()),
    "min": lambda value, high: value.clamp(max=high.item()),
    "tensor": lambda value: value,
    "detach": lambda value: value,
    "roll": lambda value, *places: value.roll(*map(int, places)),
    "reshape": lambda value, shape: value.reshape(_sizes(shape)),
    "broadcast_to": lambda value, shape: value.expand(_sizes(shape)),
    "take": lambda value, places: value.reshape(-1)[places.long()],
    "permute": lambda value, *axes: value.permute([int(axis) for axis in axes]),
    "outer": lambda left, right: torch.outer(left[:, 0], right[:, 0]),
    "summed_into": lambda value, places, shape: _summed_into(value, places, _sizes(shape)),
}
ENTRY = re.compile(r"\\left\[(.*?)\\right\] ?: (.*)", re.DOTALL)


def entries(latex: str, leaves: Mapping[str, Tensor], shape: Sequence[int]) -> Tensor:
    """Return the value of a formula in a shape; one in index notation is evaluated entry by entry."""
    names = {"".join(TOKEN.findall(name)): value for name, value in leaves.items()}
    match = ENTRY.fullmatch(latex)
    if match is None:
        value = _whole(latex, names)
        return value.reshape(shape) if value.numel() == math.prod(shape) else value.expand(tuple(shape))
    letters, tokens = [letter.strip() for letter in match[1].split(",") if letter.strip()], TOKEN.findall(match[2])
    assert len(letters) == len(shape), latex
    found = torch.empty(tuple(shape), dtype=torch.float64)
    for place in itertools.product(*map(range, shape)):
        bound = {letter: torch.tensor(float(at)) for letter, at in zip(letters, place, strict=True) if letter != "0"}
        found[place] = _read(IndexReader(tokens, {**names, **bound}))
    return found


def _whole(latex: str, names: Mapping[str, Tensor]) -> Tensor:
    return _read(IndexReader(TOKEN.findall(latex), names))


def _read(reader: IndexReader) -> Tensor:
    value = _number(reader.sum())
    if reader.peek() is not None:
        raise UnreadError(f"{reader.peek()} is left")
    return value


def _whole_number(value: Value) -> int:
    number = float(_number(value))
    if number != round(number):
        raise UnreadError(f"an index is {number}")
    return round(number)


class IndexReader(_Reader):
    """Reads entries at indices, sums over them, deltas, and the functions of what has more than two axes."""

    def inside(self, tokens: Sequence[str]) -> Value:
        reader = IndexReader(tokens, self.names)
        value = reader.sum()
        if reader.peek() is not None:
            raise UnreadError(f"{reader.peek()} is left of {''.join(tokens)}")
        return value

    def product(self) -> Value:
        value = super().product()
        while self.peek() == r"\bmod":
            self.next()
            value = torch.remainder(_number(value), _number(self.factor()))
        return value

    def part(self, base: Value) -> Value:
        tokens = self.group()
        tokens = tokens[1:-2] + tokens[-1:] if tokens[:2] == [r"\left", "["] else tokens
        if tokens[0] == "[" or isinstance(base, Ones):
            tokens = ["None" if piece == r"\mathrm{None}" else piece for piece in tokens]
            self.tokens = [*self.tokens[: self.place], "{", *tokens, "}", *self.tokens[self.place :]]
            return super().part(base)
        reader = IndexReader(tokens, self.names)
        places = [_whole_number(reader.sum())]
        while reader.peek() == ",":
            reader.next()
            places.append(_whole_number(reader.sum()))
        base = base[:, 0] if base.ndim == 2 and base.shape[1] == 1 and len(places) == 1 else base
        return column(base[tuple(place % size for place, size in zip(places, base.shape, strict=False))])

    def command(self, piece: str) -> Value:
        if piece == r"\sum":
            return self.over()
        if piece == r"\delta":
            self.next("_")
            left, right = (self.inside(side) for side in _split(self.group()))
            return (_number(left) == _number(right)).double()
        if piece in {r"\lfloor", r"\rfloor"}:
            raise UnreadError(piece)
        return super().command(piece)

    def over(self) -> Value:
        """Return the sum of the product that follows, over an index."""
        self.next("_")
        letter, _, *low = self.group()
        self.next("^")
        ends = _whole_number(self.inside(low)), _whole_number(self.inside(self.group()))
        total = torch.zeros((), dtype=torch.float64)
        for number in range(ends[0], max(ends[1], ends[0]) + 1):
            reader = IndexReader(self.tokens, {**self.names, letter: torch.tensor(float(number))})
            reader.place = self.place
            value = _number(reader.product())
            total = total + value if number <= ends[1] else total
        self.place = reader.place
        return total

    def fenced(self) -> Value:
        if self.peek() == r"\lfloor":
            self.next()
            value = _number(self.sum())
            self.next(r"\right")
            self.next(r"\rfloor")
            return value.floor()
        if self.peek() == "[" or self.is_tuple():
            return torch.tensor(self.several(), dtype=torch.float64)
        return super().fenced()

    def is_tuple(self) -> bool:
        depth = 0
        if self.tokens[self.place + 1] == r"\right":
            return True
        for piece in self.tokens[self.place + 1 :]:
            depth += (piece in {r"\left", "{"}) - (piece in {r"\right", "}"})
            if depth < 0:
                return False
            if piece == "," and not depth:
                return True
        return False

    def several(self) -> list[list[float] | float]:
        """Return a list or a tuple of numbers, or of lists."""
        self.next("[", "(")
        found = [] if self.peek() == r"\right" else [_number(self.sum()).tolist()]
        while self.peek() == ",":
            self.next()
            found.append(_number(self.sum()).tolist())
        self.next(r"\right")
        self.next("]", ")")
        return found

    def function(self, piece: str) -> Value:
        if piece == r"\operatorname{einsum}":
            return self.einsum()
        if piece == r"\log" and self.peek() == r"\Gamma":
            self.next()
            return torch.lgamma(*self.arguments())
        return super().function(piece)

    def einsum(self) -> Tensor:
        self.next(r"\left")
        self.next("(")
        equation = re.sub(r"\\(.)", r"\1", self.next()).removeprefix("mathtt{").removeprefix("\\mathtt{").rstrip("}")
        found = []
        for spec in equation.partition("->")[0].split(","):
            self.next(",")
            value = _number(self.sum())
            found.append(value[:, 0] if len(spec) == 1 and value.ndim == 2 else value)
        self.next(r"\right")
        self.next(")")
        return column(torch.einsum(equation, found))

    def of_matrices(self, name: str, arguments: list[Tensor], axis: Any) -> Value:
        if name in {"softmax", "log_softmax", "logsumexp"}:
            return super().of_matrices(name, arguments, axis)
        if name == "prod":
            return arguments[0].prod() if axis is None else column(arguments[0].prod(axis))
        known = KNOWN.get(name) or getattr(torch.special, name.removeprefix("special."), None)
        return column(known(*arguments)) if known else super().of_matrices(name, arguments, axis)

    def comparison(self) -> Tensor:
        """Return a test, or several in parentheses."""
        before = self.place
        try:
            return super().comparison()
        except UnreadError:
            self.place = before
        self.next(r"\left")
        self.next("(")
        test = self.condition()
        self.next(r"\right")
        self.next(")")
        return test


def _summed_into(value: Tensor, places: Tensor, shape: list[int]) -> Tensor:
    zeros = torch.zeros(math.prod(shape), dtype=torch.float64)
    return zeros.index_add(0, places.long().reshape(-1), value.reshape(-1)).reshape(shape)


def _sizes(shape: Tensor) -> list[int]:
    return [int(size) for size in shape.reshape(-1)]


def _split(tokens: Sequence[str]) -> tuple[list[str], list[str]]:
    comma = list(tokens).index(",")
    return list(tokens[:comma]), list(tokens[comma + 1 :])
