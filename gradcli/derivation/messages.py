"""What the execution side asks the symbolic side, and what it gets back: plain data both ways."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gradcli.derivation.linear_system import LinearSystem
from gradcli.derivation.tensor_program import COTANGENT, TensorProgram


def cotangent_name(level: int) -> str:
    """Return the operand that holds the upstream gradient of the recorded adjoint at a level: 1, 2 and so on."""
    return f"{COTANGENT}{level}"


def solution_name(level: int) -> str:
    """Return the unknown of the recorded adjoint system of an implicit definition."""
    return f"solution{level}"


class _Hashed:
    """Has room for a hash, which is none of the fields."""

    __slots__ = ("_hash",)
    _hash: int


@dataclass(frozen=True, slots=True)
class DerivativeRequest(_Hashed):
    """One definition at one pattern of ranks: equal requests have equal derivatives, whatever the sizes.

    A complex operand `z` is two real ones, `z.real` and `z.imag`.
    """

    formula: str
    """The op's definition, as the op table has it."""
    axes: tuple[tuple[str, str], ...]
    """Each tensor operand's labels (those that `...` stands for in a definition with subscripts); an operand that
    broadcasts lacks labels."""
    numbers: tuple[tuple[str, Any], ...]
    """The static parameters by name."""
    out: str
    """The labels of the result."""
    wrt: tuple[str, ...]
    """The operands whose vector-Jacobian product is wanted."""
    unknown: str | None = None
    """What an implicit definition is solved for; None for an explicit one."""
    pulled_back_by: tuple[str, ...] = ()
    """For derivatives of higher order: every name replaces the definition so far by its vector-Jacobian product with
    respect to that operand, which reads one operand more, the cotangent. Through the unknown it is the adjoint system,
    an implicit definition again."""
    part: str | None = None
    """The part of a complex value, `real` or `imag`, that this is the definition of."""
    number_types: tuple[str, ...] = field(init=False, repr=False)
    """The types of the numbers: True, 1 and 1.0 are equal, and not the same parameter."""

    def __post_init__(self) -> None:
        """Note the types of the numbers."""
        object.__setattr__(self, "number_types", tuple(type(value).__name__ for _, value in self.numbers))

    def __hash__(self) -> int:
        """Return the hash, worked out once: every edge of a tape looks its derivative up by it."""
        try:
            known: int = self._hash
        except AttributeError:
            known = hash((self.formula, self.axes, self.numbers, self.out, self.wrt, self.pulled_back_by, self.part))
            object.__setattr__(self, "_hash", known)
        return known

    @property
    def solved_for(self) -> str | None:
        """Return what the definition that `pulled_back_by` leads to is solved for; None if it is explicit."""
        unknown = self.unknown
        for level, name in enumerate(self.pulled_back_by, 1):
            unknown = solution_name(level) if name == unknown else None
        return unknown

    def to_data(self) -> dict[str, Any]:
        """Return the request as JSON data."""
        return asdict(self)

    @staticmethod
    def from_data(data: dict[str, Any]) -> DerivativeRequest:
        """Return the request that `to_data` made the data of."""
        return DerivativeRequest(
            data["formula"],
            _pairs(data["axes"]),
            _pairs(data["numbers"]),
            data["out"],
            tuple(data["wrt"]),
            data["unknown"],
            tuple(data["pulled_back_by"]),
            data["part"],
        )


@dataclass(frozen=True, slots=True)
class Arbitration:
    """Which number a pointwise derivative is, to many digits: Σ cotangent · ∂formula/∂wrt over some points.

    Without `wrt` it is the formula's value, Σ cotangent · formula.
    """

    formula: str
    """The op's definition, as the op table has it."""
    numbers: tuple[tuple[str, Any], ...]
    """The static parameters by name."""
    wrt: str | None
    """The operand whose derivative it is; None for the value."""
    points: tuple[tuple[tuple[str, str], ...], ...]
    """The operands' values by name at each point, exactly: the text of a fraction."""
    cotangents: tuple[str, ...]
    """The upstream gradient at each point, likewise."""

    def to_data(self) -> dict[str, Any]:
        """Return the request as JSON data."""
        return asdict(self)

    @staticmethod
    def from_data(data: dict[str, Any]) -> Arbitration:
        """Return the request that `to_data` made the data of."""
        return Arbitration(
            data["formula"],
            _pairs(data["numbers"]),
            data["wrt"],
            tuple(_pairs(point) for point in data["points"]),
            tuple(data["cotangents"]),
        )


@dataclass(frozen=True, slots=True)
class Arbitrated:
    """The answer to an arbitration."""

    text: str
    """The number; of one that no float holds a few digits, and of an infinite one a word."""
    extent: Literal["number", "too large", "infinite"] = "number"
    """Whether a float could hold it, were it rounded."""

    def to_data(self) -> dict[str, Any]:
        """Return the answer as JSON data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Derived:
    """The answer to a derivative request."""

    value: TensorProgram | None
    """The definition itself; None if it is implicit, or a derivative."""
    adjoints: dict[str, TensorProgram]
    """The vector-Jacobian product by operand."""
    system: LinearSystem | None = None
    """The linear system of an implicit definition's adjoint."""
    error: str | None = None
    """Why there is no answer; everything else is then empty."""

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
            LinearSystem.from_data(system) if system else None,
            data["error"],
        )


def _pairs(data: Iterable[Sequence[Any]]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in data)
