"""How operands are shown to index notation: which axes are permuted, merged or dropped, and what they are labelled."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.tensor_program import POSITIONS
from gradcli.errors import NotSupportedError
from gradcli.language.order import postorder
from gradcli.language.parser import parse_formula
from gradcli.language.program import Ellipsis, Index, Name
from gradcli.ops.record import Kind, Op

POINTWISE_LABELS = "ijklmnop"
BATCH_LABELS = "stuvwxyz"


@dataclass(frozen=True, slots=True)
class AxisView:
    """A permutation followed by a reshape, and the way back."""

    original: tuple[int, ...]
    permutation: tuple[int, ...]
    shape: tuple[int, ...]
    is_whole: bool = field(init=False, repr=False, compare=False)
    """Whether it shows a tensor as it is."""
    _keeps_order: bool = field(init=False, repr=False, compare=False)
    _permuted: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what every tensor that is shown asks for."""
        object.__setattr__(self, "_keeps_order", self.permutation == tuple(range(len(self.permutation))))
        object.__setattr__(self, "is_whole", self._keeps_order and self.shape == self.original)
        object.__setattr__(self, "_permuted", tuple([self.original[axis] for axis in self.permutation]))

    def apply(self, tensor: Tensor) -> Tensor:
        """Return a tensor of shape `original` as it is presented."""
        permuted = tensor if self._keeps_order else tensor.permute(self.permutation)
        return permuted if permuted.shape == self.shape else permuted.reshape(self.shape)

    def undo(self, tensor: Tensor) -> Tensor:
        """Return a presented tensor in the shape `original`."""
        permuted = tensor if tensor.shape == self._permuted else tensor.reshape(self._permuted)
        if self._keeps_order:
            return permuted
        return permuted.permute(sorted(range(len(self.permutation)), key=self.permutation.__getitem__))


@dataclass(frozen=True, slots=True)
class Layout:
    """The operands of one node: views and labels by name, and the same for the result."""

    views: dict[str, AxisView]
    axes: dict[str, str]
    result: AxisView
    out: str
    formula: str


def layout_of(op: Op, shapes: dict[str, tuple[int, ...]], result: tuple[int, ...], bound: Mapping[str, Any]) -> Layout:
    """Return the operands of an op by its kind."""
    if op.kind is Kind.POINTWISE:
        return pointwise(op.definition, shapes, result)
    if op.kind is Kind.EINSUM:
        (equation,) = bound.values()
        if not isinstance(equation, str):
            raise NotSupportedError('einsum with lists of axes has no definition yet: write its equation, "ij->i"')
        return einsum(equation, tuple(shapes.values()), result)
    return indexed(op, shapes, result, bound)


def with_unknown(op: Op, shown: Layout, result: tuple[int, ...]) -> Layout:
    """Return an implicit op's operands with its result among them: the residual reads it."""
    explicit = explicit_axes(op.definition)["out"]
    batch = shown.out[: len(shown.out) - len(op.entry)]
    letters = batch[len(batch) - (len(result) - explicit) :]
    views, axes = shown.views | {"out": reshaped(result, result)}, shown.axes | {"out": letters}
    return replace(shown, views=views, axes=axes)


def reshaped(shape: tuple[int, ...], new: tuple[int, ...]) -> AxisView:
    """Return a view that only reshapes."""
    return AxisView(shape, tuple(range(len(shape))), new)


def pointwise(formula: str, shapes: Mapping[str, tuple[int, ...]], result: tuple[int, ...]) -> Layout:
    """Return the operands of a pointwise op: an axis that broadcasts is dropped, so that its label is missing."""
    return _pointwise(formula, tuple(shapes.items()), result)


@lru_cache(maxsize=1024)
def _pointwise(formula: str, shapes: tuple[tuple[str, tuple[int, ...]], ...], result: tuple[int, ...]) -> Layout:
    letters = _labels(POINTWISE_LABELS, len(result))
    views, axes = {}, {}
    for name, shape in shapes:
        axes[name], kept = _broadcast(shape, result, letters)
        views[name] = reshaped(shape, kept)
    return Layout(views, axes, reshaped(result, result), letters, formula)


def _labels(letters: str, count: int) -> str:
    """Return the labels of so many axes."""
    if count > len(letters):
        msg = f"index notation has labels for {len(letters)} axes here, and there are {count}"
        raise NotSupportedError(msg)
    return letters[:count]


def _broadcast(shape: tuple[int, ...], result: tuple[int, ...], letters: str) -> tuple[str, tuple[int, ...]]:
    """Return the labels and lengths of the axes of `shape` that do not broadcast against `result`."""
    aligned = list(zip(shape, result[len(result) - len(shape) :], letters[len(result) - len(shape) :], strict=True))
    kept = [(size, letter) for size, full, letter in aligned if size == full]
    return "".join(letter for _, letter in kept), tuple(size for size, _ in kept)


def flat(formula: str, shapes: Mapping[str, tuple[int, ...]], result: tuple[int, ...], out: str) -> Layout:
    """Return operands as vectors."""
    views = {name: reshaped(shape, (torch.Size(shape).numel(),)) for name, shape in shapes.items()}
    return Layout(views, dict.fromkeys(shapes, ""), reshaped(result, (torch.Size(result).numel(),)), out, formula)


def indexed(op: Op, shapes: Mapping[str, tuple[int, ...]], result: tuple[int, ...], bound: Mapping[str, Any]) -> Layout:
    """Return the operands of an op with a definition in index notation; `...` stands for the axes not written out."""
    explicit = explicit_axes(op.definition)
    views = {name: _along(op, shape, bound) for name, shape in shapes.items()}
    batches = {name: view.shape[: len(view.shape) - explicit[name]] for name, view in views.items()}
    batch = broadcast(list(batches.values()))
    letters = _labels(BATCH_LABELS[::-1], len(batch))[::-1]
    axes = {}
    for name, view in views.items():
        axes[name], kept = _broadcast(batches[name], batch, letters)
        views[name] = AxisView(view.original, view.permutation, kept + view.shape[len(batches[name]) :])
    return Layout(views, axes, _result(op, result, batch, bound), letters + op.entry, op.definition)


def broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape that shapes broadcast to; PyTorch's own function would import sympy, half a second's work."""
    rank = max((len(shape) for shape in shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(next((size for size in sizes if size != 1), 1) for sizes in zip(*padded, strict=True))


def _along(op: Op, shape: tuple[int, ...], bound: Mapping[str, Any]) -> AxisView:
    """Return an operand with the axes that the op works along last, and merged into one."""
    if op.along is None:
        return reshaped(shape, shape)
    dims = dimensions(bound.get(op.along), len(shape))
    kept = [axis for axis in range(len(shape)) if axis not in dims]
    sizes = [shape[axis] for axis in kept]
    merged = torch.Size([shape[axis] for axis in dims]).numel()
    return AxisView(shape, (*kept, *dims), (*sizes, merged))


def _result(op: Op, result: tuple[int, ...], batch: tuple[int, ...], bound: Mapping[str, Any]) -> AxisView:
    if op.along is None:
        return reshaped(result, result)
    if not op.entry:
        return reshaped(result, batch)  # keepdim leaves axes of length 1
    return _along(op, result, bound)


def dimensions(dim: Any, rank: int) -> tuple[int, ...]:
    """Return PyTorch's `dim` argument (None, a number, several) as non-negative axes."""
    if dim is None or (isinstance(dim, tuple | list) and not dim):
        return tuple(range(rank))
    dims = dim if isinstance(dim, tuple | list) else (dim,)
    return tuple(axis % rank if rank else 0 for axis in dims) if rank else ()


@lru_cache(maxsize=256)
def explicit_axes(definition: str) -> dict[str, int]:
    """Return how many axes a definition writes out for each operand, beside `...`."""
    found: dict[str, int] = {}
    for node in postorder(parse_formula(definition)):
        if isinstance(node, Index) and isinstance(node.value, Name):
            found[node.value.name] = sum(not isinstance(item, Ellipsis) for item in node.items)
    return found


@lru_cache(maxsize=1024)
def einsum(equation: str, shapes: tuple[tuple[int, ...], ...], result: tuple[int, ...]) -> Layout:
    """Return the operands of einsum as index notation: its equation already is one."""
    inputs, arrow, out = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        msg = f"einsum's equation has {len(terms)} operands, and {len(shapes)} were given"
        raise NotSupportedError(msg)
    if not arrow:
        plain = inputs.replace(",", "").replace(".", "")
        out = ("..." if "..." in inputs else "") + "".join(sorted(c for c in set(plain) if plain.count(c) == 1))
    count = max(
        [len(shape) - len(term.replace("...", "")) for term, shape in zip(terms, shapes, strict=True) if "..." in term],
        default=0,
    )
    spare = [letter for letter in string.ascii_letters[::-1] if letter not in inputs][:count][::-1]
    sizes = _einsum_sizes(terms, shapes, spare)
    axes: dict[str, str] = {}
    views: dict[str, AxisView] = {}
    for position, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        letters = _spell(term, len(shape), spare)
        kept = [(letter, size) for letter, size in zip(letters, shape, strict=True) if size == sizes[letter]]
        axes[f"operand{position}"] = "".join(letter for letter, _ in kept)
        views[f"operand{position}"] = reshaped(shape, tuple(size for _, size in kept))
    out = out.replace("...", "".join(spare))
    # The letters themselves mean nothing: the same letters for the same pattern make it one signature.
    rename = str.maketrans(
        {old: chr(ord("a") + new) for new, old in enumerate(dict.fromkeys("".join([*axes.values(), out])))}
    )
    axes = {name: letters.translate(rename) for name, letters in axes.items()}
    return Layout(views, axes, reshaped(result, result), out.translate(rename), "*".join(axes))


def _spell(term: str, rank: int, spare: list[str]) -> str:
    count = rank - len(term.replace("...", ""))
    return term.replace("...", "".join(spare[len(spare) - count :]))


def _einsum_sizes(terms: list[str], shapes: Sequence[tuple[int, ...]], spare: list[str]) -> dict[str, int]:
    """Return each label's length: the longest, because an axis of length 1 broadcasts."""
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in zip(_spell(term, len(shape), spare), shape, strict=True):
            sizes[letter] = size if sizes.get(letter, 1) == 1 else sizes[letter]
    return sizes


def as_numbers(tensor: Tensor, name: str) -> Tensor:
    """Return integers and truth values as numbers that einsum can multiply with others; positions stay integers."""
    whole = name in POSITIONS or tensor.is_floating_point() or tensor.is_complex()
    return tensor if whole else tensor.to(torch.float64)
