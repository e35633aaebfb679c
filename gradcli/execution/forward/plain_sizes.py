"""Sizes compared without sympy, which PyTorch loads, for a quarter of a second, to ask if one of them is a symbol.

Kernels for the meta device, and functions of `torch._refs`, compare sizes by functions of
`torch.fx.experimental.symbolic_shapes`, and ask of numbers whether they are expressions of sympy. Of plain numbers the
first give what `==`, `and` and `or` do, and the second is never so. Stand-ins of both modules say just that, and load
the module itself where they are asked for anything else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

SYMBOLIC, SYMPY = "torch.fx.experimental.symbolic_shapes", "sympy"


def _itself(value: Any) -> Any:
    return value


def _all(*values: Any) -> bool:
    return all(values)


def _any(*values: Any) -> bool:
    return any(values)


def _equal(one: Any, other: Any) -> bool:
    return tuple(one) == tuple(other) if isinstance(one, tuple | list) else bool(one == other)


def _yes(_: Any) -> bool:
    return True


def _no(_: Any) -> bool:
    return False


# What functions of the module give where no size is a symbol.
OF_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "expect_true": _itself,
    "guard_or_false": _itself,
    "guard_or_true": _itself,
    "guard_size_oblivious": _itself,
    "statically_known_true": _itself,
    "guarding_hint_or_throw": _itself,
    "has_guarding_hint": _yes,
    "is_nested_int": _no,
    "sym_and": _all,
    "sym_or": _any,
    "sym_eq": _equal,
}


@contextmanager
def plain_sizes() -> Iterator[None]:
    """Let sizes be compared in the block without these modules; no change to one that is loaded already."""
    absent = {name: stand_in for name, stand_in in _STAND_INS.items() if name not in sys.modules}
    sys.modules.update(absent)
    try:
        yield
    finally:
        _remove(absent)


class _StandIn(ModuleType):
    """A module of which some names are there without it; any other is the module's own."""

    def __init__(self, name: str, own: Mapping[str, Any], *, is_package: bool) -> None:
        super().__init__(name)
        self.__spec__ = find_spec(name)
        self._own, self._is_package = own, is_package

    def __getattr__(self, name: str) -> Any:
        """Return what the module itself has by that name; AttributeError for what import asks of a package alone."""
        if name == "__path__" and not self._is_package:
            raise AttributeError(name)
        if name in self._own and sys.modules.get(self.__name__, self) is self:
            return self._own[name]
        return getattr(_loaded(self.__name__), name)


def _loaded(name: str) -> ModuleType:
    """Return a module itself, loaded if need be, and from then on the others themselves."""
    _remove(_STAND_INS)
    return import_module(name)


def _remove(stand_ins: Mapping[str, ModuleType]) -> None:
    for name, stand_in in stand_ins.items():
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]


def _deciding(name: str) -> Callable[..., Any]:
    """Return a function that decides about numbers as such, and leaves anything else to the module's own."""

    def decide(*values: Any, **options: Any) -> Any:
        if all(map(_is_plain, values)):
            return OF_NUMBERS[name](*values)
        return getattr(_loaded(SYMBOLIC), name)(*values, **options)

    return decide


def _is_plain(value: Any) -> bool:
    return type(value) in {bool, int} or (isinstance(value, tuple | list) and all(map(_is_plain, value)))


class _Basic:
    """`sympy.Basic` while sympy is not there, and so no value is one."""


_STAND_INS = {
    SYMBOLIC: _StandIn(SYMBOLIC, {name: _deciding(name) for name in OF_NUMBERS}, is_package=False),
    SYMPY: _StandIn(SYMPY, {"Basic": _Basic}, is_package=True),
}
