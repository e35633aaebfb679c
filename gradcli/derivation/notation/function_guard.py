"""Which shapes a Function's forward refuses, and where its lengths are seen."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gradcli.derivation.notation.function_parts import FunctionParts
from gradcli.derivation.notation.function_words import INDENT, shown_shape
from gradcli.derivation.notation.parsed import names_read, parsed


def guard(parts: FunctionParts) -> list[str]:
    """Refuse shapes that the formulas are not for."""
    tests = _tests(parts)
    if not tests:
        return []
    words = ", ".join(f"{name} {shown_shape(shape)}" for name, shape in parts.parameters.items())
    words = "the same" if parts.is_elementwise else words
    return [f"if {' or '.join(tests)}:", f'{INDENT}raise ValueError("the shapes must be {words}")']


def _tests(parts: FunctionParts) -> list[str]:
    names = [*parts.parameters]
    if parts.is_elementwise:
        return [f"{name}.shape != {names[0]}.shape" for name in names[1:]]
    fixed = {name: shape for name, shape in parts.parameters.items() if all(isinstance(one, int) for one in shape)}
    tests = [f"{name}.shape != {shown_shape(shape)}" for name, shape in fixed.items()]
    others = {name: shape for name, shape in parts.parameters.items() if name not in fixed}
    tests += [f"{name}.ndim != {len(shape)}" for name, shape in others.items()]
    homes: dict[str, str] = {}
    for name, shape in others.items():
        for axis, length in enumerate(shape):
            place = f"{name}.shape[{axis}]"
            if isinstance(length, int):  # a number of the program's own
                tests.append(f"{place} != {length}")
            elif length in homes:
                tests.append(f"{place} != {homes[length]}")
            else:
                homes[length] = place
    return [*tests, *_emptied(parts, homes)]


def _emptied(parts: FunctionParts, homes: Mapping[str, str]) -> list[str]:
    """Return the tests of lengths of the output which may be 0: nothing can be read from what is empty."""
    several = [str(length) for length in parts.output if not isinstance(length, int) and length not in homes]
    if not all({*names_read(parsed(text).body)} <= {*homes} for text in several):
        return []
    places = re.compile(r"[A-Za-z_]\w*")
    return [f"{places.sub(lambda name: homes[name[0]], text)} < 1" for text in dict.fromkeys(several)]


def homes_of(parts: FunctionParts) -> dict[str, str]:
    """Return where each length with a name is seen: `X.shape[0]`."""
    places = [
        (length, f"{name}.shape[{axis}]")
        for name, shape in parts.parameters.items()
        for axis, length in enumerate(shape)
    ]
    return {str(length): place for length, place in reversed(places)}
