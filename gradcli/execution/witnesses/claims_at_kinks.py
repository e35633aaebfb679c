"""Claims where a program bends: there is more than one right gradient at a kink, of each leaf and of all together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gradcli.execution.comparison.claims import Claims
from gradcli.execution.comparison.evaluation import Evaluation
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.run import Run
from gradcli.execution.witnesses.bends import bends
from gradcli.execution.witnesses.joint import joint_verdict
from gradcli.execution.witnesses.jumps import JUMPS
from gradcli.execution.witnesses.numerical_verdict import NumericalWitnesses
from gradcli.report.comparison import Claim, Comparison
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.verdict import Verdict
from gradcli.witnesses import DIFFERENCES

ANOTHER = noted(NoteKind.KINK, "at a kink of the program the claim lies between the one-sided derivatives")
OUTSIDE = noted(NoteKind.KINK, "at a kink of the program the claim is not between the one-sided derivatives")
BY_QUOTIENTS = noted(NoteKind.REFERENCE, "the claim agrees with difference quotients of the program, which bends here")
UNTOLD = noted(
    NoteKind.KINK, "at a kink of the program a different choice is no mistake, and the differences cannot tell"
)
OPEN = frozenset({Verdict.MATCH, Verdict.MISMATCH, Verdict.UNDECIDED})
DIFFERENT = frozenset({Verdict.MISMATCH, Verdict.UNDECIDED})

ClaimsByTensor = dict[TracedTensor, Claim]


def judged_claims(run: Run, evaluation: Evaluation) -> ClaimsByTensor:
    """Return what there is to say of each claim; InputError for one that is not a gradient of its tensor."""
    claims = Claims(run, evaluation).judge()
    witnesses = NumericalWitnesses.of(run, [DIFFERENCES]) if claims else None
    if witnesses is None:
        return claims
    for traced, claim in claims.items():
        asked = claim.verdict in OPEN and tuple(claim.value.shape) == tuple(traced.tensor.shape)
        if asked and bends(witnesses, evaluation.comparisons, traced):
            kinked = evaluation.comparisons is not None and traced in evaluation.comparisons.reference.kinked
            claims[traced] = replace(claim, comparison=_where_it_bends(witnesses, traced, claim, kinked=kinked))
    return claims | _contradictory(witnesses, claims)


def _where_it_bends(witnesses: NumericalWitnesses, traced: TracedTensor, claim: Claim, *, kinked: bool) -> Comparison:
    """Return the comparison of a claim with what difference quotients of the program say of it.

    Where the symbolic derivative is one of the choices at a kink, the claim may be another.
    """
    found, comparison = witnesses.check(traced, claim.value, None, bends=True), claim.comparison
    said = Verdict.UNDECIDED if found is None else found.witnesses[DIFFERENCES].verdict
    if said is Verdict.SUBGRADIENT:
        return replace(comparison, verdict=said, notes=ANOTHER)
    if said is Verdict.MATCH and comparison.verdict in DIFFERENT:
        return replace(comparison, verdict=said, notes=BY_QUOTIENTS)
    if said is Verdict.MISMATCH:
        apart = comparison.notes if comparison.verdict is said else ()
        return replace(comparison, verdict=said, notes=(*OUTSIDE, *apart))
    if said is Verdict.UNDEFINED:
        return replace(comparison, verdict=said, notes=JUMPS)
    if kinked and comparison.verdict is Verdict.MISMATCH:
        return replace(comparison, verdict=Verdict.UNDECIDED, notes=UNTOLD)
    return comparison


def _contradictory(witnesses: NumericalWitnesses, claims: ClaimsByTensor) -> ClaimsByTensor:
    """Return as mismatches the claims for leaves that are choices at a kink, each by itself, and not together."""
    choices = {t: c for t, c in claims.items() if t.is_leaf and c.verdict is Verdict.SUBGRADIENT}
    found: ClaimsByTensor = {}
    for group in _conflicts(witnesses, choices):
        words = _together([witnesses.run.names[traced] for traced in group])
        for traced, claim in group.items():
            found[traced] = replace(claim, comparison=replace(claim.comparison, verdict=Verdict.MISMATCH, notes=words))
    return found


def _conflicts(witnesses: NumericalWitnesses, choices: ClaimsByTensor) -> Iterator[ClaimsByTensor]:
    """Yield the smallest groups of claims that are not one gradient, apart from each other."""
    while len(choices) > 1 and _contradict(witnesses, choices):
        group = choices
        for traced in choices:
            fewer = _without(group, [traced])
            group = fewer if len(fewer) > 1 and _contradict(witnesses, fewer) else group
        yield group
        choices = _without(choices, group)


def _contradict(witnesses: NumericalWitnesses, claims: ClaimsByTensor) -> bool:
    gradients = {traced: claim.value for traced, claim in claims.items()}
    return joint_verdict(witnesses, gradients) is Verdict.MISMATCH


def _without(claims: ClaimsByTensor, left: Mapping[TracedTensor, Claim] | list[TracedTensor]) -> ClaimsByTensor:
    return {traced: claim for traced, claim in claims.items() if traced not in left}


def _together(names: list[str]) -> Notes:
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    words = (
        f"each of the claims for {listed} lies between the one-sided derivatives by itself, but together they are no"
        " gradient: moving all of them at once changes the program by a different slope"
    )
    return noted(NoteKind.KINK, words)
