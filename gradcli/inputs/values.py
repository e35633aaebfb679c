"""`--value w1=2`, `--value "w1=[[1, 2], [3, 4]]"`, `--grad-output ones`: numbers and rectangular nested lists."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from gradcli.inputs.option_text import OptionText
from gradcli.limits import Limits
from gradcli.phrases import show_shape
from gradcli.settings import Number, Shape, Value

# Quantifiers are possessive, so that a long number that is none is looked at once.
REAL = r"(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+"
TOKEN = re.compile(
    rf"""(?P<space>\s+)|(?P<open>\[)|(?P<close>\])|(?P<comma>,)
    |(?P<complex>(?:[+-]?{REAL}(?=[+-]))?[+-]?{REAL}j)
    |(?P<real>[+-]?{REAL})
    |(?P<truth>true|false|True|False)(?![A-Za-z0-9_])""",
    re.VERBOSE,
)
LONGEST_QUOTE = 40
ZEROS = re.compile(r"^([+-]?)0+(?=[0-9])")  # Python reads no number of thousands of digits
LARGEST_INTEGER = 2.0**63
HINT = "write a number, true, false or a nested list such as [[1, 2], [3, 4]]"


def parse_values(texts: Iterable[str], limits: Limits, name_of_option: str = "--value") -> dict[str, Value]:
    """Return the values that the `--value` options, or others like them, give by leaf."""
    values: dict[str, Value] = {}
    for text in texts:
        option = OptionText(name_of_option, text)
        name, start = option.split_name()
        if name is None:
            raise option.error("a value needs the name of its leaf", hint=f"write `{name_of_option} w1=2`")
        if name in values:
            raise option.error(f"the value of '{name}' is given twice")
        values[name] = _NumberReader(option, start, limits).read()
    return values


WORDS: Mapping[str, Literal["ones", "random"]] = {"ones": "ones", "random": "random", "randn": "random"}


def parse_grad_output(text: str | None, limits: Limits) -> Literal["ones", "random"] | Value | None:
    """Return the vector of the vector-Jacobian product: `ones`, `random`, a number or a nested list."""
    if text is None:
        return None
    if text.strip() in WORDS:
        return WORDS[text.strip()]
    return _NumberReader(OptionText("--grad-output", text), 0, limits).read()


@dataclass(slots=True)
class _OpenList:
    start: int
    items: list[Value] = field(default_factory=list)
    shape: Shape | None = None  # of the items; None before the first


class _NumberReader:
    """Reads token by token on an explicit stack, so that no depth of brackets can exhaust Python's own."""

    def __init__(self, option: OptionText, start: int, limits: Limits) -> None:
        self.option, self.position, self.limits = option, start, limits
        self.stack: list[_OpenList] = []
        self.elements = 0
        self.result: Value | None = None
        self.wants_item = True

    def read(self) -> Value:
        """Return the value that the text from `start` to its end stands for."""
        while self.position < len(self.option.text):
            self._step()
        if self.stack:
            raise self.option.error("this bracket is never closed", self.stack[-1].start, self.stack[-1].start + 1)
        if self.result is None:
            raise self.option.error("a value is missing", max(self.position - 1, 0), self.position, HINT)
        return self.result

    def _step(self) -> None:
        match = TOKEN.match(self.option.text, self.position)
        if match is None:
            self._refuse_token()
        start, self.position = self.position, match.end()
        match match.lastgroup:
            case "open":
                self._open(start)
            case "close":
                self._close(start)
            case "comma":
                self._comma(start)
            case "space":
                pass
            case _:
                self._add(self._number(match), (), start)

    def _open(self, start: int) -> None:
        self._expect_item(start)
        if len(self.stack) >= self.limits.rank:
            message = f"the list is nested deeper than {self.limits.rank} dimensions"
            raise self.option.limit_error(message, "--max-rank", start, start + 1)
        self.stack.append(_OpenList(start))

    def _close(self, start: int) -> None:
        if not self.stack:
            raise self.option.error("this bracket was never opened", start, start + 1)
        if self.wants_item and self.stack[-1].items:
            raise self.option.error("an item is missing before this bracket", start, start + 1)
        closed = self.stack.pop()
        self.wants_item = True
        self._add(closed.items, (len(closed.items), *(closed.shape or ())), closed.start)

    def _comma(self, start: int) -> None:
        if not self.stack or self.wants_item:
            if not self.stack:
                raise self.option.error(
                    "the comma is outside of a list", start, start + 1, "write a list in brackets: [1, 2]"
                )
            raise self.option.error("an item is missing before this comma", start, start + 1)
        self.wants_item = True

    def _add(self, value: Value, shape: Shape, start: int) -> None:
        self._expect_item(start)
        self.wants_item = False
        if not self.stack:
            self.result = value
            return
        parent = self.stack[-1]
        if parent.shape not in {None, shape}:
            message = f"the list is not rectangular: this is {show_shape(shape)}, not {show_shape(parent.shape or ())}"
            raise self.option.error(message, start, self.position)
        parent.shape = shape
        parent.items.append(value)

    def _expect_item(self, start: int) -> None:
        if not self.wants_item:
            message = "a comma is missing before this" if self.stack else "the value ends before this"
            raise self.option.error(message, start, self.position)

    def _number(self, match: re.Match[str]) -> Number:
        self.elements += 1
        if self.elements > self.limits.elements:
            raise self.option.limit_error(f"there are more than {self.limits.elements:,} numbers", "--max-elements")
        text = match[0]
        if match.lastgroup == "truth":
            return text.lower() == "true"
        number = complex(text) if match.lastgroup == "complex" else float(text)
        if not math.isfinite(abs(number)):
            raise self.option.error("the number is too large for a floating-point number", match.start(), match.end())
        # PyTorch's integers have 64 bits.
        is_whole = re.search(r"[.eEj]", text) is None and abs(number) < LARGEST_INTEGER
        return int(ZEROS.sub(r"\1", text)) if is_whole else number

    def _refuse_token(self) -> NoReturn:
        rest = self.option.text[self.position :]
        word = re.match(r"[^\s,\[\]]+", rest)
        token = word[0] if word else rest[:1]
        hint = HINT
        if token.lstrip("+-").lower() in {"nan", "inf", "infinity"}:
            hint = "values must be finite; in the program itself `inf` and `-inf` are numbers, and `torch.nan` is a NaN"
        message = f"'{token[:LONGEST_QUOTE]}' is not a number"
        raise self.option.error(message, self.position, self.position + len(token), hint)
