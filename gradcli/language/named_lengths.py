"""Lengths that have names, `--shape X=nxm`, where a program reads them: `eye(n)` is of X.shape[0]."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from gradcli.language.program import Assign, Attribute, Index, Literal, Name, Program


def with_named_lengths(
    program: Program, shapes: Mapping[str | None, Sequence[int]], sizes: Mapping[str, int], given: Collection[str]
) -> Program:
    """Return a program in which the names of lengths are numbers, assigned before all else.

    `shapes` are those of the leaves, with the numbers of `sizes` in the place of names. A leaf that is `given` a shape
    or a value stays a leaf.
    """
    leaves = {leaf.name: leaf for leaf in program.leaves}
    own = [leaf for name, leaf in leaves.items() if name in sizes and name not in given]
    homes = {name.name: _home(sizes[name.name], shapes, leaves) for name in own}
    found = [_assigned(name, home) for name in own if (home := homes[name.name]) is not None]
    read = {name for statement in found for name in (statement.targets[0].name,)}
    kept = tuple(leaf for leaf in program.leaves if leaf.name not in read)
    return replace(program, statements=(*found, *program.statements), leaves=kept) if found else program


def _home(
    length: int, shapes: Mapping[str | None, Sequence[int]], leaves: Mapping[str, Name]
) -> tuple[str, int] | None:
    """Return a leaf that has a length, and the axis; None if the program reads none."""
    places = ((name, [*shape].index(length)) for name, shape in shapes.items() if name in leaves and length in shape)
    return next(((name, axis) for name, axis in places if name is not None), None)


def _assigned(name: Name, home: tuple[str, int]) -> Assign:
    """Return the statement `n = X.shape[0]`, with the place in the source where n is read first."""
    tensor, axis = home
    shape = Attribute(Name(tensor, name.span), "shape", name.span)
    return Assign((name,), Index(shape, (Literal(axis, name.span),), name.span), name.span)
