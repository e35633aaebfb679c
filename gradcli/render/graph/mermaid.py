"""The graph in Mermaid, which GitHub, GitLab and notebooks draw where it stands in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from gradcli.render.graph.folding import PAGE
from gradcli.render.graph.picture import MOST_BOXES, Panel, Picture, picture_of
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict

# What Mermaid draws, unless the page that it is on says otherwise.
MOST_ARROWS, LONGEST = 500, 50_000
# How many boxes are tried, and how many of them on a page: see `folds`.
BOXES = ((MOST_BOXES, PAGE), (120, PAGE), (60, 40), (30, 24), (16, 12))
ARROW = " --> "
# What stands for itself in a label; all else is written as the number of its character.
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,=+_")
FRAMES = {"leaf": ('(["', '"])'), "accumulate": ('(["', '"])'), "module": ('[["', '"]]')}
BOX = ('["', '"]')
CLASSES = {
    "leaf": "fill:#ddf4ff,stroke:#0969da,color:#1f2328",
    "constant": "fill:#ffffff,stroke:#818b98,color:#1f2328,stroke-dasharray:4 3",
    "module": "fill:#f0ebff,stroke:#8250df,color:#1f2328",
    "wrong": "fill:#ffebe9,stroke:#cf222e,color:#1f2328,stroke-width:2px",
    "unsure": "fill:#fff8c5,stroke:#9a6700,color:#1f2328,stroke-width:2px",
}
CLASS_OF = {"leaf": "leaf", "accumulate": "leaf", "constant": "constant", "module": "module"}
AROUND = {Verdict.UNDECIDED: "unsure", Verdict.UNDEFINED: "wrong", Verdict.MISMATCH: "wrong"}


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the graph as Mermaid's flowchart, in ASCII: of one that it would refuse to draw, more is one box."""
    return next((text for text in _texts(report) if _is_drawn(text)), min(_texts(report), key=len))


def _texts(report: Report) -> Iterator[str]:
    return ("\n".join(_lines(picture_of(report, *most))) + "\n" for most in BOXES)


def _is_drawn(text: str) -> bool:
    return text.count(ARROW) < MOST_ARROWS and len(text) < LONGEST


def _lines(picture: Picture) -> Iterator[str]:
    yield "flowchart TB"
    yield from _group(picture.forward, "forward")
    yield from _group(picture.backward, "backward, autograd")
    used: dict[str, list[str]] = {}
    for box in (*picture.forward.boxes.values(), *picture.backward.boxes.values()):
        name = AROUND.get(box.verdict) if box.verdict else None
        name = name or CLASS_OF.get(box.kind)
        if name is not None:
            used.setdefault(name, []).append(box.key)
    for name, keys in used.items():
        yield f"  classDef {name} {CLASSES[name]}"
        yield f"  class {','.join(keys)} {name}"


def _group(panel: Panel, heading: str) -> Iterator[str]:
    yield f'  subgraph {panel.title}["{label(heading)}"]'
    yield "    direction TB" if panel.title == "forward" else "    direction BT"
    for box in panel.boxes.values():
        before, after = FRAMES.get(box.kind, BOX)
        yield f"    {box.key}{before}{'<br/>'.join(map(label, box.lines))}{after}"
    yield from (f"    {tail}{ARROW}{head}" for tail, head in panel.arrows)
    yield "  end"


def label(text: str) -> str:
    """Return text for a label in quotes: no character of it means anything to Mermaid, Markdown or HTML."""
    return "".join(character if character in PLAIN else f"#{ord(character)};" for character in text)
