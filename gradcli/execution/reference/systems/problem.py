"""One adjoint system with its numbers, and blocks of it: slices of the residual against slices of the unknown."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from gradcli.derivation.linear_system import LinearSystem
from gradcli.derivation.tensor_program import COTANGENT, TensorProgram
from gradcli.execution.reference.systems.restricted import EVERYTHING, Ranges, Restricted, specialised
from gradcli.execution.reference.tensor_eval import align

# Entries of blocks that are kept.
MOST_KEPT = 1 << 22


Noted = TypeVar("Noted")


class UndecidedError(Exception):
    """There is no derivative to evaluate; the text says why."""


@dataclass(frozen=True, slots=True)
class Solved:
    """A right side, its solution, and what is left of it."""

    right: Tensor
    solution: Tensor
    rest: Tensor


@dataclass(slots=True)
class Problem:
    """(∂residual/∂unknown)ᵀ λ = right, where λ has the residual's axes, and `right` the unknown's."""

    system: LinearSystem
    operands: Mapping[str, Tensor]
    right: Tensor
    solved: Solved | None = None
    """The right side that was solved for last by structure."""
    sizes: Mapping[str, int] = field(init=False)
    """The length of every label of the residual and of the unknown."""
    _programs: dict[str, Restricted] = field(default_factory=dict)
    _blocks: dict[Hashable, Tensor] = field(default_factory=dict)
    """Blocks of the Jacobian, which every round of refinement reads; as many as there is room for."""
    _room: int = MOST_KEPT
    _notes: dict[Hashable, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set the lengths, which every block asks for."""
        self.sizes = self._lengths()

    def _lengths(self) -> dict[str, int]:
        names = dict(self.system.pairs)
        own = dict(zip(self.system.unknown, self.right.shape, strict=True))
        found = {row: own[column] for row, column in names.items()}
        matrix = {
            letter: self.operands[name].shape[axis]
            for letter, name, axis in self.system.matrix.sizes
            if letter in self.system.rows
        }
        return own | found | matrix

    @property
    def batch(self) -> str:
        """Return the residual's labels along which the Jacobian is block diagonal, with blocks that differ."""
        return "".join(
            letter for letter in self.system.matrix.out if letter not in self.system.rows + self.system.columns
        )

    @property
    def lone(self) -> str:
        """Return the residual's labels along which all blocks are the same."""
        return "".join(row for row, _ in self.system.pairs if row not in self.batch)

    def is_of(self, system: LinearSystem, operands: Mapping[str, Tensor]) -> bool:
        """Return whether this is a system with the same numbers: the same tensors."""
        return (
            system is self.system
            and operands.keys() == self.operands.keys()
            and all(_is_same(tensor, operands[name]) for name, tensor in self.operands.items())
        )

    def count(self, labels: str, ranges: Ranges = EVERYTHING) -> int:
        """Return how many entries there are along labels."""
        lengths = (_length(ranges[letter]) if letter in ranges else self.sizes[letter] for letter in labels)
        return math.prod(lengths)

    def matrix(self, ranges: Ranges) -> Tensor:
        """Return a block of the Jacobian: (batch, residual, unknown)."""
        key = frozenset(ranges.items())
        if key not in self._blocks:
            made = self._matrix(ranges)
            if made.numel() > self._room:
                return made
            self._room -= made.numel()
            self._blocks[key] = made
        return self._blocks[key]

    def _matrix(self, ranges: Ranges) -> Tensor:
        made = self._program("matrix", self.system.matrix, None).evaluate({}, ranges)
        rows, columns = self.count(self.system.rows, ranges), self.count(self.system.columns, ranges)
        return made.reshape(-1, rows, columns)

    def noted(self, key: Hashable, find: Callable[[], Noted]) -> Noted:
        """Return what is found out about the system, once."""
        if key not in self._notes:
            self._notes[key] = find()
        found: Noted = self._notes[key]
        return found

    def product(self, solution: Tensor, ranges: Ranges = EVERYTHING) -> Tensor:
        """Return the transposed Jacobian times a tensor of the residual's axes, between slices."""
        return self._program("product", self.system.product, COTANGENT).evaluate({COTANGENT: solution}, ranges)

    def magnitude(self, weights: Tensor, ranges: Ranges = EVERYTHING) -> Tensor:
        """Return the same product with the magnitude of every factor."""
        return self._program("magnitude", self.system.magnitude, COTANGENT).evaluate({COTANGENT: weights}, ranges)

    def can_slice(self) -> bool:
        """Return whether the programs may be evaluated on slices."""
        programs = (self.system.matrix, self.system.product, self.system.magnitude)
        return not any(step.function in {"size", "gather", "scatter", "cumsum"} for p in programs for step in p.steps)

    def _program(self, name: str, program: TensorProgram, varying: str | None) -> Restricted:
        if name not in self._programs:
            operands = self.operands if varying is None else {**self.operands, varying: self.blank()}
            self._programs[name] = specialised(program, operands, varying)
        return self._programs[name]

    def blank(self) -> Tensor:
        """Return zeros with the residual's axes."""
        sizes = self.sizes
        return self.right.new_zeros([sizes[letter] for letter in self.system.residual])

    def flat_right(self, right: Tensor) -> Tensor:
        """Return a tensor of the unknown's axes as (batch, unknown, lone)."""
        names = dict(self.system.pairs)
        order = [*(names[row] for row in self.batch), *self.system.columns, *(names[row] for row in self.lone)]
        return self._flat(right, [self.system.unknown.index(letter) for letter in order])

    def flat_solution(self, solution: Tensor) -> Tensor:
        """Return a tensor of the residual's axes as (batch, residual, lone)."""
        order = self.batch + self.system.rows + self.lone
        return self._flat(solution, [self.system.residual.index(letter) for letter in order])

    def _flat(self, tensor: Tensor, axes: list[int]) -> Tensor:
        return tensor.permute(axes).reshape(self.count(self.batch), -1, self.count(self.lone))

    def whole_solution(self, flat: Tensor, ranges: Ranges = EVERYTHING) -> Tensor:
        """Return what is (batch, residual, lone) with the residual's axes."""
        sizes = {**self.sizes, **{letter: _length(span) for letter, span in ranges.items()}}
        order = self.batch + self.system.rows + self.lone
        return align(flat.reshape([sizes[letter] for letter in order]), order, self.system.residual)


def _length(span: tuple[int, int]) -> int:
    return span[1] - span[0]


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one is other or (one.ndim == other.ndim == 0 and torch.equal(one, other))


def slices(tensor: Tensor, labels: str, ranges: Ranges) -> Tensor:
    """Return the view of a tensor where some labels only range over a slice."""
    for letter, (start, stop) in ranges.items():
        if letter in labels:
            tensor = tensor.narrow(labels.index(letter), start, stop - start)
    return tensor


def solved(square: Tensor, right: Tensor) -> Tensor:
    """Return the solutions of a batch of systems; where no gradient arrives it is 0, whatever the system is."""
    quiet = (right == 0).all(-1).all(-1)
    if bool(quiet.all()):
        return right.new_zeros([*right.shape[:-2], square.shape[-1], right.shape[-1]])
    if square.shape[-1] != square.shape[-2]:
        raise UndecidedError("this result is not determined by what it is defined by: there are many as good")
    one = torch.eye(square.shape[-1], dtype=square.dtype)
    square = torch.where(quiet[..., None, None], one, square) if bool(quiet.any()) else square
    for upper in (False, True):
        if len(one) > LARGE and torch.equal(square, square.triu() if upper else square.tril()):
            if bool((square.diagonal(dim1=-2, dim2=-1) == 0).any()):
                raise UndecidedError(SINGULAR)
            return torch.linalg.solve_triangular(square, right, upper=upper)
    try:
        return torch.linalg.solve(square, right)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # torch exports it, its stubs do not
        raise UndecidedError(SINGULAR) from None


LARGE = 64
SINGULAR = "the linear system of this implicit definition is singular here"
