"""JSON as people read it."""

from __future__ import annotations

import json


def indented_json(value: object) -> str:
    """Return JSON data with a line for each value, in ASCII as reports are: no text of a user's steers a terminal."""
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"
