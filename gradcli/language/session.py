"""What is learnt of a program while its statements are read one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcli.errors import Span


@dataclass(slots=True)
class Session:
    """Gone when the program is read."""

    notes: list[str] = field(default_factory=list)
    """What is to be said of how the program is read."""
    retained: list[str] = field(default_factory=list)
    """The tensors on which it calls `retain_grad()`."""
    assigned: set[str] = field(default_factory=set)
    """The names that it has assigned so far."""
    hidden: set[str] = field(default_factory=set)
    """The constants whose names it has assigned, `pi`: they are its own from there on."""
    attributes: set[str] = field(default_factory=set)
    """The attributes and methods of its own classes."""
    functions: int = 0
    """How many functions the statement that is read is inside of."""
    loops: int = 0
    """How many loops the statement is inside of, in its function."""
    differentiating: set[str] = field(default_factory=set)
    """The functions of the program's own that differentiate."""
    records: set[str] = field(default_factory=set)
    """The lists to which it only appends numbers, for a plot."""
    tuples: set[str] = field(default_factory=set)
    """The names that it assigns a tuple or a list to."""
    command: str | None = None
    """The command that shows what the program asks for, where only that one does."""
    inner: set[int] = field(default_factory=set)
    """The calls of `autograd.grad` with whose result the program computes, by identity of Python's nodes."""
    scalers: set[str] = field(default_factory=set)
    """The names of what scales a loss, and its gradient back."""
    computed: set[int] = field(default_factory=set)
    """The statements whose result is differentiated further on, by identity."""
    further: Span | None = None
    """Where a gradient is differentiated again."""
