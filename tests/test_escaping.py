from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcli.escaping import display_width, escape, escape_latex


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


def test_text_says_the_same_in_latex() -> None:
    assert escape_latex("a_1 & {b}^2") == r"a\_1\ \&\ \{b\}\hat{}2"
    assert escape_latex("\\~%#$") == r"\backslash \sim \%\#\$"
    assert escape_latex("plain(x)") == "plain(x)"
