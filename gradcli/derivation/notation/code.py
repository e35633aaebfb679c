"""Gradients as the source of a function: of the program's leaves, and of the upstream gradient where there is one."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from gradcli.derivation.notation.backends import BACKENDS, Backend
from gradcli.derivation.notation.brackets import bracketed
from gradcli.derivation.notation.expressions import Emitter
from gradcli.derivation.notation.labels import ONE_HOT
from gradcli.derivation.notation.parsed import Parsed, parsed
from gradcli.derivation.notation.shapes import shape_of
from gradcli.derivation.notation.sharing import shared
from gradcli.derivation.notation.whole import is_whole
from gradcli.derivation.notation.wrapped import wrapped

RESERVED = frozenset({"torch", "np", "jax", "jnp", "math", "gradient", *keyword.kwlist, *dir(builtins)})
NAME = "gradient"
LETTERS = "ijpq"  # of indices


@dataclass(frozen=True, slots=True)
class Wanted:
    """One gradient that the function returns."""

    formula: str
    """Its formula."""
    by: tuple[str, ...]
    """The leaf that it is by; of a second derivative, both."""
    shape: tuple[int | str, ...]
    """Its shape: that of the leaf, or of both one after the other."""
    exact: bool = False
    """Whether the formula has that very shape; else it broadcasts to it."""
    shown: str | None = None
    """The code of its shape, if it is not that of leaves."""


def source(
    to: str,
    parameters: Mapping[str, Sequence[int]],
    wanted: Sequence[Wanted],
    *,
    sizes: Mapping[str, int] | None = None,
    held: Mapping[str, Sequence[Any]] | None = None,
    integers: Collection[str] = (),
    typed: Collection[Fraction] = (),
) -> str:
    """Return the source of `gradient(...)`, which returns a gradient, or a tuple of several.

    `parameters` are what it takes, with their shapes, but for those that are `held`, whose numbers it holds itself;
    `sizes` are the lengths that have names, `integers` the parameters of whole numbers or truth values,
    `typed` the decimals of the program.
    Raises NotSupportedError for a function that the library lacks.
    """
    backend = BACKENDS[to]
    names = _names([*parameters], backend)
    shapes = {own: parameters[name] for name, own in names.items()}
    known = dict(sizes or {})
    lines: list[str] = []
    helpers: dict[str, None] = {}
    results, integers = [], {*integers}
    common = shared([one.formula for one in wanted], {*names, *names.values(), *known, *RESERVED, *LETTERS}, ONE_HOT)
    for name, part in common.parts:
        emitter = Emitter(
            backend, names, _like(wanted[0], names), shapes, lines, helpers, sizes=known, integers=integers, typed=typed
        )
        lines.append(f"{name} = {part_of(emitter, name, part)}")
        shape = shape_of(parsed(part).body, {name: shapes[own] for name, own in names.items() if own in shapes})
        shapes = shapes if shape is None else {**shapes, name: shape}
        names[name] = name
    wanted = [replace(one, formula=text) for one, text in zip(wanted, common.formulas, strict=True)]
    for number, one in enumerate(wanted, 1):
        emitter = replace(
            Emitter(backend, names, _like(one, names), shapes, lines, helpers, sizes=known, integers=integers),
            typed=typed,
        )
        expression = result_of(emitter, one, names)
        if len(wanted) > 1:
            result = _unlike(f"gradient_{number}", names.values())
            lines.append(f"{result} = {expression}")
            expression = result
        results.append(expression)
    numbers = {names[name]: values for name, values in (held or {}).items()}
    taken = {names[name]: shape for name, shape in parameters.items() if names[name] not in numbers}
    first = [*_lengths(known, taken, [*lines, *results]), *_held(numbers, emitter)]
    body = [*first, *lines, f"return {', '.join(results)}"]
    head = f"def {NAME}({', '.join(taken)}):"
    text = [head, *(f"    {line}" for line in body)]
    blocks = [*(backend.helpers[name] for name in helpers), "\n".join(text)]
    imports = [*(["import math"] if any("math." in block for block in blocks) else []), *backend.imports]
    top = "\n".join(imports)
    return wrapped("\n\n\n".join([top.replace("import math\nimport", "import math\n\nimport"), *blocks]) + "\n")


def _like(wanted: Wanted, names: Mapping[str, str]) -> str:
    """Return what the code calls the tensor whose type a gradient has: that of a leaf, for what is none."""
    return names.get(wanted.by[-1]) or next(iter(names.values()))


def _lengths(sizes: Mapping[str, int], shapes: Mapping[str, Sequence[int]], lines: Sequence[str]) -> list[str]:
    """Return the statements that read the lengths with names that others read."""
    read = {word for line in lines for word in re.findall(r"[A-Za-z_]\w*", line)}
    homes = {
        length: f"{name}.shape[{axis}]"
        for name, shape in reversed([*shapes.items()])
        for axis, length in enumerate(shape)
    }
    return [f"{name} = {homes[length]}" for name, length in sizes.items() if name in read]


def _held(numbers: Mapping[str, Sequence[Any]], emitter: Emitter) -> list[str]:
    """Return the statements that make the tensors that the function holds."""
    word, like = emitter.backend.function("tensor"), emitter.like
    there = f", device={like}.device" if emitter.backend.module == "torch" else ""
    return [f"{name} = {word}({values}, dtype={like}.dtype{there})" for name, values in numbers.items()]


def _unlike(name: str, taken: Collection[str]) -> str:
    """Return a name that is none of those that are taken."""
    while name in taken:
        name += "_"
    return name


def _names(parameters: Sequence[str], backend: Backend) -> dict[str, str]:
    """Return what the function calls each leaf: its name, unless that means something else in the code."""
    taken = RESERVED | {f"_{name}" for name in backend.helpers}
    names: dict[str, str] = {}
    for name in parameters:
        own = name
        while own in taken or own in names.values() or (own != name and own in parameters):
            own += "_"
        names[name] = own
    return names


def part_of(emitter: Emitter, name: str, text: str) -> str:
    """Return the expression of a part with a name, which keeps its whole numbers: they are places that others read."""
    formula = parsed(text)
    if not is_whole(formula.body, emitter.integers):
        return emitter.expression(formula, ())
    emitter.integers.add(name)
    return bracketed(emitter.value(formula.body))


def result_of(emitter: Emitter, wanted: Wanted, names: Mapping[str, str]) -> str:
    """Return the expression of what is wanted, in its shape."""
    formula = parsed(wanted.formula)
    expression = emitter.expression(formula, wanted.shape)
    module = emitter.backend.module
    shape = wanted.shown or _shape(wanted, names)
    if emitter.is_number(formula.body):
        return f"{module}.full({shape}, {expression}, dtype={emitter.like}.dtype{emitter.there})"
    if wanted.exact and not _is_longer(formula, emitter):
        return expression
    return _broadcast(emitter, formula, expression, shape)


def _shape(wanted: Wanted, names: Mapping[str, str]) -> str:
    if len(wanted.by) == 1:
        return f"{names[wanted.by[0]]}.shape"
    return f"({', '.join(f'*{names[name]}.shape' for name in wanted.by)})"


def _is_longer(formula: Parsed, emitter: Emitter) -> bool:
    """Tell whether the expression of an entry has axes for sums."""
    return formula.indices is not None and emitter.rank > len(formula.indices)


def _broadcast(emitter: Emitter, formula: Parsed, expression: str, shape: str) -> str:
    module = emitter.backend.module
    if not _is_longer(formula, emitter):
        return f"{module}.broadcast_to({expression}, {shape})"
    ones = ", ".join(["1"] * (emitter.rank - len(formula.indices or ())))
    sizes = [shape[1:-1].rstrip(",")] if shape != "()" else []
    inner = (
        f"({', '.join([*sizes, ones])}{'' if sizes or ones != '1' else ','})"
        if shape.startswith("(")
        else f"(*{shape}, {ones})"
    )
    tail = f".reshape({shape})"
    return f"{module}.broadcast_to({expression}, {inner}){tail}"
