from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcli.errors import GradcliError, ProgramError, Span
from gradcli.render.errors import format_error


def shown(source: str, start: int, end: int) -> list[str]:
    return format_error(ProgramError("wrong", span=Span(start, end), source=source)).split("\n")[1:]


def test_the_contracts_shape() -> None:
    hint = "did you mean 'sin'? `gradcli ops` lists all"
    error = ProgramError("unknown function 'sinn'", span=Span(0, 4), source="sinn(x) * y", hint=hint)
    assert format_error(error) == (
        "error: unknown function 'sinn'\n  sinn(x) * y\n  ^^^^\nhint: did you mean 'sin'? `gradcli ops` lists all"
    )


def test_a_terminal_gets_whole_words_and_whole_commands() -> None:
    hint = "write what the function computes as the program, and run `gradcli jvp PROGRAM --tangent x=1` with it"
    source = "a_long_name_of_a_tensor + another_long_name_of_a_tensor * wrong(x)"
    start = source.index("wrong")
    error = ProgramError("unknown " * 8 + "function", span=Span(start, start + 5), source=source, hint=hint)
    lines = format_error(error, 50).split("\n")
    assert max(map(len, lines)) <= 50
    assert "`gradcli jvp PROGRAM --tangent x=1`" in "\n".join(lines)
    assert " ".join(line.strip() for line in lines if not line.startswith("  ...")).count("unknown") == 8
    code, caret = next(pair for pair in pairwise(lines) if set(pair[1].strip()) == {"^"})
    assert code[caret.index("^") : caret.rindex("^") + 1] == "wrong"


def test_a_command_that_is_wider_than_the_terminal_is_broken_between_words() -> None:
    lines = format_error(GradcliError("no", hint=f"run `{'gradcli ' * 10}`"), 40).split("\n")
    assert max(map(len, lines)) <= 40


def test_without_a_source_there_is_no_caret() -> None:
    assert format_error(GradcliError("no such file")) == "error: no such file"


@pytest.mark.parametrize(
    ("source", "span", "lines"),
    [
        ("x\ny + z\nw", (4, 5), ["  y + z", "    ^"]),
        ("x\r\ny + z\r\nw", (7, 8), ["  y + z", "      ^"]),
        ("f(x", (3, 3), ["  f(x", "     ^"]),
        ("f(a,\n  b)", (0, 9), ["  f(a,", "  ^^^^"]),
        ("\tx + y", (1, 2), ["   x + y", "   ^"]),
        ("\u4e2d + x", (0, 1), ["  \u4e2d + x", "  ^^"]),
        ("\u4e2d + x", (4, 5), ["  \u4e2d + x", "       ^"]),
        ("e\u0301 + x", (5, 6), ["  e\u0301 + x", "      ^"]),
        ("w\x1b[31m + x", (1, 2), ["  w\\x1b[31m + x", "   ^^^^"]),
        ("w\u202e + x", (5, 6), ["  w\\u202e + x", "            ^"]),
        ("w\udcff + x", (1, 2), ["  w\\udcff + x", "   ^^^^^^"]),
    ],
)
def test_the_caret_stands_under_the_place(source: str, span: tuple[int, int], lines: list[str]) -> None:
    assert shown(source, *span) == lines


@pytest.mark.parametrize("place", [0, 3, 60, 500, 998, 999, 1000])
def test_a_long_line_is_cut_around_the_caret(place: int) -> None:
    source = "".join(chr(ord("a") + number % 26) for number in range(1000))
    line, carets = shown(source, place, place + 1)
    assert len(line) <= 102
    assert carets.count("^") == 1
    assert line[2:].replace(".", "") in source
    assert place == 1000 or line[carets.index("^")] == source[place]


def test_a_long_span_is_cut() -> None:
    line, carets = shown("x" + "a" * 5000 + "y", 1, 5001)
    assert len(line) <= 102
    assert len(carets) <= len(line)


@pytest.mark.parametrize("mark", ["\u0301", "\u20dd"])
def test_marks_that_take_no_column_are_cut_too(mark: str) -> None:
    source = "x + e" + mark * 5000 + " + y"
    for place in (0, 4, 3000, len(source) - 1):
        assert all(len(line) <= 110 for line in shown(source, place, place + 1))
    assert shown("e" + mark * 5 + " + $", 9, 10) == ["  e" + mark * 5 + " + $", "      ^"]


def test_an_enormous_message_is_cut() -> None:
    assert len(format_error(GradcliError("m" * 10**6, hint="h" * 10**6))) < 10000


@given(st.text(alphabet=st.characters(), max_size=300), st.integers(-5, 310), st.integers(-5, 310))
def test_whatever_the_text_the_output_is_safe_and_encodable(text: str, start: int, end: int) -> None:
    output = format_error(ProgramError(text, span=Span(start, end), source=text, hint=text))
    output.encode()
    assert not [
        character
        for character in output
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character != "\n"
    ]


@pytest.mark.parametrize("source", ["::add-mask::true", "  ::add-mask::true", "x ##[group]y", "##vso[task.x]y"])
def test_no_source_line_is_a_command_of_a_log(source: str) -> None:
    text = format_error(GradcliError(f"{source}\n{source}", span=Span(0, 2), source=source, hint=source))
    for line in text.splitlines():
        assert not line.lstrip().startswith("::")
        assert not re.search(r"##\w*\[", line)
