from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcli.escaping import clip, display_width, escape, escape_latex, shortened


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("x + y", "x + y"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),
        ("a\tb\nc\x00", "a\\tb\\nc\\x00"),
        ("\u202e\u2066\u200f\ufeff", "\\u202e\\u2066\\u200f\\ufeff"),
        ("\udcff", "\\udcff"),
        ("\u2028", "\\u2028"),
        ("\u00e9\u4e2d\u03b1", "\u00e9\u4e2d\u03b1"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_hidden_characters_are_shown(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_newlines_stay_only_where_asked() -> None:
    assert escape("a\nb", keep_newlines=True) == "a\nb"
    assert escape("a\nb") == "a\\nb"


@given(st.text(alphabet=st.characters()))
def test_escaped_text_can_be_encoded_and_is_stable(text: str) -> None:
    escape(text).encode()
    assert escape(escape(text)) == escape(text)


def test_width_counts_columns() -> None:
    assert [display_width(text) for text in ("ab", "\u4e2d", "e\u0301", "")] == [2, 2, 1, 0]


def test_a_long_text_keeps_its_two_ends() -> None:
    assert shortened("w" * 28, 28) == "w" * 28
    assert shortened("a" * 20 + "b" * 9, 28) == "a" * 16 + " ... " + "b" * 7


def test_what_is_clipped_is_one_line_and_safe_to_print() -> None:
    assert clip("a +\n\tb", 28) == "a + b"
    assert clip("\x1b[31m", 28) == "\\x1b[31m"
    assert clip("\x1b" * 28, 28) == ("\\x1b" * 7)[:16] + " ... " + ("\\x1b" * 7)[-7:]


@given(st.text(max_size=200), st.integers(8, 60))
def test_a_clipped_text_is_no_longer_than_asked_for(text: str, length: int) -> None:
    assert len(clip(text, length)) <= length


def test_the_ends_of_a_huge_text_are_its_own() -> None:
    found = clip("a" * 10**6 + "b" * 10**6 + "c" * 10**6, 28)
    assert found == "a" * 16 + " ... " + "c" * 7
    assert clip("a" + " " * 10**6 + "c", 28) == "a ... c"


def test_text_says_the_same_in_latex() -> None:
    assert escape_latex("a_1 & {b}^2") == r"a\_1\ \&\ \{b\}\hat{}2"
    assert escape_latex("\\~%#$") == r"\backslash \sim \%\#\$"
    assert escape_latex("plain(x)") == "plain(x)"
