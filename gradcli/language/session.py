"""What is learnt of a program while its statements are read one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast

    from gradcli.errors import Span


@dataclass(slots=True)
class Session:
    """Gone when the program is read."""

    notes: list[str] = field(default_factory=list)
    """What is to be said of how the program is read."""
    retained: list[str] = field(default_factory=list)
    """The tensors on which it calls `retain_grad()`."""
    modules: dict[str, ast.Call] = field(default_factory=dict)
    """What a name was assigned that is a module without parameters: `nn.MSELoss()`."""
    records: set[str] = field(default_factory=set)
    """The lists to which it only appends numbers, for a plot."""
    further: Span | None = None
    """Where a gradient is differentiated again."""
