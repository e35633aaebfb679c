"""What the witnesses say is added to a report as notes, each a sentence of its own."""

from dataclasses import replace

import torch

from gradcli.execution.witnesses.agreement import BEHIND_ROUNDING, BETWEEN, CROWDED
from gradcli.execution.witnesses.consensus import consensus
from gradcli.execution.witnesses.consensus_notes import CANCEL, CHOICE, HIDDEN, WITHIN
from gradcli.execution.witnesses.jumps import JUMPS
from gradcli.execution.witnesses.numerical_verdict import NumericalVerdict
from gradcli.report.comparison import Comparison, Symbolic
from gradcli.report.notes import Note, NoteKind
from gradcli.report.report import TensorReport, WitnessReport
from gradcli.report.verdict import Verdict

ONE = torch.tensor(1.0)
SYMBOLIC = Symbolic("1", None, ONE, Comparison(Verdict.MATCH, 0.0, 0.0))
KINK = Note(NoteKind.KINK, "at a kink of 'relu(x)'", "relu(x)")
COMPARED = TensorReport("x", "leaf", (), True, None, ONE, ONE, ONE, SYMBOLIC, Verdict.MATCH)
DENIES = WitnessReport(Verdict.MISMATCH, 1.0, 1e-9)


def said(report: WitnessReport, **more: object) -> NumericalVerdict:
    return NumericalVerdict({"finite-difference": report}, frozenset(), **more)  # type: ignore[arg-type]


def test_a_denial_by_all_witnesses_and_what_it_may_mean_are_two_notes() -> None:
    report = consensus(COMPARED, said(DENIES))
    assert report.verdict is Verdict.UNDECIDED
    assert [note.words for note in report.notes] == [
        "autograd agrees with the symbolic derivative, but finite differences are off by 1 ± 1e-09",
        "PyTorch's forward may not compute what the definition says",
    ]


def test_a_convention_is_a_note_of_its_own() -> None:
    report = consensus(COMPARED, said(DENIES, conventions=("the norm has gradient 0 at 0",)))
    assert report.verdict is Verdict.MATCH
    assert report.notes[1:] == (Note(NoteKind.WITNESS, "by PyTorch's convention the norm has gradient 0 at 0"),)


def test_a_note_on_the_choice_at_a_kink_goes_where_the_choice_is_wrong() -> None:
    kinked = replace(COMPARED, verdict=Verdict.SUBGRADIENT, notes=(KINK,))
    report = consensus(kinked, said(DENIES))
    assert report.verdict is Verdict.MISMATCH
    assert [note.kind for note in report.notes] == [NoteKind.WITNESS]
    assert KINK in consensus(kinked, said(WitnessReport(Verdict.SUBGRADIENT, 0.0, 1e-9))).notes


def test_kinks_that_cancel_are_none_where_every_entry_was_looked_at() -> None:
    kinked = replace(COMPARED, verdict=Verdict.SUBGRADIENT, notes=(KINK,))
    smooth = consensus(kinked, said(WitnessReport(Verdict.MATCH, 0.0, 1e-9)))
    assert (smooth.verdict, smooth.notes) == (Verdict.MATCH, CANCEL)
    at_random = consensus(kinked, said(WitnessReport(Verdict.MATCH, 0.0, 1e-9, projections=16)))
    assert (at_random.verdict, at_random.notes) == (Verdict.SUBGRADIENT, (KINK,))


def test_what_two_witnesses_say_alike_is_said_once() -> None:
    jumps = WitnessReport(Verdict.UNDEFINED, notes=JUMPS)
    both = NumericalVerdict({"finite-difference": jumps, "taylor": jumps}, frozenset())
    assert consensus(COMPARED, both).notes == JUMPS
    other = NumericalVerdict({"finite-difference": jumps, "taylor": replace(jumps, notes=CROWDED)}, frozenset())
    assert consensus(COMPARED, other).notes == (*JUMPS, *CROWDED)


def test_witnesses_that_agree_are_named_where_nothing_else_decides() -> None:
    undecided = replace(COMPARED, symbolic=None, verdict=Verdict.UNDECIDED)
    kinked = said(WitnessReport(Verdict.SUBGRADIENT, 0.0, 1e-9))
    assert consensus(undecided, kinked).note == "autograd agrees with finite differences"
    assert consensus(undecided, said(WitnessReport(Verdict.UNDECIDED))).notes == ()


def test_beside_a_kink_that_rounding_hides_a_mismatch_stays_one_unless_the_gradient_is_a_choice_there() -> None:
    differing = replace(COMPARED, verdict=Verdict.MISMATCH, notes=(KINK,))
    between = consensus(differing, said(WitnessReport(Verdict.UNDECIDED, notes=BETWEEN)))
    assert (between.verdict, between.notes) == (Verdict.SUBGRADIENT, (*CHOICE, *WITHIN))
    outside = consensus(differing, said(WitnessReport(Verdict.UNDECIDED, notes=BEHIND_ROUNDING)))
    assert outside.verdict is Verdict.MISMATCH


def test_a_match_beside_a_kink_that_rounding_hides_is_undecided_where_the_program_decides() -> None:
    for notes in (BETWEEN, BEHIND_ROUNDING):
        hidden = said(WitnessReport(Verdict.UNDECIDED, notes=notes), decides=True)
        assert (consensus(COMPARED, hidden).verdict, consensus(COMPARED, hidden).notes) == (Verdict.UNDECIDED, HIDDEN)
    assert consensus(COMPARED, replace(hidden, decides=False)).verdict is Verdict.MATCH
