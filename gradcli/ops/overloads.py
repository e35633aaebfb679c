"""Which of PyTorch's signatures of one name a call means, where that takes the arguments' values to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradcli.language.program import Call, Expression
from gradcli.ops.record import Op
from gradcli.ops.signature import fitting, parse_signature

DATA = (bool, int, float, complex, str, tuple, list, slice, type(None))


def is_tensor(value: object) -> bool:
    """Return whether a value is not Python data, and so some machine's tensor."""
    return not isinstance(value, DATA)


def is_integer(value: object) -> bool:
    """Return whether a value is an integer and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def are_integers(value: object) -> bool:
    """Return whether a value is an integer, several, or None: what PyTorch takes for `dim`."""
    return value is None or is_integer(value) or (isinstance(value, tuple | list) and all(map(is_integer, value)))


# What a signature may say of a parameter: `other: Tensor`.
TAKES: Mapping[str, Callable[[object], bool]] = {
    "Tensor": is_tensor,
    "Tensors": lambda value: isinstance(value, tuple | list) and all(map(is_tensor, value)),
    "bool": lambda value: isinstance(value, bool),
    "int": is_integer,
    "ints": are_integers,
    "str": lambda value: isinstance(value, str),
    "list": lambda value: isinstance(value, tuple | list),
    "scalar": lambda value: not isinstance(value, tuple | list),
    "Number": lambda value: isinstance(value, int | float | complex),
}


def choose(op: Op, call: Call, value: Callable[[Expression], Any]) -> tuple[Op, dict[str, Any]]:
    """Return the first of an op's signatures that a call fits, as a record, and the arguments' values by parameter.

    If values fit none, it is the first that fits by number and name: PyTorch says what is wrong with them.
    """
    found = [(candidate, {name: value(part) for name, part in bound.items()}) for candidate, bound in fitting(op, call)]
    return found[0] if len(found) == 1 else next((pair for pair in found if _fits(*pair)), found[0])


def _fits(op: Op, bound: Mapping[str, Any]) -> bool:
    return all(
        parameter.takes is None or TAKES[parameter.takes](bound[parameter.name])
        for parameter in parse_signature(op.signature)
        if parameter.name in bound
    )
