"""Claims where a program bends: each is judged by itself, for there is more than one right gradient at a kink."""

from __future__ import annotations

from dataclasses import replace

from gradcli.execution.comparison.claims import Claims
from gradcli.execution.comparison.evaluation import Evaluation
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.run import Run
from gradcli.execution.witnesses.bends import bends
from gradcli.execution.witnesses.jumps import JUMPS
from gradcli.execution.witnesses.numerical_verdict import NumericalWitnesses
from gradcli.report.comparison import Claim, Comparison
from gradcli.report.notes import NoteKind, noted
from gradcli.report.verdict import Verdict
from gradcli.witnesses import DIFFERENCES

ANOTHER = noted(NoteKind.KINK, "at a kink of the program the claim lies between the one-sided derivatives")
OUTSIDE = noted(NoteKind.KINK, "at a kink of the program the claim is not between the one-sided derivatives")
BY_QUOTIENTS = noted(NoteKind.REFERENCE, "the claim agrees with difference quotients of the program, which bends here")
OPEN = frozenset({Verdict.MATCH, Verdict.MISMATCH})


def judged_claims(run: Run, evaluation: Evaluation) -> dict[TracedTensor, Claim]:
    """Return what there is to say of each claim; InputError for one that is not a gradient of its tensor."""
    claims = Claims(run, evaluation).judge()
    witnesses = NumericalWitnesses.of(run, [DIFFERENCES]) if claims else None
    for traced, claim in claims.items():
        asked = (
            witnesses is not None and claim.verdict in OPEN and tuple(claim.value.shape) == tuple(traced.tensor.shape)
        )
        if asked and witnesses is not None and bends(witnesses, evaluation.comparisons, traced):
            claims[traced] = replace(claim, comparison=_where_it_bends(witnesses, traced, claim))
    return claims


def _where_it_bends(witnesses: NumericalWitnesses, traced: TracedTensor, claim: Claim) -> Comparison:
    """Return the comparison of a claim with what difference quotients of the program say of it."""
    found, comparison = witnesses.check(traced, claim.value, None, bends=True), claim.comparison
    said = Verdict.UNDECIDED if found is None else found.witnesses[DIFFERENCES].verdict
    if said is Verdict.SUBGRADIENT:
        return replace(comparison, verdict=said, notes=ANOTHER)
    if said is Verdict.MATCH and comparison.verdict is Verdict.MISMATCH:
        return replace(comparison, verdict=said, notes=BY_QUOTIENTS)
    if said is Verdict.MISMATCH:
        return replace(comparison, verdict=said, notes=(*OUTSIDE, *comparison.notes))
    if said is Verdict.UNDEFINED:
        return replace(comparison, verdict=said, notes=JUMPS)
    return comparison
