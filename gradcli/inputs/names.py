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
    given += [("--symmetric", name) for name in settings.symmetric]
    given += [("--positive", name) for name in settings.positive]
    given += [("--orthogonal", name) for name in settings.orthogonal]
    for option, name in given:
        if name not in leaves:
            raise OptionText(option, name).error(f"'{name}' is not a leaf of the program", hint=near_leaf(name, leaves))
    _check_agreement(settings)


def _check_agreement(settings: Settings) -> None:
    for name, value in settings.values.items():
        own = settings.shapes.get(name)
        shape = settings.shapes.get(None) if own is None else own
        if shape is None or not isinstance(value, list) or shape_of(value) == shape:
            continue
        if {*settings.sizes.values()} & {*shape}:  # a length that has a name may be the value's
            continue
        found = show_shape(shape_of(value))
        hint = f"leave out `--shape {name}=...`: a nested list sets the shape too"
        raise InputError(
            f"'{name}' is given the shape {show_shape(shape)} and a value of shape {found}",
            hint=f"`--shape {name}={found}` beside it gives '{name}' a shape of its own" if own is None else hint,
        )


def near_leaf(name: str, leaves: Sequence[str]) -> str | None:
    """Return a hint for a name that is no leaf: the leaf that was meant, or all of them."""
    more = ", ..." if len(leaves) > MOST_LISTED else ""
    listed = f"the leaves are {', '.join(leaves[:MOST_LISTED])}{more}" if leaves else "the program has no leaf"
    return did_you_mean(name, leaves, listed)
