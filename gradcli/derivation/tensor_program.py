"""A derivative as plain steps over labelled tensors: the one thing that the symbolic side hands to the execution side.

Every value carries one label (a letter) per axis. Sizes are not part of a program: they are bound when it is evaluated,
so one program serves every size. A program is plain data, so that it travels between processes as JSON.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

# The operand that holds the upstream gradient.
COTANGENT = "cotangent"
# Operands of these names hold positions along an axis: integer constants of the forward run.
POSITIONS = frozenset({"sources", "targets"})


@dataclass(frozen=True, slots=True)
class Step:
    """One operation."""

    function: str
    """A pointwise function (`add`, `exp`, `where` …: inputs are aligned by label and broadcast), or `einsum` (labels
    that are not in `out` are summed), `number`, `index` (0, 1, 2 … along the label `out`), `size` (the length of the
    axis called `number` labels), `gather` (the first input read at the other inputs), `scatter` (the first input added
    up at the positions in the second), `cumsum` (the first input added up along its last axis, over the positions that
    are `lt`, `le`, `gt` or `ge` that of the result, as `number` says), `relabel` (the diagonal of axes whose label
    repeats), `expand` (broadcast to `out`)."""
    inputs: tuple[int, ...]
    """The values that it reads."""
    labels: tuple[str, ...]
    """The labels of each input's axes."""
    out: str
    """The labels of the result's axes."""
    number: float | str | None = None
    """The constant of `number`, the label of `size`, the order of `cumsum`."""


@dataclass(frozen=True)
class TensorProgram:
    """Steps over named operands; value n is operand n, or step n - len(operands). Without slots, to keep its hash."""

    operands: tuple[str, ...]
    """The names of the operands."""
    labels: tuple[str, ...]
    """The labels of each operand's axes."""
    sizes: tuple[tuple[str, str, int], ...]
    """Where the length of each label is read: (label, operand, axis)."""
    steps: tuple[Step, ...]
    """The steps, each after those that it reads."""
    result: int
    """The value that is the result."""
    out: str
    """The labels of the result's axes."""

    def __hash__(self) -> int:
        """Return the hash, worked out once: what a program needs to run is looked up by it."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.operands, self.labels, self.sizes, self.steps, self.result, self.out))

    @cached_property
    def is_zero(self) -> bool:
        """Tell whether the result is 0 whatever the operands are."""
        place = self.result - len(self.operands)
        while place >= 0 and self.steps[place].function == "expand":
            place = self.steps[place].inputs[0] - len(self.operands)
        return place >= 0 and self.steps[place].function == "number" and self.steps[place].number == 0

    def to_data(self) -> dict[str, Any]:
        """Return the program as JSON data."""
        return asdict(self)

    @staticmethod
    def from_data(data: dict[str, Any]) -> TensorProgram:
        """Return the program that `to_data` made the data of: of equal ones the same, so that none are compared."""
        steps = tuple(
            Step(step["function"], tuple(step["inputs"]), tuple(step["labels"]), step["out"], step["number"])
            for step in data["steps"]
        )
        sizes = tuple((label, operand, axis) for label, operand, axis in data["sizes"])
        operands, labels = tuple(data["operands"]), tuple(data["labels"])
        return _known(TensorProgram(operands, labels, sizes, steps, data["result"], data["out"]))


@lru_cache(maxsize=4096)
def _known(program: TensorProgram) -> TensorProgram:
    """Return the first program that was equal."""
    return program
