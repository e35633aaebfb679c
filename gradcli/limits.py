"""How large a program, its tensors and its derivation may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from gradcli.errors import LimitError
from gradcli.fields import Range, check_fields

Count = Annotated[int, Range()]
Seconds = Annotated[float, Range(0, 1e9)]  # 31 years: what a timer of the operating system takes

LARGEST_RANK = 64  # PyTorch's own limit


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
    derivation_time: Seconds = 10.0
    """Seconds for one symbolic derivation."""

    def __post_init__(self) -> None:
        """Refuse what is not a limit: InputError names the field."""
        check_fields(self)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuse the shape of a tensor that has too many dimensions or elements: LimitError."""
        most = min(self.rank, LARGEST_RANK)
        if len(shape) > most:
            hint = "`--max-rank` raises the limit" if most < LARGEST_RANK else "PyTorch has no tensors of more"
            raise LimitError(f"{len(shape)} dimensions are more than {most}", hint=hint)
        # A size of 0 must not hide a dimension that PyTorch would refuse.
        if (math.prod(shape) or math.prod(max(size, 1) for size in shape)) > self.elements:
            message = f"the tensor has more than {self.elements:,} elements"
            raise LimitError(message, hint="`--max-elements` raises the limit")
