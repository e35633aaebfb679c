"""JSON that people read: the same data whatever a user's text holds, and nothing that steers a terminal."""

from __future__ import annotations

import json

from gradcli.render.indented_json import indented_json


def test_no_character_steers_a_terminal() -> None:
    """A right-to-left override, an escape, a control that begins a sequence, a line separator, a lone surrogate."""
    data = {"a\u202eb": ["\x1b[31m", "\x9b1m", "\u2028", "\ud800", "∑"]}
    text = indented_json(data)
    assert text.isascii()
    assert all(line.isprintable() for line in text.splitlines())
    assert json.loads(text) == data
