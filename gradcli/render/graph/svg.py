"""The picture as SVG: one element, with its own style for light and dark, that needs nothing but a viewer."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from gradcli.render.graph.layout import HEAD, LINE, MARGIN, PADDING, TOP, Layout, Part, Place, Way, layout_of
from gradcli.render.graph.picture import MARKS, picture_of
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict

STYLE = """
.gradcli { background: #ffffff; font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.gradcli text { fill: #1f2328; font-size: 11px; white-space: pre; }
.gradcli .name { font-size: 13px; font-weight: bold; }
.gradcli .quiet { fill: #59636e; }
.gradcli .heading { font-size: 15px; font-weight: bold; }
.gradcli rect { fill: #f6f8fa; stroke: #818b98; stroke-width: 1; }
.gradcli .leaf rect, .gradcli .accumulate rect { fill: #ddf4ff; stroke: #0969da; }
.gradcli .constant rect { fill: #ffffff; stroke-dasharray: 4 3; }
.gradcli .module rect { fill: #f0ebff; stroke: #8250df; }
.gradcli .wrong rect { fill: #ffebe9; stroke: #cf222e; stroke-width: 2; }
.gradcli .unsure rect { fill: #fff8c5; stroke: #9a6700; stroke-width: 2; }
.gradcli .good { fill: #1a7f37; }
.gradcli .bad { fill: #cf222e; }
.gradcli .open { fill: #9a6700; }
.gradcli path { fill: none; stroke: #818b98; stroke-width: 1.2; }
.gradcli marker path { fill: #818b98; stroke: none; }
@media (prefers-color-scheme: dark) {
.gradcli { background: #0d1117; }
.gradcli text { fill: #e6edf3; }
.gradcli .quiet { fill: #9198a1; }
.gradcli rect { fill: #1c2128; stroke: #6e7681; }
.gradcli .leaf rect, .gradcli .accumulate rect { fill: #0c2d4d; stroke: #4493f8; }
.gradcli .constant rect { fill: #0d1117; }
.gradcli .module rect { fill: #271f42; stroke: #ab7df8; }
.gradcli .wrong rect { fill: #3c1618; stroke: #f85149; }
.gradcli .unsure rect { fill: #332a08; stroke: #d29922; }
.gradcli .good { fill: #3fb950; }
.gradcli .bad { fill: #f85149; }
.gradcli .open { fill: #d29922; }
.gradcli path { stroke: #7d8590; }
.gradcli marker path { fill: #7d8590; }
}
"""
COLOURS = {
    Verdict.MATCH: "good",
    Verdict.SUBGRADIENT: "good",
    Verdict.UNVERIFIED: "quiet",
    Verdict.UNDECIDED: "open",
    Verdict.UNDEFINED: "bad",
    Verdict.MISMATCH: "bad",
}
AROUND = {Verdict.UNDECIDED: "unsure", Verdict.UNDEFINED: "wrong", Verdict.MISMATCH: "wrong"}
HEADINGS = {
    "forward": ("forward", "what the program computes"),
    "backward": ("backward (autograd)", "grad_fn and next_functions"),
}


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the graph as an SVG document, in ASCII."""
    root = drawing(layout_of(picture_of(report)))
    ET.indent(root)
    text: str = ET.tostring(root, encoding="us-ascii").decode()
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def drawing(layout: Layout) -> ET.Element:
    """Return a picture as an element of SVG."""
    size = {"width": _number(layout.width), "height": _number(layout.height)}
    box = f"0 0 {size['width']} {size['height']}"
    root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "class": "gradcli", **size, "viewBox": box})
    root.set("role", "img")
    ET.SubElement(root, "title").text = layout.picture.title
    ET.SubElement(root, "style").text = STYLE
    _marker(root)
    _head(root, layout)
    beside = layout.picture.beside
    for part in layout.parts:
        _draw(root, part, {**beside, **{node: tensor for tensor, node in beside.items()}})
    return root


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _marker(root: ET.Element) -> None:
    shape = {"id": "gradcli-arrow", "viewBox": "0 0 8 8", "refX": "7", "refY": "4", "orient": "auto"}
    marker = ET.SubElement(
        root, "marker", {**shape, "markerWidth": "8", "markerHeight": "8", "markerUnits": "userSpaceOnUse"}
    )
    ET.SubElement(marker, "path", {"d": "M0 0L8 4L0 8z"})


def _head(root: ET.Element, layout: Layout) -> None:
    picture = layout.picture
    line = _text(root, MARGIN, MARGIN + PADDING, "", "name")
    line.text = f"{picture.facts}  "
    told = ET.SubElement(line, "tspan", {"class": COLOURS[picture.verdict]})
    told.text = f"{MARKS[picture.verdict]} {picture.verdict}"
    if picture.summary:
        _text(root, MARGIN, MARGIN + PADDING + LINE, picture.summary, "quiet")


def _text(parent: ET.Element, x: float, y: float, words: str, kind: str = "") -> ET.Element:
    element = ET.SubElement(parent, "text", {"x": _number(x), "y": _number(y), **({"class": kind} if kind else {})})
    element.text = words
    return element


def _draw(root: ET.Element, part: Part, beside: Mapping[str, str]) -> None:
    name, meaning = HEADINGS[part.title]
    group = ET.SubElement(root, "g", {"class": part.title})
    _text(group, part.x, HEAD - 32, name, "heading")
    _text(group, part.x, HEAD - 32 + LINE, meaning, "quiet")
    for way in part.ways:
        ET.SubElement(group, "path", _path(way))
    for place in part.places:
        _draw_box(group, place, beside.get(place.box.key))


def _path(way: Way) -> dict[str, str]:
    head = {"marker-end": "url(#gradcli-arrow)"} if way.has_head else {}
    return {"d": _curve(way), **head, "data-tail": way.tail, "data-head": way.head}


def _curve(way: Way) -> str:
    """Return a way as path data: straight through a row, and bent between rows."""
    (x, y), *others = way.points
    parts = [f"M{_number(x)} {_number(y)}"]
    for to_x, to_y in others:
        if x == to_x:
            parts += [f"L{_number(to_x)} {_number(to_y)}"] if (x, y) != (to_x, to_y) else []
        else:
            middle = _number((y + to_y) / 2)
            parts.append(f"C{_number(x)} {middle} {_number(to_x)} {middle} {_number(to_x)} {_number(to_y)}")
        x, y = to_x, to_y
    return "".join(parts)


def _draw_box(parent: ET.Element, place: Place, beside: str | None) -> None:
    box = place.box
    kinds = [box.kind, *([AROUND[box.verdict]] if box.verdict in AROUND else [])]
    group = ET.SubElement(parent, "g", {"class": " ".join(kinds), "data-key": box.key})
    if beside is not None:
        group.set("data-beside", beside)
    ET.SubElement(group, "title").text = "\n".join(f"{name}: {words}" for name, words in box.details)
    frame = {"x": place.x, "y": place.y, "width": place.width, "height": place.height, "rx": _round(box.kind)}
    ET.SubElement(group, "rect", {name: _number(value) for name, value in frame.items()})
    middle = place.x + place.width / 2
    for number, line in enumerate(box.lines):
        is_verdict = box.verdict is not None and number == len(box.lines) - 1
        kind = "name" if not number else COLOURS[box.verdict] if is_verdict and box.verdict else "quiet"
        element = _text(group, middle, place.y + TOP + LINE * (number + 1), line, kind)
        element.set("text-anchor", "middle")


def _round(kind: str) -> float:
    """Return how round a box's corners are: a leaf is told from what is computed by more than its colour."""
    return 14.0 if kind in {"leaf", "accumulate"} else 4.0
