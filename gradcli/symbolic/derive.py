"""From a signature to its derivatives: build the entry, differentiate it, lower the results."""

from __future__ import annotations

from functools import lru_cache

import sympy
from sympy import Indexed, Symbol

from gradcli.derivation.messages import Derived, LinearSystem, Signature
from gradcli.symbolic.differentiate import ADJOINT_LABELS, jacobian, vector_jacobian_product
from gradcli.symbolic.entries import Entry, build, scalar
from gradcli.symbolic.lowering import lower
from gradcli.tensor_program import COTANGENT

# sympy writes these where it divided by a literal zero: such a parameter has to stay a symbol.
INFINITE = (sympy.zoo, sympy.nan, sympy.oo, -sympy.oo)


@lru_cache(maxsize=4096)
def derive(signature: Signature) -> Derived:
    """Return the derivatives of a definition; NotSupportedError if one cannot be evaluated by tensor steps."""
    entry = entry_of(signature)
    operands = operand_labels(entry, signature)
    value = None if signature.unknown else lower(entry, operands, label_sizes(entry, operands))
    upstream = operands | {COTANGENT: _text(entry.out)}
    adjoints = {}
    for name in signature.wrt:
        adjoint = vector_jacobian_product(entry, name, len(operands[name]))
        adjoints[name] = lower(adjoint, upstream, label_sizes(entry, upstream, name))
    return Derived(value, adjoints, _system(entry, operands, signature.unknown) if signature.unknown else None)


@lru_cache(maxsize=4096)
def entry_of(signature: Signature) -> Entry:
    """Return the entry that a signature's definition stands for."""
    axes, numbers = dict(signature.axes), dict(signature.numbers)
    entry = build(signature.formula, axes, numbers, signature.out)
    if any(term.has(*INFINITE) for term in entry.terms):
        kept = {
            name: value
            for name, value in numbers.items()
            if not isinstance(value, int | float) or isinstance(value, bool)
        }
        symbols = {name: "" for name in numbers if name not in kept}
        entry = build(signature.formula, axes | symbols, kept, signature.out)
    return entry


def operand_labels(entry: Entry, signature: Signature) -> dict[str, str]:
    """Return the labels of every operand's axes: those of the first place that reads it, made distinct."""
    found: dict[str, str] = {}
    for term in entry.terms:
        for atom in sorted(term.atoms(Indexed), key=sympy.default_sort_key):
            found.setdefault(atom.base.label.name, _distinct(atom))
        for name in (name for name, _ in (*signature.axes, *signature.numbers)):
            if scalar(name) in term.free_symbols:
                found.setdefault(name, "")
    # An operand that no term reads still has a shape, and a derivative: zero.
    return found | {name: letters for name, letters in signature.axes if name not in found}


def _distinct(atom: Indexed) -> str:
    """Return letters for a place's axes; an index that is no label, or repeats, gets a letter of its own."""
    letters: list[str] = []
    for position, index in enumerate(atom.indices):
        plain = isinstance(index, Symbol) and index.name not in letters
        letters.append(index.name if plain else chr(ord("\u03b1") + position))
    return "".join(letters)


def label_sizes(entry: Entry, operands: dict[str, str], adjoint: str | None = None) -> dict[str, tuple[str, int]]:
    """Return where the length of each label is read: an operand and one of its axes."""
    sizes: dict[str, tuple[str, int]] = {}
    for term in entry.terms:
        for atom in sorted(term.atoms(Indexed), key=sympy.default_sort_key):
            for axis, index in enumerate(atom.indices):
                if isinstance(index, Symbol) and atom.base.label.name in operands:
                    sizes.setdefault(index.name, (atom.base.label.name, axis))
    for name, letters in operands.items():
        for axis, letter in enumerate(letters):
            sizes.setdefault(letter, (name, axis))
    if adjoint is not None:
        sizes |= {ADJOINT_LABELS[axis]: (adjoint, axis) for axis in range(len(operands[adjoint]))}
    return sizes


def _system(entry: Entry, operands: dict[str, str], unknown: str) -> LinearSystem:
    rank = len(operands[unknown])
    system = jacobian(entry, unknown, rank)
    matrix = lower(system.entry, operands, label_sizes(entry, operands, unknown))
    pairs = tuple((row.name, column.name) for row, column in system.pairs)
    return LinearSystem(
        matrix, pairs, _text(system.rows), _text(system.columns), _text(entry.out), ADJOINT_LABELS[:rank]
    )


def _text(symbols: tuple[Symbol, ...]) -> str:
    return "".join(symbol.name for symbol in symbols)
