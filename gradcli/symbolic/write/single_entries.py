"""One entry of a derivative in index notation, beside its formula, for languages of single entries."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from sympy import Symbol

from gradcli.derivation.formulas import Formula
from gradcli.symbolic.write.index_printer import IndexNotation, entry_text
from gradcli.symbolic.write.printer import NotWritableError
from gradcli.symbolic.write.scope import Indices, NoFormulaError, Scope, Template
from gradcli.symbolic.write.tidy import tidy, without_poles


def with_entry(formula: Formula, scope: Scope, derivative: Template) -> Formula:
    """Return a formula with the text of one entry of a derivative, where there is one."""
    with suppress(NotWritableError, NoFormulaError):
        return replace(formula, entry=written_entry(scope, derivative.symbols, without_poles(tidy(derivative.body)))[0])
    return formula


def written_entry(scope: Scope, symbols: Indices, body: object) -> tuple[str, str]:
    """Return one entry as text and as LaTeX; NotWritableError if it has none."""
    notation = IndexNotation(scope, [index for index in symbols if isinstance(index, Symbol)])
    return entry_text(notation.write(body), notation, symbols)
