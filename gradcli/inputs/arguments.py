"""`--argument n=3`: arguments of a Function's forward that are not tensors."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from gradcli.inputs.option_text import NAME, OptionText

# As `--value` takes them; the text itself is written in quotes: `mode="'true'"`.
TRUTH = {"true": True, "false": False}


def parse_arguments(texts: Iterable[str]) -> dict[str, Any]:
    """Return arguments that are not tensors: Python's literals, `true` and `false`, and any other text as a string."""
    found: dict[str, Any] = {}
    for text in texts:
        option = OptionText("--argument", text)
        name, equals, value = text.partition("=")
        if not equals or NAME.fullmatch(name.strip()) is None:
            raise option.error("an argument is written NAME=VALUE", hint="such as `--argument n=3`")
        if name.strip() in found:
            raise option.error(f"'{name.strip()}' is given twice")
        found[name.strip()] = _literal(value.strip())
    return found


def _literal(text: str) -> Any:
    if text in TRUTH:
        return TRUTH[text]
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # TypeError: `{[]: 1}`
        return text
