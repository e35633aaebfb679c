"""What pydantic says about a suite, in gradcli's words: the key, its place, and what was meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gradcli.errors import InputError
from gradcli.phrases import did_you_mean
from gradcli.suite.model import KEY, NO_TARGET, CheckModel, Defaults, SuiteModel
from gradcli.suite.places import spellings

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from gradcli.suite.places import SuiteText

# What a value should be that has the wrong type; where several would do, the complaint that says most is shown.
TYPES: Mapping[str, str] = {
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "a string",
    "list_type": "a list",
    "dict_type": "a table",
}
VAGUE = frozenset({*TYPES, "none_required"})
# What the types of a field are called in the place of a complaint.
TYPE = re.compile(r"(bool|int|float|str|constrained-str|\[key\])$|(list|dict|literal|constrained-str|function)\b.*\[")
NO_LIST = "'check' is a list of tables, each with two brackets around it"
EMPTY = "a suite needs at least one check"
EXAMPLE = 'write [[check]], and below it program = "x*y"'


def refusal(error: ValidationError, suite: SuiteText, defaults: type[BaseModel] = Defaults) -> InputError:
    """Return the first complaint as an error that points into the suite, whose defaults are of that model."""
    complaints = error.errors(include_url=False)
    first = complaints[0]["loc"][: _depth(complaints[0]["loc"])]
    alike = [complaint for complaint in complaints if complaint["loc"][: len(first)] == first]
    complaint = next((one for one in alike if one["type"] not in VAGUE), None) or _of_types(alike)
    location = complaint["loc"]
    if not location or location == ("check",):
        words = _words(complaint, EMPTY) if complaint["type"] != "list_type" else NO_LIST
        return suite.error(words, suite.span(0) if location else None, EXAMPLE)
    place, key = _place(location)
    if complaint["type"] == KEY:
        return suite.error(complaint["msg"], suite.span(place, complaint["ctx"]["key"]))
    if complaint["type"] == NO_TARGET:
        return suite.error(complaint["msg"], suite.span(place), EXAMPLE)
    if key is None:
        return suite.error(f"this is not a table of a suite: {location[0]}", suite.span(place), EXAMPLE)
    return _about_key(complaint, suite, defaults if place < 0 else CheckModel, (place, key))


def _of_types(complaints: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return complaints about the types of a value as one: of the part of it that is wrong by the type that comes near.

    A number in a table of strings is no complaint about that table.
    """
    deepest = max(len(complaint["loc"]) for complaint in complaints)
    nearest = [complaint for complaint in complaints if len(complaint["loc"]) == deepest]
    types = [words for name, words in TYPES.items() if name in {complaint["type"] for complaint in nearest}]
    if len(types) < 2:  # noqa: PLR2004 (pydantic says that of one)
        return nearest[0]
    if types[0] == TYPES["float_type"]:  # as a whole number is, and true or false stand for two of them
        types = [words for words in types if words not in {TYPES["int_type"], TYPES["bool_type"]}]
    return {**nearest[0], "msg": f"Input should be {', '.join(types[:-1])} or {types[-1]}"}


def _part(location: tuple[int | str, ...]) -> str:
    """Return which part of a key's value a complaint is about."""
    parts = [part for part in location[_depth(location) :] if isinstance(part, int) or not TYPE.match(part)]
    words = [f"entry {part + 1}" if isinstance(part, int) else f"'{part}'" for part in parts]
    return f"in {' of '.join(reversed(words))} " if words else ""


def _depth(location: tuple[int | str, ...]) -> int:
    return 3 if location[:1] == ("check",) else 2


def _place(location: tuple[int | str, ...]) -> tuple[int, str | None]:
    """Return the number of the check (-1: the defaults) and the key that a complaint is about."""
    if location[0] == "check":
        place = location[1] if len(location) > 1 and isinstance(location[1], int) else 0
        return place, str(location[2]) if len(location) > 2 else None  # noqa: PLR2004 (check, number, key)
    return -1, str(location[1]) if len(location) > 1 else None


def _about_key(
    complaint: Mapping[str, Any], suite: SuiteText, owner: type[BaseModel], where: tuple[int, str]
) -> InputError:
    place, key = where
    names = [spellings(name)[0] for name in owner.model_fields]
    span = suite.span(place, key)
    if complaint["type"] == "extra_forbidden" and spellings(key)[0] in names:
        written = [name for name in spellings(key) if name in suite.keys(place)]
        others = " and ".join(f"'{name}'" for name in written or spellings(key))
        return suite.error(f"{others} are the same key", span, "leave one of them out")
    if complaint["type"] == "extra_forbidden":
        defaults = "the defaults" if suite.defaults.name == "defaults" else f"[{suite.defaults.name}]"
        what = defaults if place < 0 else "a check"
        hint = did_you_mean(key, names, f"the keys are {', '.join(names)}")
        return suite.error(f"'{key}' is not a key of {what}", span, hint)
    part = _part(complaint["loc"]) if complaint["type"] in TYPES else ""
    return suite.error(f"'{key}': {part}{_words(complaint, 'it must not be empty')}", span, _hint(complaint))


def _hint(complaint: Mapping[str, Any]) -> str | None:
    """Return a suggestion where a word is near one of those that are expected."""
    if complaint["type"] != "literal_error" or not isinstance(complaint["input"], str):
        return None
    expected = str(complaint["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
    return did_you_mean(complaint["input"], expected)


def _words(complaint: Mapping[str, Any], empty: str) -> str:
    """Return what is wrong with a value."""
    words: Mapping[str, Callable[[], str]] = {
        "missing": lambda: empty,
        "too_short": lambda: empty,
        "string_too_short": lambda: "it must not be empty",
        "finite_number": lambda: "it must be a finite number",
        "string_pattern_mismatch": lambda: f"{complaint['input']!r} is not the name of {_named(complaint['loc'])}",
    }
    message = str(complaint["msg"]).replace("Input should be", "it should be").replace("dictionary", "table")
    return words.get(complaint["type"], lambda: message)()


def _named(location: tuple[int | str, ...]) -> str:
    return "an argument" if set(spellings("arguments")) & set(location) else "a leaf"


__all__ = ["SuiteModel", "refusal"]
