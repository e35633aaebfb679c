"""Notes are data until they are shown."""

from gradcli.report.custom import Check
from gradcli.report.notes import Note, NoteKind, led, noted, text_of
from gradcli.report.records import jsonable
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict

ENTRY, CAUSE = Note(NoteKind.ENTRY, "at [0] it is 1", (0,)), Note(NoteKind.CAUSE, "the sign is wrong; see there")


def test_notes_are_one_text_and_none_of_them_is_none() -> None:
    assert text_of((ENTRY, CAUSE)) == "at [0] it is 1; the sign is wrong; see there"
    assert text_of(()) is None


def test_nothing_to_say_makes_no_note() -> None:
    assert noted(NoteKind.CAUSE, None) == noted(NoteKind.CAUSE, "") == ()
    assert noted(NoteKind.KINK, "a kink", "relu(x)") == (Note(NoteKind.KINK, "a kink", "relu(x)"),)


def test_words_that_lead_notes_stand_before_the_first_alone() -> None:
    assert led("call 2: ", (ENTRY, CAUSE)) == (Note(NoteKind.ENTRY, "call 2: at [0] it is 1", (0,)), CAUSE)
    assert led("call 2: ", ()) == ()


def test_what_has_notes_has_them_as_one_text_too() -> None:
    assert Check("jvp", Verdict.MISMATCH, (ENTRY, CAUSE)).note == "at [0] it is 1; the sign is wrong; see there"
    assert Check("jvp", Verdict.MATCH).note is None


def test_a_witness_without_a_note_has_no_such_key() -> None:
    assert jsonable(WitnessReport(Verdict.MATCH, 0.0)) == {"verdict": "match", "max_abs_error": 0.0}
    data = jsonable(WitnessReport(Verdict.MATCH, 0.0, notes=(ENTRY,)))
    assert data == {"verdict": "match", "max_abs_error": 0.0, "note": "at [0] it is 1"}
