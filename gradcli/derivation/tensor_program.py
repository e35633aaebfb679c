"""A derivative as plain steps over labelled tensors: the one thing that the symbolic side hands to the execution side.

Every value carries one label (a letter) per axis. Sizes are not part of a program: they are bound when it is evaluated,
so one program serves every size. A program is plain data, so that it travels between processes as JSON.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# The operand that holds the upstream gradient.
COTANGENT = "cotangent"
# Operands of these names hold positions along an axis: integer constants of the forward run.
POSITIONS = frozenset({"sources", "targets"})


@dataclass(frozen=True, slots=True)
class Step:
    """One operation.

    `function` is a pointwise function (`add`, `exp`, `where` …: inputs are aligned by label and broadcast), or
    `einsum` (labels that are not in `out` are summed), `number`, `index` (0, 1, 2 … along the label `out`),
    `size` (the length of the axis called `number` labels), `gather` (the first input read at the other inputs),
    `scatter` (the first input added up at the positions in the second), `relabel` (the diagonal of axes whose label
    repeats), `expand` (broadcast to `out`).
    """

    function: str
    inputs: tuple[int, ...]
    labels: tuple[str, ...]
    out: str
    number: float | str | None = None


@dataclass(frozen=True, slots=True)
class TensorProgram:
    """Steps over named operands; value n is operand n, or step n - len(operands); the result has the labels `out`.

    `sizes` says where the length of each label is read: (label, operand, axis).
    """

    operands: tuple[str, ...]
    labels: tuple[str, ...]
    sizes: tuple[tuple[str, str, int], ...]
    steps: tuple[Step, ...]
    result: int
    out: str

    @property
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
        """Return the program that `to_data` made the data of."""
        steps = tuple(
            Step(step["function"], tuple(step["inputs"]), tuple(step["labels"]), step["out"], step["number"])
            for step in data["steps"]
        )
        sizes = tuple((label, operand, axis) for label, operand, axis in data["sizes"])
        return TensorProgram(tuple(data["operands"]), tuple(data["labels"]), sizes, steps, data["result"], data["out"])
