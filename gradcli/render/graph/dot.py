"""The graph in DOT, the language of Graphviz, for whoever has it."""

from __future__ import annotations

from collections.abc import Iterator

from gradcli.render.graph.picture import Box, Panel, Picture, picture_of
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict

COLOURS = {"leaf": "#ddf4ff", "accumulate": "#ddf4ff", "constant": "#ffffff", "module": "#f0ebff"}
PLAIN = "#f6f8fa"
AROUND = {Verdict.UNDECIDED: "#9a6700", Verdict.UNDEFINED: "#cf222e", Verdict.MISMATCH: "#cf222e"}


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the graph as DOT, in ASCII."""
    return "\n".join(_lines(picture_of(report))) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    yield "digraph gradcli {"
    heading = "\n".join(filter(None, (f"{picture.facts}  ({picture.verdict})", picture.summary)))
    yield f"  label={quoted(heading)}; labelloc=t; labeljust=l;"
    yield '  node [shape=box, style="filled", fontname="monospace", fontsize=11];'
    yield from _cluster(picture.forward)
    yield from _cluster(picture.backward)
    yield "}"


def _cluster(panel: Panel) -> Iterator[str]:
    yield f"  subgraph cluster_{panel.title} {{"
    yield f"    label={quoted(panel.title)};"
    yield from (f"    {box.key} [{_attributes(box)}];" for box in panel.boxes.values())
    yield from (f"    {tail} -> {head};" for tail, head in panel.arrows)
    yield "  }"


def _attributes(box: Box) -> str:
    style = "filled,dashed" if box.kind == "constant" else "filled,rounded" if box.kind in COLOURS else "filled"
    given = {"label": "\n".join(box.lines), "fillcolor": COLOURS.get(box.kind, PLAIN), "style": style}
    given["tooltip"] = "\n".join(f"{name}: {words}" for name, words in box.details)
    if box.verdict in AROUND:
        given |= {"color": AROUND[box.verdict], "penwidth": "2"}
    return ", ".join(f"{name}={quoted(words)}" for name, words in given.items())


def quoted(text: str) -> str:
    """Return text as a string of DOT, in which Graphviz reads escapes and the entities of HTML."""
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    if character == "\n":
        return r"\n"
    if character in '"\\':
        return f"\\{character}"
    return character if character.isascii() and character != "&" else f"&#{ord(character)};"
