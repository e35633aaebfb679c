"""What the execution side asks the symbolic side, and what it gets back: plain data both ways."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gradcli.derivation.tensor_program import COTANGENT, TensorProgram


def cotangent_name(level: int) -> str:
    """Return the operand that holds the upstream gradient of the recorded adjoint at a level: 1, 2 and so on."""
    return f"{COTANGENT}{level}"


def solution_name(level: int) -> str:
    """Return the unknown of the recorded adjoint system of an implicit definition."""
    return f"solution{level}"


@dataclass(frozen=True, slots=True)
class DerivativeRequest:
    """One definition at one pattern of ranks: equal signatures have equal derivatives, whatever the sizes.

    `axes` gives each tensor operand's labels (those that `...` stands for in a definition with subscripts); an operand
    that broadcasts lacks labels. `numbers` are static parameters. `out` labels the result. `wrt` names the operands
    whose vector-Jacobian product is wanted. `unknown` is set for an implicit definition: what is solved for. `part` is
    the part of a complex value, `real` or `imag`, that this is the definition of; a complex operand `z` is there as two
    real ones, `z.real` and `z.imag`.

    `pulled_back_by` is for derivatives of higher order. Every name in it replaces the definition so far by its
    vector-Jacobian product with respect to that operand, which reads one operand more: the cotangent. Through the
    unknown it is the adjoint system, an implicit definition again.
    """

    formula: str
    axes: tuple[tuple[str, str], ...]
    numbers: tuple[tuple[str, Any], ...]
    out: str
    wrt: tuple[str, ...]
    unknown: str | None = None
    pulled_back_by: tuple[str, ...] = ()
    part: str | None = None

    @property
    def solved_for(self) -> str | None:
        """Return what the definition that `pulled_back_by` leads to is solved for; None if it is explicit."""
        unknown = self.unknown
        for level, name in enumerate(self.pulled_back_by, 1):
            unknown = solution_name(level) if name == unknown else None
        return unknown

    def to_data(self) -> dict[str, Any]:
        """Return the signature as JSON data."""
        return asdict(self)

    @staticmethod
    def from_data(data: dict[str, Any]) -> DerivativeRequest:
        """Return the signature that `to_data` made the data of."""
        return DerivativeRequest(
            data["formula"],
            tuple((name, labels) for name, labels in data["axes"]),
            tuple((name, value) for name, value in data["numbers"]),
            data["out"],
            tuple(data["wrt"]),
            data["unknown"],
            tuple(data.get("pulled_back_by", ())),
            data.get("part"),
        )


@dataclass(frozen=True, slots=True)
class LinearSystem:
    """The Jacobian of an implicit definition's residual, as a program over batch, row and column labels.

    `pairs` are (residual label, unknown label) along which the Jacobian is diagonal; `rows` and `columns` the others.
    `residual` labels the residual's axes, `unknown` the unknown's.
    """

    matrix: TensorProgram
    pairs: tuple[tuple[str, str], ...]
    rows: str
    columns: str
    residual: str
    unknown: str


@dataclass(frozen=True, slots=True)
class Derived:
    """The answer to a signature: a program for its value, one for each adjoint, and for an implicit one the system.

    `error` says why there is none (then everything else is empty).
    """

    value: TensorProgram | None
    adjoints: dict[str, TensorProgram]
    system: LinearSystem | None = None
    error: str | None = None

    def to_data(self) -> dict[str, Any]:
        """Return the answer as JSON data."""
        return asdict(self)

    @staticmethod
    def from_data(data: dict[str, Any]) -> Derived:
        """Return the answer that `to_data` made the data of."""
        value, system = data["value"], data["system"]
        return Derived(
            TensorProgram.from_data(value) if value else None,
            {name: TensorProgram.from_data(program) for name, program in data["adjoints"].items()},
            _system(system) if system else None,
            data["error"],
        )


def _system(data: dict[str, Any]) -> LinearSystem:
    pairs = tuple((row, column) for row, column in data["pairs"])
    matrix = TensorProgram.from_data(data["matrix"])
    return LinearSystem(matrix, pairs, data["rows"], data["columns"], data["residual"], data["unknown"])
