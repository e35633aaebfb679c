"""What there is to say beside the numbers: sentences as data, each of a kind, joined where they are shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile
from typing import TypeAlias


class NoteKind(StrEnum):
    """What a note is about."""

    ENTRY = "entry"  # the numbers at an entry, or how many entries differ
    SHAPE = "shape"  # of a gradient, or of another tensor
    CAUSE = "cause"  # what is likely wrong
    REMEDY = "remedy"
    CALL = "call"  # the call at which the gradients part
    BLAME = "blame"  # whose fault it is: a Function or a hook of the user's code
    ROUNDING = "rounding"  # what rounding explains, or hides
    KINK = "kink"
    UNDEFINED = "undefined"  # what makes a NaN, an infinity or a jump
    LIMIT = "limit"  # why there is no symbolic derivative, or no verdict
    REFERENCE = "reference"  # what was compared with in place of the symbolic derivative
    WITNESS = "witness"  # what another witness says
    CONSTANT = "constant"
    DETACHED = "detached"
    CONTRACT = "contract"  # what PyTorch asks of a backward
    ERROR = "error"  # what PyTorch, or a user's code, raises
    SCOPE = "scope"  # for whom, or where, a verdict holds; what was left out


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence about a verdict."""

    kind: NoteKind
    words: str
    where: str | tuple[int, ...] | None = None
    """The tensor, the call or the entry that it is about."""


Notes: TypeAlias = tuple[Note, ...]


class Noted:
    """What has notes."""

    __slots__ = ()
    notes: Notes

    @property
    def note(self) -> str | None:
        """Return the notes as one text, as the JSON has them; None if there is none."""
        return text_of(self.notes)


def text_of(notes: Sequence[Note]) -> str | None:
    """Return notes as one text; None if there is none."""
    return "; ".join(note.words for note in notes) or None


# What makes a NaN, and what fixes it: said once of several where their notes begin with it.
_MAKING = (NoteKind.UNDEFINED, NoteKind.REMEDY)


def shared(notes: Sequence[Notes]) -> dict[tuple[str, ...], list[int]]:
    """Return what more than one of several notes say, in words, with the places of those that do.

    That is who is blamed, and what all notes begin with that begin alike.
    """
    found: dict[tuple[str, ...], list[int]] = {}
    begun: dict[str, list[int]] = {}
    for place, own in enumerate(notes):
        for blame in dict.fromkeys(note.words for note in own if note.kind is NoteKind.BLAME):
            found.setdefault((blame,), []).append(place)
        for first in _beginning(own)[:1]:
            begun.setdefault(first, []).append(place)
    for places in begun.values():
        found[_common([_beginning(notes[place]) for place in places])] = places
    return {words: places for words, places in found.items() if len(places) > 1}


def _beginning(notes: Notes) -> tuple[str, ...]:
    """Return the words of the first notes, as long as they tell what makes a NaN."""
    return tuple(note.words for note in takewhile(lambda note: note.kind in _MAKING, notes))


def _common(beginnings: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return what all begin with."""
    return tuple(words[0] for words in takewhile(lambda words: len({*words}) == 1, zip(*beginnings, strict=False)))


def without(notes: Notes, words: Collection[str]) -> Notes:
    """Return notes without those of these words."""
    return tuple(note for note in notes if note.words not in words)


def noted(kind: NoteKind, words: str | None, where: str | tuple[int, ...] | None = None) -> Notes:
    """Return a note, or none if there is nothing to say."""
    return (Note(kind, words, where),) if words else ()


def led(lead: str, notes: Notes) -> Notes:
    """Return notes that begin with some words: whose they are, or where they hold."""
    return (replace(notes[0], words=f"{lead}{notes[0].words}"), *notes[1:]) if notes else ()
