"""Where a call is at a kink of its own, as its definitions say."""

from __future__ import annotations

from torch import Tensor

from gradcli.execution.comparison.nonfinite import at_jump
from gradcli.execution.reference.decomposition import DecomposedCall
from gradcli.ops.record import Kind


def is_at_kink(group: DecomposedCall) -> bool:
    """Return whether any entry of a call is at a kink."""
    return any(bool(node.kinks().any()) for node in group.nodes if node.kinks is not None)


def kinks_of(group: DecomposedCall) -> Tensor | None:
    """Return which entries of a pointwise call are at a kink; None where they are not known one by one."""
    call, masks = group.call, [node.kinks() for node in group.nodes if node.kinks is not None]
    if call.op.kind is not Kind.POINTWISE or at_jump(call) or len(masks) != 1:
        return None
    return masks[0]
