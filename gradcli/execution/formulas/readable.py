"""Formulas in LaTeX as a reader has them: ops by their names, matrices side by side, where a text can be read so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from gradcli.derivation.formulas import Formula
from gradcli.derivation.notation.latex import latex_of
from gradcli.derivation.notation.parsed import bound_names, names_read, parsed
from gradcli.execution.forward.trace import Trace, TracedTensor, traced_in

UPSTREAM = "grad_output"
Ranks = tuple[tuple[str, int], ...]


def readable(trace: Trace, formulas: Mapping[TracedTensor, Formula]) -> dict[TracedTensor, Formula]:
    """Return formulas whose LaTeX is that of their texts, where these are of whole tensors by their names."""
    ranks = _ranks(trace)
    return {traced: _with_latex(formula, ranks) for traced, formula in formulas.items()}


def latex_in(trace: Trace, text: str) -> str | None:
    """Return the LaTeX of a formula over the tensors of a trace; None if it names anything else, or calls for one."""
    return _latex(text, _ranks(trace))


def _with_latex(formula: Formula, ranks: Ranks) -> Formula:
    latex = None if formula.text.startswith("[") else _latex(formula.text, ranks)
    return formula if latex is None else replace(formula, latex=latex)


def _ranks(trace: Trace) -> Ranks:
    tensors = (*trace.leaves, *traced_in([call.result for call in trace.calls]))
    named = {one.name: one.tensor.ndim for one in tensors if one.name} | {UPSTREAM: trace.output.tensor.ndim}
    return tuple(named.items())


@lru_cache(maxsize=4096)
def _latex(text: str, of_tensors: Ranks) -> str | None:
    # A formula that is written again, at a different point say, is the same: this takes longer than a small check.
    ranks = dict(of_tensors)
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError):
        return None
    known = {*ranks, *(tree.indices or ()), *bound_names(tree.body)}
    return latex_of(tree, ranks) if {*names_read(tree.body)} <= known and "vjp(" not in text else None
