"""How large a program, its tensors and its derivation may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gradcli.fields import Range, check_fields

Count = Annotated[int, Range()]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before it is run; each limit has an option `--max-...` that raises it."""

    program_size: Count = 16 * 1024
    """Bytes of a program's text."""
    nesting: Count = 100
    """Depth of brackets and blocks."""
    operations: Count = 2_000
    """Operations of a program's text, and of a run."""
    rank: Count = 8
    """Dimensions of a tensor."""
    elements: Count = 10_000_000
    """Elements of a tensor."""
    memory: Count = 2 * 1024**3
    """Bytes of the graph in all, estimated."""
    exponent: Count = 1_000
    """Size of a constant exponent."""
    derivation_time: Annotated[float, Range()] = 10.0
    """Seconds for one symbolic derivation."""

    def __post_init__(self) -> None:
        """Refuse what is not a limit: InputError names the field."""
        check_fields(self)
