"""Dataclasses that check themselves: each field is held to its annotation whenever an instance is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache, partial
from numbers import Integral, Real
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from gradcli.errors import InputError
from gradcli.phrases import did_you_mean

LARGEST = 2**63 - 1  # PyTorch's sizes and seeds are 64-bit numbers
LONGEST_QUOTE = 60

Check = Callable[[Any], Any]  # returns the value, in plain Python types, or raises InputError


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from `low` to `high`, as in `Annotated[int, Range()]`; NaN and infinities are never among them."""

    low: float = 0
    high: float = LARGEST

    def check(self, kind: type[int | float], value: Any) -> Any:
        """Return a number of the range as Python's own; True is not a number."""
        fits = type(value) is kind or (
            isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
        )
        try:
            number = kind(value) if fits else math.nan
        except (OverflowError, ValueError):  # beyond all floats; NaN of another library
            number = math.nan
        if not (
            abs(number) < math.inf and self.low <= number <= self.high
        ):  # of an int that no float is as large as, too
            raise _refusal(f"{'a whole' if kind is int else 'a finite'} number{self._bounds()}", value)
        return number

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """Return the JSON Schema of the range, when pydantic asks for it."""
        schema: dict[str, Any] = handler(core)
        largest = {"exclusiveMaximum": self.high + 1} if schema.get("type") == "integer" else {}
        return schema | {"minimum": self.low} | largest

    def _bounds(self) -> str:
        if self.high < math.inf:
            return f" from {self.low:g} to {'2**63 - 1' if self.high == LARGEST else f'{self.high:,.0f}'}"
        return "" if self.low == -math.inf else f" of at least {self.low:g}"


@dataclass(frozen=True, slots=True)
class Listed:
    """Names in a sequence, or in one text with commas between them, as `Annotated[tuple[str, ...], Listed()]`."""

    def check(self, kind: Any, value: Any) -> Any:
        """Return the names."""
        names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
        return _check_of(kind)(names)


def check_fields(record: object) -> None:
    """Hold each field of a frozen dataclass to its annotation, for its `__post_init__`.

    Numbers become Python's own, sequences tuples and mappings dicts. Raises InputError, which names the field.
    """
    for name, check, default in _checks(type(record)):  # type: ignore[arg-type]  # a class is hashable
        value = getattr(record, name)
        if value is default or (type(value) is type(default) is dict and not value):
            continue
        try:
            object.__setattr__(record, name, check(value))
        except InputError as error:
            raise error.about(name) from None


@cache
def _checks(owner: Any) -> list[tuple[str, Check, Any]]:
    """Return the fields that are checked, each with a value that needs no check: its default, as it would come out."""
    kinds = get_type_hints(owner, include_extras=True)
    checks = [(field, _check_of(kinds[field.name])) for field in fields(owner)]
    return [(field.name, check, _default_of(field, check)) for field, check in checks if check is not _pass]


def _default_of(field: Field[Any], check: Check) -> Any:
    if field.default is MISSING:
        return {} if field.default_factory is dict else MISSING
    checked = check(field.default)
    return field.default if type(checked) is type(field.default) and checked == field.default else checked


def _check_of(kind: Any) -> Check:
    """Return the check that an annotation asks for; what is left to the value's reader, such as a tensor, passes."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return partial(arguments[1].check, arguments[0])
    if origin is Literal:
        return partial(_check_word, arguments)
    if origin is tuple:
        return partial(_check_items, _check_of(arguments[0]))
    if origin is dict:
        return partial(_check_entries, *map(_check_of, arguments))
    if NoneType in arguments and len(arguments) == 2:  # noqa: PLR2004 (`X | None`)
        return partial(_check_optional, _check_of(next(one for one in arguments if one is not NoneType)))
    if any(get_origin(one) is Literal for one in arguments):  # among types that are left to the value's reader
        words = [word for one in arguments if get_origin(one) is Literal for word in get_args(one)]
        return partial(_check_word_or_number, words)
    return partial(_check_type, kind, WORDS[kind]) if kind in WORDS else _pass


def _pass(value: Any) -> Any:
    return value


def _check_type(kind: type, wanted: str, value: Any) -> Any:
    if not isinstance(value, kind):
        raise _refusal(wanted, value)
    return value


def _check_word(words: Sequence[str], value: Any) -> Any:
    if not isinstance(value, str) or value not in words:
        word = value if isinstance(value, str) else quoted(value)
        hint = did_you_mean(word, words, f"it can be {', '.join(words)}")
        raise InputError(f"there is no {quoted(value)}", hint=hint)
    return value


def _check_word_or_number(words: Sequence[str], value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise _refusal("finite", value)
    return _check_word(words, value) if isinstance(value, str) else value


def _check_optional(check: Check, value: Any) -> Any:
    return None if value is None else check(value)


def _check_items(check: Check, value: Any) -> tuple[Any, ...]:
    """Return the items of a sequence; a word stands for itself, not for its letters."""
    if not isinstance(value, tuple | list) and isinstance(value, Mapping | bytes):
        raise _refusal("a sequence", value)
    try:
        items = (value,) if isinstance(value, str) else tuple(value)
    except Exception:  # noqa: BLE001 (no sequence, or one of the caller's that fails)
        raise _refusal("a sequence", value) from None
    return tuple(map(check, items))


def _check_entries(check_key: Check, check: Check, value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict) and not isinstance(value, Mapping):  # which takes Python long to find out
        raise _refusal("a mapping", value)
    return {check_key(name): check(item) for name, item in value.items()}


def _refusal(wanted: str, value: Any) -> InputError:
    return InputError(f"it must be {wanted}, not {quoted(value)}")


def quoted(value: Any) -> str:
    """Return a value as a message shows it: no more than its beginning, and its type where it cannot be shown."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 (a number of more digits than Python writes, or an object of the caller's)
        text = f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + "..."


WORDS: Mapping[Any, str] = {bool: "True or False", str: "text"}
