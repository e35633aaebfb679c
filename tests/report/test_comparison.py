"""What holds a comparison shows its numbers as its own, in Python and in the JSON."""

from gradcli.report.comparison import Claim, Comparison, Symbolic
from gradcli.report.notes import Note, NoteKind
from gradcli.report.records import jsonable
from gradcli.report.verdict import Verdict

ENTRY, CAUSE = Note(NoteKind.ENTRY, "at [1] it is 3"), Note(NoteKind.CAUSE, "the sign is wrong")
WRONG = Comparison(Verdict.MISMATCH, 2.0, 0.5, (1,), (ENTRY, CAUSE))


def test_the_symbolic_side_has_the_errors_of_its_comparison() -> None:
    symbolic = Symbolic("w/2", None, 1.0, WRONG)
    assert (symbolic.max_abs_error, symbolic.max_rel_error, symbolic.worst_index) == (2.0, 0.5, (1,))
    assert list(jsonable(symbolic).items()) == [
        ("formula", "w/2"),
        ("latex", None),
        ("value", 1.0),
        ("max_abs_error", 2.0),
        ("max_rel_error", 0.5),
        ("worst_index", [1]),
    ]


def test_a_claim_has_the_verdict_and_the_note_of_its_comparison_too() -> None:
    claim = Claim("-w", 1.0, WRONG)
    assert (claim.verdict, claim.note, claim.worst_index) == (Verdict.MISMATCH, WRONG.note, (1,))
    assert list(jsonable(claim).items()) == [
        ("text", "-w"),
        ("value", 1.0),
        ("verdict", "mismatch"),
        ("max_abs_error", 2.0),
        ("max_rel_error", 0.5),
        ("worst_index", [1]),
        ("note", "at [1] it is 3; the sign is wrong"),
    ]


def test_a_comparison_knows_the_cause_among_its_notes() -> None:
    assert WRONG.cause == "the sign is wrong"
    assert Comparison(Verdict.MISMATCH, notes=(ENTRY,)).cause is None


def test_what_explains_a_comparison_stands_first() -> None:
    kink = Note(NoteKind.KINK, "at a kink")
    found = WRONG.explained(Verdict.UNDEFINED, (kink,))
    assert (found.verdict, found.notes, found.max_abs_error) == (Verdict.UNDEFINED, (kink, ENTRY, CAUSE), 2.0)


def test_an_undecided_comparison_says_why_and_has_no_numbers() -> None:
    found = Comparison.undecided("no definition")
    assert (found.verdict, found.note, found.max_abs_error) == (Verdict.UNDECIDED, "no definition", None)
