"""What there is to say of a gradient where the witnesses do not agree, or where it is a choice."""

from __future__ import annotations

from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.verdict import Verdict

# What finite differences of forward say of backward: they agree with it, or neither with it nor with the body.
AGREE = "finite differences of forward agree with backward, and not with autograd of its body"
DENY_BOTH = "finite differences of forward agree neither with backward nor with autograd of its body"
# Why autograd of the body is not the derivative, by what finite differences say of it nearby.
BODY = {
    Verdict.MATCH: ", which they confirm nearby: at this kink its choices make up no derivative",
    Verdict.MISMATCH: (
        ", which treats what forward decides by its values as constant; `--reference PROGRAM` says what it computes"
    ),
    Verdict.UNDECIDED: "; `--reference PROGRAM` says what it computes",
}
DENIED = noted(
    NoteKind.WITNESS,
    "autograd and the symbolic derivative agree with backward, but finite differences of forward do not",
)
UNTOLD = noted(
    NoteKind.WITNESS,
    "autograd and the symbolic derivative agree with backward, and finite differences of forward cannot tell",
)
NEARING = noted(
    NoteKind.KINK,
    "the chain rule makes NaN of the derivative here; forward's own slopes tell it, nearer and nearer to the point",
)
AT_KINK = noted(NoteKind.KINK, "at a kink backward's choice lies between the one-sided derivatives")


def of_body(said: str, nearby: Verdict) -> Notes:
    """Return what finite differences say where autograd of forward's body is not the derivative, and why it is not."""
    return noted(NoteKind.REFERENCE, said + BODY[nearby])
