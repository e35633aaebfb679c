"""What runs the ops of a program: the interpreter walks the program and hands every call to a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gradcli.language.program import Call, Expression
from gradcli.ops.record import Op


class Machine(Protocol):
    """What an op does to values; tensors are whatever the machine makes them, everything else is Python data."""

    most_rounds: int
    largest_exponent: int
    seed: int
    """Where random draws start."""
    memo: dict[Any, Any]
    """What is made the same in every run of a program: modules, by what made them."""

    def apply(self, op: Op, call: BoundCall) -> Any:
        """Return the result of an op."""

    def tensor(self, value: Any) -> Any:
        """Return the torch tensor behind a machine's value, or None if it is not one."""

    def decides(self, tensor: Any) -> None:
        """Take note that the entries of a tensor decide what comes next."""

    def begin_loop(self, rounds: int) -> None:
        """Refuse a loop of so many rounds before its first, if it will run all of them: LimitError."""

    def check_items(self, count: int) -> None:
        """Refuse a list or tuple of so many items: LimitError."""

    def named(self, value: Any, name: str) -> None:
        """Take note that the program calls a value by a name."""

    def leaf(self, value: Any, name: str) -> Any:
        """Return a leaf with a value's numbers, which the program makes and calls by a name."""

    def unmade(self, numbers: Any) -> Any:
        """Return the numbers of a leaf that is about to be made, which no call has made."""

    def hide(self, values: Sequence[Any]) -> None:
        """Take note of what the program does not compute itself: it is not shown."""

    def gradient(
        self, call: Call, outputs: Sequence[Any], inputs: Sequence[Any], upstream: Sequence[Any], *, allow_unused: bool
    ) -> tuple[Any, ...]:
        """Return the gradients of outputs by inputs, as values; None for an input that is not used, where it may be."""

    def refill(self, value: Any, numbers: Any) -> None:
        """Give a leaf that the program makes other numbers, before it is used."""

    def overwrites(self, value: Any, call: BoundCall, others: Mapping[str, Any]) -> None:
        """Refuse a call in place that PyTorch would refuse; `others` are the values of the program's other names."""

    def check_elements(self, count: int, node: Expression) -> None:
        """Refuse a tensor of more entries than are allowed."""


class BoundCall:
    """An op's arguments: as they were written (for PyTorch), and by parameter (for the definition)."""

    __slots__ = ("bound", "keywords", "node", "positional")

    def __init__(self, node: Call, positional: list[Any], keywords: dict[str, Any], bound: dict[str, Any]) -> None:
        self.node = node
        self.positional = positional
        self.keywords = keywords
        self.bound = bound
