"""Formulas of whole tensors as `derive` writes them: a gradient is written in one way, whoever shows it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from gradcli.derivation.formulas import Formula, FormulaRequest
from gradcli.derivation.notation.algebra import simplified
from gradcli.derivation.notation.brackets import readable
from gradcli.derivation.notation.parsed import names_read, parsed
from gradcli.derivation.notation.shortened import shortened
from gradcli.symbolic.write.formulas import formulas_in_time
from gradcli.symbolic.write.time_limit import OutOfTimeError, time_limit

# For all formulas of a program, after they are found.
SECONDS = 1.0
# What names another gradient, or the second tensor of a name, stays as it is.
OTHER = re.compile(r"\b(?:grad|vjp)\(|\.\.\.|\w \(\d+\)")
Shapes = Mapping[str, tuple[int, ...]]


def formulas_as_read(request: FormulaRequest) -> tuple[dict[str, Formula], bool]:
    """Return the formulas that were found in time, as a reader would write them, and whether the time was enough.

    Those in terms of the leaves alone are rewritten where they are asked for, once more is known of these.
    """
    found, is_whole = formulas_in_time(request)
    if request.closed or not request.wanted:
        return found, is_whole
    shapes = _shapes(request)
    with suppress(OutOfTimeError), time_limit(SECONDS):
        for name in [name for name, _ in request.wanted if name in found]:
            found[name] = as_read(found[name], shapes)
        return found, is_whole
    return found, False


def as_read(formula: Formula, shapes: Shapes) -> Formula:
    """Return a formula with its text rewritten; as it is if it names what has no shape here, or is of entries."""
    text = formula.text
    if text.startswith("[") or OTHER.search(text):
        return formula
    try:
        if not set(names_read(parsed(text).body)) <= {*shapes}:
            return formula
    except (SyntaxError, ValueError):
        return formula
    again = partial(simplified, shapes=shapes)
    found = readable(shortened(again(text), shapes, again), {name: len(shape) for name, shape in shapes.items()})
    return formula if found == text else replace(formula, text=found, raw=text)


def _shapes(request: FormulaRequest) -> Shapes:
    """Return the shapes of what formulas may name."""
    named = {node.name: node.shape for node in request.nodes if node.name}
    return {**named, request.upstream_name: request.nodes[request.output].shape}
