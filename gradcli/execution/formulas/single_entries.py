"""A derivative's entry in sympy's words: as it is shown, and run by sympy at the points at which code is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import product

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.notation.parsed import parsed
from gradcli.derivation.notation.sympy import Entry, declarations, sympy, variables
from gradcli.derivation.single_entries import EntriesRequest
from gradcli.errors import NotSupportedError
from gradcli.execution.formulas.closed import Form, Target
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.verified import DIGITS, Findings, arguments, difference, note_value, shapes_of

LANGUAGE = "sympy"
# Entries that are evaluated at a point, and the time after which there are no more.
MOST, SECONDS = 24, 1.0
NO_ENTRY = "no formula of its single entries was found, of which sympy's expressions are"


def entry_of(here: Point, target: Target, form: Form) -> Entry:
    """Return an entry as sympy's expression; NotSupportedError if there is none."""
    tree = parsed(form.entry or form.code)
    if tree.indices is None and target.shape:
        raise NotSupportedError(NO_ENTRY)
    return sympy(tree, variables([*shapes_of(here, moving=target.is_moving)]))


def sympy_text(here: Point, entries: Sequence[Entry], *, moving: bool) -> list[str]:
    """Return the lines that declare what entries hold."""
    letters = sorted({letter for entry in entries for letter in entry.letters})
    return [*declarations(shapes_of(here, moving=moving), [*here.settings.sizes], letters)]


def compare_entries(
    asked: Derivations,
    point: Point,
    forms: Mapping[Target, Form],
    references: Mapping[Target, Tensor],
    found: Mapping[Target, Findings],
) -> None:
    """Run sympy's text of each derivative at a point, where that is what is shown, and note how far off it is."""
    if point.settings.to != LANGUAGE:
        return
    for target, form in forms.items():
        with suppress(NotSupportedError):  # which is said of what has no text
            value = _value(asked, point, target, form, references[target])
            if isinstance(value, str):
                found[target].failed[LANGUAGE] = value
            else:
                note_value(point, target, value, references[target], found=found[target], to=LANGUAGE)


def wrong_entries(
    asked: Derivations, point: Point, forms: Mapping[Target, Form], references: Mapping[Target, Tensor]
) -> dict[Target, Tensor]:
    """Run sympy's text at a point beyond a constant of the program's ops; return what is not autograd's there."""
    wrong: dict[Target, Tensor] = {}
    shown = forms if point.settings.to == LANGUAGE else {}
    for target, form in shown.items():
        if form.cases and form.code == form.text:  # which is said
            continue
        with suppress(NotSupportedError):
            value = _value(asked, point, target, form, references[target])
            if isinstance(value, Tensor) and not difference(value, references[target]) <= DIGITS:
                wrong[target] = value
    return wrong


def _value(asked: Derivations, point: Point, target: Target, form: Form, reference: Tensor) -> Tensor | str:
    """Return autograd's derivative with the entries in it that sympy has evaluated; or why it could not."""
    entry = entry_of(point, target, form)
    places = _places(target.shape)
    values = {name: value.tolist() for name, value in arguments(point, moving=target.is_moving).items()}
    found = asked.entries(
        EntriesRequest(
            "\n".join(sympy_text(point, [entry], moving=target.is_moving)),
            entry.text,
            entry.free,
            places,
            values | dict(point.settings.sizes),
            SECONDS,
        )
    )
    if isinstance(found, str):
        return found
    value = reference.detach().clone().double()
    for place, one in zip(places, found, strict=False):
        value[place] = one
    return value


def _places(shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return places of a tensor, the first of them and others all over it, far apart from each other first."""
    every = [*product(*map(range, shape))]
    order = torch.randperm(len(every), generator=torch.Generator().manual_seed(0)).tolist()
    return tuple(every[place] for place in [*dict.fromkeys([*(order and [0]), *order])][:MOST])
