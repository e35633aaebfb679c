"""Where the keys of a TOML text are: tomllib reads values and keeps no lines."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gradcli.errors import InputError, Span

# Strings and comments come first, so that nothing in a program of several lines looks like a key. Quantifiers are
# possessive: in a text that tomllib has read, each character is looked at once.
QUOTED = r"""(?:"(?:\\.|[^"\\\n])*+"|'[^'\n]*+')"""
BASIC = r'''"""(?:\\.|[^"\\]|"{1,2}+(?!"))*+"{3,5}+'''
LITERAL = r"""'''(?:[^']|'{1,2}+(?!'))*+'{3,5}+"""
TOKEN = re.compile(
    rf"""(?P<skip>{BASIC}|{LITERAL}|\#[^\n]*+)
    |^[ \t]*+(?P<header>\[\[?+)[ \t]*+(?P<table>(?:{QUOTED}|[^\]"'\n])*+)\]
    |^[ \t]*+(?P<key>{QUOTED}|[A-Za-z0-9_-]++)[ \t]*+[.=]
    |{QUOTED}""",
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
# Other spellings of keys: as the command line's options are called, one for several, and the reverse; and one of
# pyproject.toml.
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
    "targets": ("paths",),
    "max-entries": ("max_entries",),
}


def spellings(key: str) -> tuple[str, ...]:
    """Return all ways to write a key, the usual one first."""
    usual = next((name for name, others in SPELLINGS.items() if key in others), key)
    return (usual, *SPELLINGS.get(usual, ()))


@dataclass(slots=True)
class Table:
    """One table of the text: its header (None above the first), on which line that is, its keys, and what it holds."""

    name: str
    header: Span | None
    line: int = 1
    keys: dict[str, Span] = field(default_factory=dict)
    nested: dict[str, Span] = field(default_factory=dict)
    """The headers of the tables in it, by the key that they are for."""

    def span(self, key: str) -> Span | None:
        """Return where a key is, however it is spelt."""
        found = [written[name] for written in (self.keys, self.nested) for name in spellings(key) if name in written]
        return found[0] if found else None


def tables(text: str) -> list[Table]:
    """Return the tables of a TOML text in their order, the one above every header first."""
    found, line, counted = [Table("", None)], 1, 0
    for match, depth in _outside_brackets(text):
        if match["header"]:
            line, counted = line + text.count("\n", counted, match.start()), match.start()
            found.append(Table(_bare(match["table"]), Span(*match.span("table")), line))
        elif match["key"] and not depth:
            found[-1].keys.setdefault(_bare(match["key"]), Span(*match.span("key")))
    return found


def _bare(name: str) -> str:
    return name.strip("\"' \t")


def _plain(name: str) -> str:
    """Return the name of a table as it is written without need: `tool.gradcli` for `"tool" . gradcli`."""
    return ".".join(map(_bare, name.split(".")))


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
            row = re.sub(QUOTED, "", match[0])  # of a list over several lines
            depth += row.count("[") - row.count("]")
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
    top: Table = field(default_factory=lambda: Table("", None))
    """The keys above every header."""
    defaults: Table = field(default_factory=lambda: Table("defaults", None))
    """The table of the defaults; without a header where it is not written as one."""
    around: Table = field(default_factory=lambda: Table("", None))
    """The table that the defaults are in."""
    checks: Sequence[Table] = ()

    @staticmethod
    def of(file: str, text: str, name: str = "defaults") -> SuiteText:
        """Return the text of a file that tomllib has read, with the places of its tables; `name` is of the defaults."""
        found = tables(text)
        by_name = {_plain(table.name): table for table in reversed(found)}
        around = by_name.get(name.rpartition(".")[0], Table("", None))
        defaults = by_name.get(name, Table(name, None))
        defaults.name = name
        checks: list[Table] = []
        for table in found:
            plain = _plain(table.name)
            owner, _, key = plain.rpartition(".")
            if plain == "check":
                checks.append(table)
            place = checks[-1] if owner == "check" and checks else defaults if owner == name else None
            if place is not None and table.header is not None:
                place.nested.setdefault(key, table.header)
        return SuiteText(file, text, found[0], defaults, around, checks)

    def error(self, message: str, span: Span | None, hint: str | None = None) -> InputError:
        """Return an error about a place of the text; without one, about the file."""
        where = self.file if span is None else f"{self.file}:{line_of(self.text, span.start)}"
        return InputError(f"{where}: {message}", span=span, source=self.text, hint=hint)

    def span(self, place: int, key: str | None = None) -> Span | None:
        """Return where the check with a number (from 0; -1 stands for the defaults) has a key, or itself is."""
        table, found = self._table(place), None
        if table is not None:
            found = table.span(key or "") or table.header
        return found or self._inline(place)

    def keys(self, place: int) -> Collection[str]:
        """Return the keys of the check with a number (-1: of the defaults), as it spells them."""
        table = self._table(place)
        return () if table is None else {*table.keys, *table.nested}

    def line(self, place: int) -> int | None:
        """Return the line of a check."""
        table = self._table(place)
        if table is not None and table.header is not None:
            return table.line
        span = self._inline(place)
        return line_of(self.text, span.start) if span else None

    def _table(self, place: int) -> Table | None:
        if place < 0:
            return self.defaults
        return self.checks[place] if place < len(self.checks) else None

    def _inline(self, place: int) -> Span | None:
        """Return the key of what is written as `check = [{...}]`, or as `gradcli.key = ...` in the table `tool`."""
        if place < 0:
            return self.around.keys.get(self.defaults.name.rpartition(".")[2])
        return self.top.keys.get("check")
