"""Names that options give: of leaves, of tensors to differentiate by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, get_args

from gradcli.errors import InputError
from gradcli.inputs.option_text import OptionText
from gradcli.inputs.shapes import shape_of
from gradcli.phrases import did_you_mean, show_shape
from gradcli.settings import Settings

MOST_LISTED = 20


def parse_names(option: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a repeatable option that also takes several names with commas between them."""
    names: list[str] = []
    for text in texts:
        for name in text.split(","):
            if not name.strip():
                raise OptionText(option, text).error("a name is empty")
            names.append(name.strip())
    return tuple(dict.fromkeys(names))


def parse_choices(option: str, texts: Iterable[str], kind: Any) -> tuple[Any, ...]:
    """Return the names of an option that takes several of a Literal's, each once."""
    names = parse_names(option, texts)
    for name in names:
        if name not in get_args(kind):
            hint = did_you_mean(name, get_args(kind), f"it can be {', '.join(get_args(kind))}")
            raise InputError(f"there is no '{name}'", option=option, hint=hint)
    return names


def check_names(leaves: Sequence[str], settings: Settings) -> None:
    """Refuse an option whose name is not a leaf (`--shape`, `--tangent`), and a value that contradicts a shape."""
    given = [("--shape", name) for name in settings.shapes if name is not None]
    given += [("--value", name) for name in settings.values]
    given += [("--tangent", name) for name in settings.tangents]
    given += [("--constant", name) for name in settings.constants]
    for option, name in given:
        if name not in leaves:
            raise OptionText(option, name).error(f"'{name}' is not a leaf of the program", hint=_near(name, leaves))
    _check_agreement(settings)


def spread_numbers(settings: Settings) -> list[str]:
    """Return the leaves whose value is one number, and whose shape is that which `--shape` gives to all leaves."""
    if not settings.shapes.get(None):
        return []
    return [
        name for name, value in settings.values.items() if not isinstance(value, list) and name not in settings.shapes
    ]


def _check_agreement(settings: Settings) -> None:
    for name, value in settings.values.items():
        shape = settings.shapes.get(name, settings.shapes.get(None))
        if shape is not None and isinstance(value, list) and shape_of(value) != shape:
            message = (
                f"'{name}' is given the shape {show_shape(shape)} and a value of shape {show_shape(shape_of(value))}"
            )
            hint = f"leave out `--shape {name}=...`: a nested list sets the shape too"
            if name not in settings.shapes:
                hint = f"give that shape only to the leaves that have it: `--shape NAME={show_shape(shape)}`"
            raise InputError(message, hint=hint)


def _near(name: str, leaves: Sequence[str]) -> str | None:
    more = ", ..." if len(leaves) > MOST_LISTED else ""
    listed = f"the leaves are {', '.join(leaves[:MOST_LISTED])}{more}" if leaves else "the program has no leaf"
    return did_you_mean(name, leaves, listed)
