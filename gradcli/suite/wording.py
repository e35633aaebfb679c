"""What errors and notes say of options, said of the keys of a suite: `--grad-output ones` is `grad-output = "ones"`."""

from __future__ import annotations

import json
import re

from gradcli.errors import GradcliError
from gradcli.suite.model import CheckModel
from gradcli.suite.places import spellings

KEYS = frozenset(spellings(name)[0] for name in CheckModel.model_fields)
# `--constant a --constant b`, as a hint writes it; and an option by itself.
EXAMPLE = re.compile(r"`(--[a-z][a-z-]* [^`]+)`")
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
# Keys whose value in an option begins with a name, and those of them whose value is text.
NAMED = frozenset({"shape", "values", "arguments", "claim", "backwards"})
TEXTS = frozenset({"shape", "claim", "backwards"})
ASSIGNED = re.compile(r"(?P<name>\w+)\s*[=:]\s*(?P<value>.*)", re.DOTALL)
# What TOML writes as an option does: a number, a truth value, a list.
PLAIN = re.compile(r"[+-]?(\d[\d_]*)?\.?\d+(e[+-]?\d+)?|true|false|\[.*\]", re.DOTALL)


def in_toml(text: str) -> str:
    """Return a message that speaks of keys in place of options; one that no key stands for, such as `-j`, stays."""
    return OPTION.sub(_bare, EXAMPLE.sub(_example, text))


def about_key(error: GradcliError) -> tuple[str, str, str | None]:
    """Return the key that an error is about (none is empty), what it says of it, and its hint."""
    key = spellings((error.option or "").removeprefix("--"))[0]
    hint = None if error.hint is None else in_toml(error.hint)
    return key, f"{key}: {error.text}" if key else error.text, hint


def _bare(match: re.Match[str]) -> str:
    key = spellings(match[1])[0]
    return key if key in KEYS else match[0]


def _example(match: re.Match[str]) -> str:
    """Return options with their values as lines of TOML."""
    options = [part.partition(" ") for part in re.split(r" (?=--[a-z])", match[1])]
    pairs = [(spellings(option.removeprefix("--"))[0], value.strip().strip('"')) for option, _, value in options]
    if any(key not in KEYS for key, _ in pairs):
        return match[0]
    if len({key for key, _ in pairs}) == 1 and len(pairs) > 1:
        return f"`{pairs[0][0]} = [{', '.join(json.dumps(value) for _, value in pairs)}]`"
    return "`" + "; ".join(f"{key} = {_value(key, value)}" for key, value in pairs) + "`"


def _value(key: str, value: str) -> str:
    named = ASSIGNED.fullmatch(value) if key in NAMED else None
    if named is not None:
        return f"{{{named['name']} = {_plain(named['value'], is_text=key in TEXTS)}}}"
    return _plain(value, is_text=key in TEXTS)


def _plain(value: str, *, is_text: bool) -> str:
    return value if not is_text and PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
