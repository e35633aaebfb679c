"""Where the keys of a TOML text are: tomllib reads values and keeps no lines."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gradcli.errors import InputError, Span

# Strings and comments come first, so that nothing in a program of several lines looks like a key.
TOKEN = re.compile(
    r'''(?P<skip>"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|\#[^\n]*)
    |^[ \t]*(?P<header>\[\[?)[ \t]*(?P<table>[^\]\n]*?)[ \t]*\]
    |^[ \t]*(?P<key>"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*[.=]
    |"(?:\\.|[^"\\\n])*"|'[^'\n]*\'''',
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
# Other spellings of keys: as the command line's options are called, one for several, and the reverse.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "shape": ("shapes",),
    "values": ("value",),
    "dtype": ("dtypes",),
    "constants": ("constant",),
    "grad-output": ("grad_output",),
    "claim": ("claims",),
    "witnesses": ("witness",),
    "arguments": ("argument",),
    "backwards": ("backward",),
    "tags": ("tag",),
}


@dataclass(slots=True)
class Table:
    """One table of the text: its header (None above the first) and its keys."""

    name: str
    header: Span | None
    keys: dict[str, Span] = field(default_factory=dict)

    def span(self, key: str) -> Span | None:
        """Return where a key is, however it is spelt."""
        return next((self.keys[name] for name in spellings(key) if name in self.keys), None)


def spellings(key: str) -> tuple[str, ...]:
    """Return all ways to write a key, the usual one first."""
    usual = next((name for name, others in SPELLINGS.items() if key in others), key)
    return (usual, *SPELLINGS.get(usual, ()))


def tables(text: str) -> list[Table]:
    """Return the tables of a TOML text in their order, the one above every header first."""
    found = [Table("", None)]
    for match, depth in _outside_brackets(text):
        if match["header"]:
            found.append(Table(match["table"], Span(*match.span("table"))))
        elif match["key"] and not depth:
            found[-1].keys.setdefault(match["key"].strip("\"'"), Span(*match.span("key")))
    return found


def line_of(text: str, position: int) -> int:
    """Return the number of the line that holds a character, from 1."""
    return text.count("\n", 0, position) + 1


def _outside_brackets(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """Yield the tokens, each with how many brackets of a value are open before it."""
    depth, end = 0, 0
    for match in TOKEN.finditer(text):
        between = text[end : match.start()]
        depth += sum(map(between.count, "[{")) - sum(map(between.count, "]}"))
        if match["header"] and depth:
            depth += match[0].count("[") - match[0].count("]")  # a row of a list over several lines
        elif match["header"]:
            depth, end = 0, text.find("\n", match.end())
            yield match, 0
            if end < 0:
                return
            continue
        else:
            yield match, depth
        end = match.end()


@dataclass(frozen=True, slots=True)
class SuiteText:
    """The text of a suite file, and what makes errors that point into it."""

    file: str
    text: str
    tables: Sequence[Table]

    def error(self, message: str, span: Span | None, hint: str | None = None) -> InputError:
        """Return an error about a place of the text; without one, about the file."""
        where = self.file if span is None else f"{self.file}:{line_of(self.text, span.start)}"
        return InputError(f"{where}: {message}", span=span, source=self.text, hint=hint)

    def keys(self, place: int) -> Collection[str]:
        """Return the keys of the check with a number, as it spells them."""
        found = self._tables(place)
        return found[0].keys if found else ()

    def _tables(self, place: int) -> list[Table]:
        """Return the table of the check with a number, or of the defaults, and those of its kind below."""
        name = "defaults" if place < 0 else "check"
        return [table for table in self.tables if table.name.strip("\"' ") == name][max(place, 0) :]

    def span(self, place: int, key: str | None = None) -> Span | None:
        """Return where the check with a number (from 0; -1 stands for the defaults) has a key, or itself is."""
        name, found = "defaults" if place < 0 else "check", self._tables(place)
        if not found:  # written as `check = [{...}, {...}]`
            return self.tables[0].keys.get(name)
        named = {f"{name}.{spelt}" for spelt in spellings(key or "")}
        nested = [table for table in self.tables if table.name in named and table.header is not None]
        return found[0].span(key or "") or (nested[0].header if nested else found[0].header)
