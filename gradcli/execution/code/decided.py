"""What code decides by the values of its tensors, and where it compares what is equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gradcli.execution.forward.call_kinds import COMPARING, DECIDING, TRUTH, WHOLE
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.kinds import kind_of
from gradcli.report.custom import SourcePlace


class Decided:
    """What was decided so far."""

    def __init__(self) -> None:
        self.by_values = False
        """Whether the code decides by values of tensors."""
        self.ties: list[SourcePlace | None] = []
        """Where what requires grad was compared with what it is equal to, each place once."""

    def meet(self, call: MadeCall, wanted: Sequence[Tensor], place: Callable[[], SourcePlace | None]) -> None:
        """Note what a call decides; `wanted` are those of its operands that require grad."""
        self.by_values |= call.short in DECIDING
        if wanted and call.short in COMPARING and _is_tie(call):
            found = place()
            self.ties += [] if found in self.ties else [found]


def _is_tie(call: MadeCall) -> bool:
    """Return whether an entry is equal to what it is compared with; of a truth value, to 0."""
    operands = [*call.args, *call.keywords.values()][:2]
    one, other = (*operands, 0) if call.short in TRUTH else operands
    if any(isinstance(operand, Tensor) and kind_of(operand) is not None for operand in (one, other)):
        return False
    with torch.no_grad():
        if call.short in WHOLE:
            return torch.equal(*operands)
        return bool((torch.as_tensor(one) == torch.as_tensor(other)).any())
