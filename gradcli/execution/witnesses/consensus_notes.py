"""What is said of a verdict that takes several witnesses into account."""

from __future__ import annotations

from gradcli.report.notes import NoteKind, noted

BUT = "autograd agrees with the symbolic derivative, but"
ELSE = noted(NoteKind.WITNESS, "PyTorch's forward may not compute what the definition says")
OTHERWISE = noted(
    NoteKind.WITNESS,
    "next to this point the program decides the same by its values, and otherwise within the steps of the differences",
)
ABSORBED = noted(
    NoteKind.ROUNDING,
    "a term on the way is too small beside the sum that it is added to: no difference of the program shows its slope",
)
CHOICE = noted(NoteKind.KINK, "at a kink of the program autograd's choice lies between the one-sided derivatives")
CANCEL = noted(NoteKind.KINK, "an op has a kink here, but the program has none: difference quotients of it say so")
COMPOSED = noted(
    NoteKind.KINK, "an op has a kink here, but the program has none: the one-sided derivatives of its ops say so"
)
BESIDE = noted(NoteKind.KINK, "difference quotients see a kink, but no op of the program has one here")
BESIDE_JUMP = noted(NoteKind.KINK, "differences see a jump or a pole, but no op of the program has one here")
LEVEL = noted(NoteKind.KINK, "the value of an op jumps here, but the program's does not")
MAY_JUMP = noted(
    NoteKind.KINK,
    "the value of an op jumps here, and the differences are not accurate enough to tell whether the program's does",
)
LEVEL_BUT = noted(
    NoteKind.KINK,
    "the value of an op jumps here, but the program's does not, and the differences are not accurate enough to tell its"
    " slope",
)
HIDDEN = noted(
    NoteKind.KINK,
    "the program decides by its values at this point, and the differences are not accurate enough to tell whether it"
    " has a kink here",
)
LOST_STEPS = noted(
    NoteKind.ROUNDING,
    "numbers are so large here that rounding hides whether the program jumps, or decides otherwise, next to this point",
)
LOST_JUMP = noted(
    NoteKind.ROUNDING, "the value of an op jumps here, by so little beside the output that rounding hides it there"
)
WITHIN = noted(NoteKind.ROUNDING, "the kink is at this point as far as rounding lets it be told")
INSTEAD = noted(
    NoteKind.REFERENCE, "the symbolic derivative is NaN here; autograd's gradient agrees with difference quotients"
)
BY_CALLS = noted(
    NoteKind.REFERENCE,
    "the symbolic derivative is NaN here; autograd's gradient agrees with the one-sided derivatives of the program's"
    " ops",
)
NAN_BUT = noted(
    NoteKind.REFERENCE,
    "the symbolic derivative is NaN here, and the differences are not accurate enough to tell whether there is one",
)
ROUNDED = "rounding decides what the gradient is here, and whether the point is at a kink"
KINKS = "autograd's choices at single kinks do not make a derivative of the program"
DECISIONS = "autograd treats what the program decides by its values as constant, and its derivative is different"
