"""The adjoint system of an implicit definition, as plain data: the Jacobian of its residual, and its structure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gradcli.derivation.tensor_program import TensorProgram


@dataclass(frozen=True, slots=True)
class Coupling:
    """Which slices of the residual along one label read which slices of the unknown along another."""

    row: str
    """The residual's label."""
    column: str
    """The unknown's label."""
    strength: TensorProgram
    """Over both labels: the Jacobian's magnitudes added up over all others; 0 only where it is 0."""


@dataclass(frozen=True, slots=True)
class Product:
    """A part of the Jacobian that is the product of two programs."""

    left: TensorProgram
    """Its first factor."""
    right: TensorProgram
    """Its second factor."""


@dataclass(frozen=True, slots=True)
class Family:
    """A Jacobian that is one matrix for each index of a family, all of them combinations of a few shared ones.

    J[family] = Σ right[family] · left + Σ of dyads: left[family] right[family]ᵀ.
    """

    batch: str
    """The labels along which the shared matrices differ."""
    labels: str
    """The labels of the family."""
    shared: tuple[Product, ...]
    """A matrix over batch, row and column labels, and its coefficients over batch and family."""
    dyads: tuple[Product, ...]
    """Two vectors, over batch, family and row label, and over batch, family and column label."""


@dataclass(frozen=True, slots=True)
class LinearSystem:
    """The Jacobian of an implicit definition's residual, as programs over batch, row and column labels."""

    matrix: TensorProgram
    """The Jacobian."""
    pairs: tuple[tuple[str, str], ...]
    """The labels (residual's, unknown's) along which the Jacobian is diagonal."""
    rows: str
    """The other labels of the residual."""
    columns: str
    """The other labels of the unknown."""
    residual: str
    """The labels of the residual's axes."""
    unknown: str
    """The labels of the unknown's axes."""
    product: TensorProgram
    """Its transpose times the cotangent, a tensor of the residual's shape; no matrix is made."""
    magnitude: TensorProgram
    """The same with the magnitude of every factor: what the rounding of `product` is measured by."""
    couplings: tuple[Coupling, ...]
    """By pair of other labels in the same place, which slices depend on which."""
    family: Family | None
    """Its shared matrices, if it is a family of matrices that has any."""

    @staticmethod
    def from_data(data: dict[str, Any]) -> LinearSystem:
        """Return the system that `dataclasses.asdict` made the data of."""
        couplings = tuple(
            Coupling(one["row"], one["column"], TensorProgram.from_data(one["strength"])) for one in data["couplings"]
        )
        return LinearSystem(
            TensorProgram.from_data(data["matrix"]),
            tuple((row, column) for row, column in data["pairs"]),
            data["rows"],
            data["columns"],
            data["residual"],
            data["unknown"],
            TensorProgram.from_data(data["product"]),
            TensorProgram.from_data(data["magnitude"]),
            couplings,
            _family(data["family"]) if data["family"] else None,
        )


def _family(data: dict[str, Any]) -> Family:
    return Family(data["batch"], data["labels"], _products(data["shared"]), _products(data["dyads"]))


def _products(data: Iterable[dict[str, Any]]) -> tuple[Product, ...]:
    return tuple(Product(TensorProgram.from_data(one["left"]), TensorProgram.from_data(one["right"])) for one in data)
