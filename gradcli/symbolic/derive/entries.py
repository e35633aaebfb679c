"""Entries: one entry of a tensor in index notation, the form in which every definition is differentiated.

An entry is a sum of terms over `IndexedBase` atoms such as `a[i, k]`. The labels in `out` are free; every other
label of a term is summed over its whole range, term by term (Einstein's convention).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy
from sympy import Add, Expr, Indexed, IndexedBase, KroneckerDelta, Mul, Symbol

from gradcli.derivation.tensor_program import POSITIONS
from gradcli.language.parser import parse_formula
from gradcli.language.program import Ellipsis, Expression
from gradcli.symbolic.derive.complex_parts import IMAGINARY, REAL, part
from gradcli.symbolic.derive.translate import Translator, number


@dataclass(frozen=True, slots=True)
class Entry:
    """A sum of terms; `out` are the labels of the axes of the tensor whose entry this is."""

    terms: tuple[Expr, ...]
    out: tuple[Symbol, ...]


@lru_cache(maxsize=256)
def label(name: str) -> Symbol:
    """Return the symbol of an index."""
    return Symbol(name, integer=True, nonnegative=True)


def labels(names: str) -> tuple[Symbol, ...]:
    """Return the symbols of several indices, a letter each."""
    return tuple(label(name) for name in names)


def names_of(symbols: Iterable[Any]) -> str:
    """Return the names of index symbols as one text, of which `labels` makes them."""
    return "".join(symbol.name for symbol in symbols)


@lru_cache(maxsize=256)
def tensor(name: str) -> IndexedBase:
    """Return the indexed base that stands for a real tensor, or for one of positions."""
    return IndexedBase(name, integer=True) if name in POSITIONS else IndexedBase(name, real=True)


def read(name: str, axes: str) -> Expr:
    """Return the entry of a whole tensor; a 0-d tensor is a plain symbol."""
    return tensor(name)[labels(axes)] if axes else scalar(name)


@lru_cache(maxsize=256)
def scalar(name: str) -> Symbol:
    """Return the symbol that stands for a 0-d tensor."""
    return Symbol(name, real=True)


def build(
    formula: str, axes: Mapping[str, str], numbers: Mapping[str, Any], out: str, wanted: str | None = None
) -> Entry:
    """Return the entry that a definition stands for.

    `axes` gives the labels of every tensor operand: of all axes for a formula without subscripts, of the axes that
    `...` stands for in one with subscripts; `z.real` and `z.imag` are the parts of a complex operand `z`. `numbers`
    gives the static parameters. `wanted` is the part, `real` or `imag`, of a complex entry.
    """
    complexes = {name.removesuffix(REAL): letters for name, letters in axes.items() if name.endswith(REAL)}
    operands = {name: read(name, letters) for name, letters in axes.items()}
    operands |= {name: _complex(operands[name + REAL], operands[name + IMAGINARY]) for name in complexes}
    names = {key: number(value) for key, value in numbers.items()} | operands
    names |= {letter: label(letter) for letter in "abcdefghijklmnopqr" if letter not in names}

    def entry(name: str, items: list[Any]) -> Expr:
        indices: list[Any] = []
        if name in complexes:
            return _complex(entry(name + REAL, items), entry(name + IMAGINARY, items))
        for item in items:
            indices += labels(axes[name]) if isinstance(item, Ellipsis) else [item]
        return tensor(name)[tuple(indices)] if indices else scalar(name)

    body = sympy.sympify(Translator(names, entry).translate(_parse(formula)))
    body = body if wanted is None else part(body, wanted)
    if wanted is not None and index_labels(body) - set(labels(out)):
        body = sympy.expand_mul(body)
    summed = index_labels(body) - set(labels(out))
    terms = Add.make_args(body) if summed else (body,)
    return Entry(tuple(terms), labels(out))


def _complex(real: Expr, imaginary: Expr) -> Expr:
    return real + sympy.I * imaginary


@lru_cache(maxsize=1024)
def _parse(formula: str) -> Expression:
    return parse_formula(formula)


def atoms(term: Expr, name: str) -> list[Expr]:
    """Return the places where a term reads the tensor called `name`, in a fixed order."""
    found = [atom for atom in term.atoms(Indexed) if atom.base.label.name == name]
    found += [atom for atom in term.free_symbols if atom == scalar(name)]
    return sorted(found, key=sympy.default_sort_key)


def index_labels(term: Expr) -> set[Symbol]:
    """Return the index labels that a term depends on."""
    return {
        symbol
        for symbol in term.free_symbols
        if symbol.is_integer and isinstance(symbol, Symbol) and len(symbol.name) == 1 and symbol == label(symbol.name)
    }


def factors(term: Expr) -> list[Expr]:
    """Return the factors of a product."""
    return list(Mul.make_args(term))


def delta(left: Expr, right: Expr) -> Expr:
    """Return Kronecker's delta."""
    return KroneckerDelta(left, right)
