"""The SVG is valid XML, in ASCII, draws every box and arrow, and says in text whatever a name holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree

from gradcli.escaping import escape
from gradcli.render.formats import PICTURES
from gradcli.render.graph.picture import picture_of
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict

SVG = "{http://www.w3.org/2000/svg}"
# What the drawing consists of: nothing that runs, loads or links.
ELEMENTS = {"svg", "title", "style", "marker", "path", "g", "rect", "text", "tspan"}


def parsed(report: Report) -> etree._Element:
    text = PICTURES["svg"].render(report, Style())
    assert text.isascii()
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return etree.fromstring(text.encode(), parser)


def words(root: etree._Element) -> str:
    return "\n".join("".join(element.itertext()) for element in root.iter(f"{SVG}title", f"{SVG}text"))


@pytest.mark.parametrize("count", [3, 30, 300])
def test_every_box_and_arrow_is_drawn(
    make_graph: Callable[..., Report], make_rows: Callable[..., list], count: int
) -> None:
    report = make_graph(make_rows(count, 3, leaves=1 if count == 3 else 4))
    picture, root = picture_of(report), parsed(report)
    keys = {group.get("data-key") for group in root.iter(f"{SVG}g") if group.get("data-key")}
    assert keys == {*picture.forward.boxes, *picture.backward.boxes}
    ends = {(path.get("data-tail"), path.get("data-head")) for path in root.iter(f"{SVG}path") if path.get("data-tail")}
    assert {pair for pair in ends if pair[1]} >= {*picture.forward.arrows}
    assert {pair for pair in ends if all(pair)} == {*picture.forward.arrows, *picture.backward.arrows}
    pointed = {path.get("data-head") for path in root.iter(f"{SVG}path") if path.get("marker-end")}
    assert pointed == {head for _, head in (*picture.forward.arrows, *picture.backward.arrows)}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ELEMENTS
    assert float(root.get("width")) > 0


def test_hostile_names_stay_text(hostile: tuple[str, Report]) -> None:
    name, report = hostile
    root = parsed(report)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ELEMENTS
    attributes = {key for element in root.iter() for key in element.attrib}
    assert not [key for key in attributes if key.startswith("on") or "href" in key]
    assert " ".join(escape(" ".join(name.split())).split()) in words(root)
    assert all(character.isprintable() or character == "\n" for character in words(root))


def test_what_is_wrong_is_framed(make_graph: Callable[..., Report]) -> None:
    rows = [("w", ()), ("v", ()), ("out", ("w", "v"))]
    root = parsed(make_graph(rows, {"w": Verdict.MISMATCH, "v": Verdict.UNDECIDED}))
    classes = [group.get("class") for group in root.iter(f"{SVG}g") if group.get("data-key", "").startswith("f")]
    assert classes == ["leaf wrong", "leaf unsure", "tensor"]


def test_it_has_a_style_for_dark_and_loads_nothing(make_graph: Callable[..., Report]) -> None:
    text = PICTURES["svg"].render(make_graph([("w", ()), ("out", ("w",))]), Style())
    assert "prefers-color-scheme: dark" in text
    assert text.count("http") == 1  # the name of its own vocabulary
    assert "url(" not in text.replace("url(#gradcli-arrow)", "")
    assert "@import" not in text
