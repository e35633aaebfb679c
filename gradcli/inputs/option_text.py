"""The text of an option as the user typed it, and errors that point into it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from gradcli.errors import GradcliError, InputError, LimitError, Span

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A program's leaf has a name; of code, a parameter's may be `layers.0.weight` or `0.weight`, a nested input's `hx[0]`.
PATH = re.compile(rf"(?:{NAME.pattern}|[0-9]+(?=\.))(?:\.[A-Za-z0-9_]+|\[[0-9]+\])*")


@dataclass(frozen=True, slots=True)
class OptionText:
    """An option and its text; its errors show both, with a caret under the characters they are about."""

    option: str
    text: str

    def error(self, message: str, start: int = 0, end: int | None = None, hint: str | None = None) -> InputError:
        """Return an error about the characters from start to end, or about all of them."""
        return InputError(message, hint=hint, **self._place(start, end))

    def limit_error(self, message: str, raised_by: str, start: int = 0, end: int | None = None) -> GradcliError:
        """Return an error about a limit, which names the option that raises it."""
        hint = f"`{raised_by}` raises the limit"
        return LimitError(message, hint=hint, **self._place(start, end))

    def point(self, error: GradcliError) -> GradcliError:
        """Return an error of a value as one about the characters that the value was read from."""
        return type(error)(error.text, hint=error.hint, **self._place(0, None))

    def split_name(self) -> tuple[str | None, int]:
        """Return the name before the first `=` (None without one) and where the rest starts."""
        name, equals, rest = self.text.partition("=")
        if not equals:
            return None, 0
        if PATH.fullmatch(name.strip()) is None:
            raise self.error("the name of a leaf belongs before `=`", 0, max(len(name), 1))
        if "=" in rest:
            hint = f"one option per leaf: `{self.option} a=... {self.option} b=...`"
            raise self.error("there is a second `=`", self.text.index("=", len(name) + 1), None, hint)
        return name.strip(), len(name) + 1

    def _place(self, start: int, end: int | None) -> dict[str, Any]:
        """Return what an error knows of its place: the option, its text, and the characters that are wrong."""
        offset = len(self.option) + 1
        span = Span(offset + start, offset + (len(self.text) if end is None else end))
        return {"option": self.option, "source": f"{self.option} {self.text}", "span": span}
