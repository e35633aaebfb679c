"""Options that hold several things with commas between them, some of which hold commas themselves."""

from __future__ import annotations

from collections.abc import Iterable

from gradcli.inputs.option_text import OptionText

OPENING, CLOSING = "([{", ")]}"


def parse_parts(option: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Return the parts that commas outside of brackets divide: `X[0,1],y` has two."""
    parts = [part.strip() for text in texts for part in _divided(text)]
    if not all(parts):
        raise OptionText(option, ",".join(texts)).error("a name is empty")
    return tuple(dict.fromkeys(parts))


def _divided(text: str) -> list[str]:
    parts, depth = [""], 0
    for character in text:
        depth += (character in OPENING) - (character in CLOSING)
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def parse_numbers(option: str, text: str) -> tuple[float, ...]:
    """Return the numbers of an option, with commas between them; none of an empty one."""
    numbers = []
    for part in text.split(",") if text else ():
        try:
            numbers.append(float(part.replace("_", "?")))
        except ValueError:
            raise OptionText(option, text).error(f"'{part.strip()}' is not a number") from None
    return tuple(numbers)
