"""JSON as people read it."""

from __future__ import annotations

import json


def indented_json(value: object) -> str:
    """Return JSON data with a line for each value, and the signs of formulas as they are."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
