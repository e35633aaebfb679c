"""Bringing pieces of a formula together as PyTorch broadcasts them: transposed, and with axes of length 1 put in."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Symbol

from gradcli.symbolic.write.text import Precedence, Printed, named, suffix

Axes = tuple[Symbol | None, ...]


def broadcast(several: Sequence[Axes]) -> Axes | None:
    """Return the axes of an element-wise operation, or None if PyTorch would not align equal indices."""
    rank = max((len(axes) for axes in several), default=0)
    merged: list[Symbol | None] = []
    for position in range(-rank, 0):
        found = {axes[position] for axes in several if len(axes) >= -position} - {None}
        if len(found) > 1:
            return None
        merged.append(next(iter(found), None))
    present = [axis for axis in merged if axis is not None]
    return tuple(merged) if len(present) == len(set(present)) else None


def align(piece: Printed, target: Axes) -> Printed:
    """Return a piece that broadcasts against the axes `target`, which hold all of its own."""
    together = broadcast([piece.axes, target])
    if together is not None and len(piece.axes) <= len(target):
        return piece
    piece = permuted(piece, [axis for axis in target if axis in piece.axes and axis is not None])
    if not piece.axes or piece.axes == target[len(target) - len(piece.axes) :]:
        return piece
    rest = target[target.index(piece.axes[0]) :]
    inside = ", ".join(":" if axis in piece.axes and axis is not None else "None" for axis in rest)
    axes = tuple(axis if axis in piece.axes else None for axis in rest)
    return suffix(piece, f"[{inside}]").with_axes(axes)


def permuted(piece: Printed, order: Sequence[Symbol]) -> Printed:
    """Return a piece with exactly the axes `order`; its axes of length 1 are dropped."""
    piece = _squeezed(piece)
    order = tuple(order)
    if piece.axes == order:
        return piece
    if piece.is_symmetric:
        return piece.with_axes(order)
    if len(order) == 2:  # noqa: PLR2004 (a matrix has a transpose)
        return transposed(piece).with_axes(order)
    places = ", ".join(str(piece.axes.index(axis)) for axis in order)
    return suffix(piece, f".permute({places})").with_axes(order)


def transposed(piece: Printed) -> Printed:
    """Return the transpose of a matrix."""
    if piece.precedence is Precedence.ATOM and piece.text.endswith(".T"):
        return named(piece.text.removesuffix(".T"))
    return suffix(piece, ".T", r"^{\top}")


def _squeezed(piece: Printed) -> Printed:
    if None not in piece.axes:
        return piece
    items = [":" if axis is not None else "0" for axis in piece.axes]
    while items and items[-1] == ":":
        items.pop()
    text = f"[{', '.join(items)}]"
    return suffix(piece, text).with_axes([axis for axis in piece.axes if axis is not None])
