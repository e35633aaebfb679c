"""From a signature to its derivatives: build the entry, differentiate it, lower the results.

A derivative of higher order is the derivative of a vector-Jacobian product, which is an entry like any other: its
cotangent is one more operand, and its labels are renamed so that they are free for the next derivation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_lowercase

import sympy
from sympy import Indexed, Symbol

from gradcli.derivation.linear_system import LinearSystem
from gradcli.derivation.messages import DerivativeRequest, Derived, cotangent_name, solution_name
from gradcli.derivation.tensor_program import COTANGENT, TensorProgram
from gradcli.errors import NotSupportedError
from gradcli.symbolic.derive.differentiate import ADJOINT_LABELS, vector_jacobian_product
from gradcli.symbolic.derive.entries import Entry, build, labels, names_of, read, scalar
from gradcli.symbolic.derive.lowering import lower
from gradcli.symbolic.derive.systems import linear_system

# sympy writes these where it divided by a literal zero: such a parameter has to stay a symbol.
INFINITE = (sympy.zoo, sympy.nan, sympy.oo, -sympy.oo)


Sizes = Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Definition:
    """An entry, the labels of the operands that it reads, where each label's length is read, and its unknown."""

    entry: Entry
    operands: dict[str, str]
    sizes: Sizes
    unknown: str | None

    def adjoint_sizes(self, name: str) -> dict[str, tuple[str, int]]:
        """Return the sizes with those of an adjoint's own labels."""
        rank = len(self.operands[name])
        return {**self.sizes, **{ADJOINT_LABELS[axis]: (name, axis) for axis in range(rank)}}


@lru_cache(maxsize=4096)
def derive(request: DerivativeRequest) -> Derived:
    """Return the derivatives of a definition; NotSupportedError if one cannot be evaluated by tensor steps."""
    definition = definition_of(request)
    entry, operands = definition.entry, definition.operands
    is_explicit = request.unknown is None and not request.pulled_back_by
    value = lower(entry, operands, definition.sizes) if is_explicit else None
    adjoints = {name: _adjoint(definition, name) for name in request.wrt}
    return Derived(value, adjoints, _system(definition) if definition.unknown else None)


def _adjoint(definition: Definition, name: str) -> TensorProgram:
    entry, operands = definition.entry, definition.operands
    adjoint = vector_jacobian_product(entry, name, len(operands[name]))
    upstream = operands | {COTANGENT: names_of(entry.out)}
    return lower(adjoint, upstream, _with_axes(definition.adjoint_sizes(name), COTANGENT, upstream[COTANGENT]))


def _system(definition: Definition) -> LinearSystem:
    unknown = definition.unknown
    assert unknown is not None  # noqa: S101 (the caller looked)
    return linear_system(definition.entry, definition.operands, definition.adjoint_sizes(unknown), unknown)


def definition_of(request: DerivativeRequest) -> Definition:
    """Return the definition that a signature stands for, or that its vector-Jacobian products lead to."""
    entry = entry_of(request)
    operands = operand_labels(entry, request)
    definition = Definition(entry, operands, label_sizes(entry, operands), request.unknown)
    for level, name in enumerate(request.pulled_back_by, 1):
        definition = _through(definition, name, level)
    return definition


def _through(definition: Definition, name: str, level: int) -> Definition:
    """Return the definition of an adjoint: explicit, or through the unknown the system that the adjoint solves."""
    solved = name == definition.unknown
    upstream = solution_name(level) if solved else cotangent_name(level)
    out = names_of(definition.entry.out)
    sizes = _with_axes(definition.sizes, upstream, out)
    operands = definition.operands | {upstream: out}
    product = vector_jacobian_product(definition.entry, name, len(operands[name]), upstream)
    entry = _renamed(product, _spare(set(sizes), len(product.out)))
    sizes = _with_axes(sizes, name, names_of(entry.out))
    if solved:  # (∂residual/∂unknown)ᵀ solution + cotangent = 0
        operands |= {cotangent_name(level): names_of(entry.out)}
        entry = Entry((*entry.terms, read(cotangent_name(level), names_of(entry.out))), entry.out)
    return Definition(entry, operands, sizes, upstream if solved else None)


def _spare(used: set[str], count: int) -> str:
    letters = "".join(letter for letter in ascii_lowercase if letter not in used)[:count]
    if len(letters) < count:
        raise NotSupportedError("a derivative of this order has more indices than there are letters")
    return letters


def _renamed(entry: Entry, letters: str) -> Entry:
    """Return an entry with other labels for its axes."""
    out = labels(letters)
    renaming = dict(zip(entry.out, out, strict=True))
    return Entry(tuple(term.xreplace(renaming) for term in entry.terms), out)


def _with_axes(sizes: Sizes, name: str, letters: str) -> dict[str, tuple[str, int]]:
    """Return sizes with those of an operand's axes, for labels that have none yet."""
    return {**{letter: (name, axis) for axis, letter in enumerate(letters)}, **sizes}


@lru_cache(maxsize=4096)
def entry_of(request: DerivativeRequest) -> Entry:
    """Return the entry that a signature's definition stands for."""
    axes, numbers = dict(request.axes), dict(request.numbers)
    entry = build(request.formula, axes, numbers, request.out, request.part)
    if any(term.has(*INFINITE) for term in entry.terms):
        kept = {
            name: value
            for name, value in numbers.items()
            if not isinstance(value, int | float) or isinstance(value, bool)
        }
        symbols = {name: "" for name in numbers if name not in kept}
        entry = build(request.formula, axes | symbols, kept, request.out, request.part)
    return entry


def operand_labels(entry: Entry, request: DerivativeRequest) -> dict[str, str]:
    """Return the labels of every operand's axes: those of the first place that reads it, made distinct."""
    found: dict[str, str] = {}
    for term in entry.terms:
        for atom in sorted(term.atoms(Indexed), key=sympy.default_sort_key):
            found.setdefault(atom.base.label.name, _distinct(atom))
        for name in (name for name, _ in (*request.axes, *request.numbers)):
            if scalar(name) in term.free_symbols:
                found.setdefault(name, "")
    # An operand that no term reads still has a shape, and a derivative: zero.
    return found | {name: letters for name, letters in request.axes if name not in found}


def _distinct(atom: Indexed) -> str:
    """Return letters for a place's axes; an index that is not a label, or repeats, gets a letter of its own."""
    letters: list[str] = []
    for position, index in enumerate(atom.indices):
        plain = isinstance(index, Symbol) and index.name not in letters
        letters.append(index.name if plain else chr(ord("\u03b1") + position))
    return "".join(letters)


def label_sizes(entry: Entry, operands: dict[str, str]) -> dict[str, tuple[str, int]]:
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
    return sizes
