"""Settings -> the command line that gives them: what `gradcli.cli` and the other modules here read, written again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from gradcli.commands import Command
from gradcli.inputs.arguments import parse_arguments
from gradcli.limits import Limits
from gradcli.phrases import show_shape
from gradcli.settings import Settings

PRINTABLE = range(0x20, 0x7F)
_ESCAPES = {ord("\n"): r"\n", ord("\t"): r"\t", ord("'"): r"\'", ord("\\"): r"\\", ord("#"): r"\043"}


def command_line(program: str, settings: Settings, also: Sequence[str] = ()) -> str:
    """Return the command, on one line, that runs a program (of `custom`: a target) with these settings.

    `also` are further words, before the options. An option is left out where the settings are the command's defaults.
    """
    words = [*also, *options_of(settings)]
    if settings.command == "custom" and settings.backwards:
        return joined(["gradcli", "custom", "--forward", program, *words])
    return joined(["gradcli", settings.command, *with_positional(program, words)])


def with_positional(text: str, options: Sequence[str]) -> list[str]:
    """Return the words of an argument and of options; one that looks like an option stands behind `--`."""
    return [*options, "--", text] if text.startswith("-") else [text, *options]


def options_of(settings: Settings, said: Collection[str] = ()) -> list[str]:
    """Return the options of these settings: what is not the default, and the fields that are to be said anyway."""
    words: list[str] = []
    default = _defaults(settings.command)
    for name, option in OPTIONS.items():
        value = getattr(settings, name)
        if value != getattr(default, name) or name in said or name in _ALWAYS.get(settings.command, ()):
            words += option.words(value)
    for entry in fields(Limits):
        value = getattr(settings.limits, entry.name)
        if value != getattr(default.limits, entry.name):
            words += [f"--max-{entry.name.replace('_', '-')}", _number(value)]
    return words


@cache
def _defaults(command: Command) -> Settings:
    return Settings(command)


def joined(words: Sequence[str]) -> str:
    """Return words as one line that a shell reads back, in printable ASCII, so that nothing on its way changes it."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """Return a word for a shell; one that is not printable ASCII as `$'...'`, which bash, zsh and ksh know.

    So is one with `##`, which might start a command to a CI service that reads the output.
    """
    data = word.encode("utf-8", "surrogateescape" if _is_bytes(word) else "backslashreplace")
    if all(byte in PRINTABLE for byte in data) and "##" not in word:
        return shlex.quote(word)
    return "$'" + "".join(_ESCAPES.get(byte) or _character(byte) for byte in data) + "'"


def _is_bytes(word: str) -> bool:
    """Return whether every surrogate stands for a byte that the command line had and UTF-8 has not."""
    return all(not "\ud800" <= character <= "\udfff" or "\udc80" <= character <= "\udcff" for character in word)


def _character(byte: int) -> str:
    # Octal, which ends after three digits in every shell.
    return chr(byte) if byte in PRINTABLE else f"\\{byte:03o}"


def _number(value: Any) -> str:
    """Return a number or a nested list as `--value` reads it, each entry exactly."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_number, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip("()") if isinstance(value, complex) else repr(value)


def _literal(value: Any) -> str:
    """Return an argument that is not a tensor as `--argument` reads it; text in quotes where it would be another."""
    text = str(value)
    return text if parse_arguments([f"name={text}"])["name"] == value else repr(value)


@dataclass(frozen=True, slots=True)
class Option:
    """How a field of Settings is given on the command line."""

    flag: str
    """What an error about the field calls it; of several flags the first."""
    words: Callable[[Any], Iterator[str]]
    """Writes a value as words of the command line."""


def _one(flag: str, write: Callable[[Any], str] = str) -> Option:
    """Return an option of one value; None, which no option gives, is not written."""
    return Option(flag, lambda value: iter(() if value is None else (flag, write(value))))


def _each(flag: str) -> Option:
    return Option(flag, lambda values: (word for value in values or () for word in (flag, str(value))))


def _by_name(flag: str, write: Callable[[Any], str] = str, between: str = "=") -> Option:
    def words(values: Mapping[Any, Any]) -> Iterator[str]:
        for name, value in values.items():
            yield from (flag, write(value) if name is None else f"{name}{between}{write(value)}")

    return Option(flag, words)


def _flag(flags: Mapping[Any, str]) -> Option:
    """Return the flag of a value, if it has one."""
    return Option(next(iter(flags.values())), lambda value: iter((flags[value],) if value in flags else ()))


def _vector(value: Any) -> str:
    return value if isinstance(value, str) else _number(value)


def _numbers(values: Sequence[float]) -> str:
    return ",".join(map(_number, values))


# In the order in which they are written.
OPTIONS: Mapping[str, Option] = {
    "shapes": _by_name("--shape", show_shape),
    "values": _by_name("--value", _number),
    "values_file": _one("--values"),
    "init": _one("--init"),
    "seed": _one("--seed"),
    "dtype": _one("--dtype"),
    "device": _one("--device"),
    "constants": _each("--constant"),
    "reduce": _one("--reduce"),
    "grad_output": _one("--grad-output", _vector),
    "retain_grad": _each("--retain-grad"),
    "detach": _each("--detach"),
    "leaves": _flag({True: "--leaves"}),
    "hooks": _flag({True: "--hooks"}),
    "wrt": _each("--wrt"),
    "start": _one("--from", _numbers),
    "stop": _one("--to", _numbers),
    "samples": _one("--samples"),
    "order": _one("--order"),
    "compare": _each("--compare"),
    "tangents": _by_name("--tangent", _number),
    "create_graph": _flag({True: "--create-graph"}),
    "allow_unused": _flag({True: "--allow-unused"}),
    "times": _one("--times"),
    "zero_grad": _flag({"none": "--zero-grad", "zeros": "--set-to-zero"}),
    "learning_rate": _one("--lr", _number),
    "witnesses": _each("--witness"),
    "under": _each("--under"),
    "points": _one("--points"),
    "claims": _by_name("--claim"),
    "arguments": _by_name("--argument", _literal),
    "pick": _one("--output"),
    "mode": _flag({"train": "--train", "eval": "--eval"}),
    "only": _each("--only"),
    "max_entries": _one("--max-entries"),
    "depth": _one("--depth"),
    "reference": _one("--reference"),
    "surrogate": _one("--surrogate"),
    "backwards": _by_name("--backward", between=": "),
    "verify": _flag({False: "--no-verify"}),
    "cache": _flag({False: "--no-cache"}),
    "rtol": _one("--rtol", _number),
    "atol": _one("--atol", _number),
    "timeout": _one("--timeout", _number),
}
# Fields whose default on the command line is not that of Settings.
_ALWAYS: Mapping[str, Collection[str]] = {"accumulate": ("times",), "double-backward": ("times",)}
