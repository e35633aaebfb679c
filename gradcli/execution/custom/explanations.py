"""What there is to say of a gradient where the witnesses do not agree, or where it is a choice."""

from __future__ import annotations

from gradcli.report.notes import NoteKind, noted

MISLED = noted(
    NoteKind.REFERENCE,
    "finite differences of forward agree with backward, and not with autograd of its body, which treats what forward "
    "decides by its values as constant; `--reference PROGRAM` says what it computes",
)
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
BOTH_DENIED = noted(
    NoteKind.WITNESS,
    "finite differences of forward agree neither with backward nor with autograd of its body, which treats what "
    "forward decides by its values as constant; `--reference PROGRAM` says what it computes",
)
AT_KINK = noted(NoteKind.KINK, "at a kink backward's choice lies between the one-sided derivatives")
