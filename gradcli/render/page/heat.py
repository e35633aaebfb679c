"""Maps of a tensor's entries as SVG: one square an entry, blue below 0 and red above."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

from markupsafe import Markup

from gradcli.render.numbers import short
from gradcli.render.plot.maps import Map, extremes

ROWS, COLUMNS = 24, 24
SIDE = 10


def heat(one: Map, name: str) -> Markup:
    """Return a map as an element of SVG, with what it shows in words; `name` is safe to print."""
    low, high = extremes(one.numbers)
    most = max(abs(low), abs(high)) or 1.0
    width, height = SIDE * len(one.numbers[0]), SIDE * len(one.numbers)
    words = f"{one.title} of {name}: {short(low)} to {short(high)}"
    root = ET.Element("svg", {"class": "heat", "role": "img", "aria-label": words})
    root.set("viewBox", f"0 0 {width} {height}")
    root.set("width", str(min(240, max(48, 2 * width))))
    for row, numbers in enumerate(one.numbers):
        for column, number in enumerate(numbers):
            place = {"x": str(SIDE * column), "y": str(SIDE * row), "width": str(SIDE), "height": str(SIDE)}
            ET.SubElement(root, "rect", {**place, "fill": _colour(number / most)})
    return Markup(ET.tostring(root, encoding="us-ascii", method="html").decode())  # noqa: S704  # made of elements


def _colour(share: float) -> str:
    """Return the colour of a number from -1 to 1: white for 0, and grey for what is no number."""
    if not math.isfinite(share):
        return "#888888"
    pale = round(255 * (1 - min(1.0, abs(share))))
    red, blue = (255, pale) if share > 0 else (pale, 255)
    return f"#{red:02x}{pale:02x}{blue:02x}"
