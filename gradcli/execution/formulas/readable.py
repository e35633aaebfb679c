"""Formulas in LaTeX as a reader has them: ops by their names, matrices side by side, where a text can be read so."""

from __future__ import annotations

from dataclasses import replace

from gradcli.derivation.formulas import Formula
from gradcli.derivation.notation.latex import latex_of
from gradcli.derivation.notation.parsed import bound_names, names_read, parsed
from gradcli.errors import NotSupportedError
from gradcli.execution.forward.trace import Trace, traced_in

UPSTREAM = "grad_output"


def readable(trace: Trace, formula: Formula) -> Formula:
    """Return a formula whose LaTeX is that of its text, where that is one of whole tensors by their names."""
    latex = None if formula.text.startswith("[") else latex_in(trace, formula.text)
    return formula if latex is None else replace(formula, latex=latex)


def latex_in(trace: Trace, text: str) -> str | None:
    """Return the LaTeX of a formula over the tensors of a trace; None if it names anything else, or calls for one."""
    ranks = {
        one.name: one.tensor.ndim for one in (*trace.leaves, *traced_in([c.result for c in trace.calls])) if one.name
    }
    ranks |= {UPSTREAM: trace.output.tensor.ndim}
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError):
        return None
    known = {*ranks, *(tree.indices or ()), *bound_names(tree.body)}
    if not {*names_read(tree.body)} <= known or "vjp(" in text:
        return None
    try:
        return latex_of(tree, ranks)
    except NotSupportedError:
        return None
