"""The picture as one HTML page that needs no network: for light and dark, and readable without its script."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from gradcli.escaping import clip, escape
from gradcli.phrases import show_shape
from gradcli.render.graph import svg
from gradcli.render.graph.layout import layout_of
from gradcli.render.graph.picture import MARKS, Picture, brief, picture_of
from gradcli.render.grid import left_out
from gradcli.render.style import Style
from gradcli.report.report import Report, TensorReport

MOST_ROWS = 1000
LONGEST_PROGRAM, LONGEST_CELL = 60, 80
STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 1rem 1.5rem; font-family: system-ui, sans-serif; background: #ffffff; color: #1f2328; }
pre, table { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 13px; }
pre.program { overflow: auto; max-height: 20rem; }
h1 { font-size: 1.2rem; }
.drawing { overflow: auto; max-height: 90vh; border: 1px solid #d1d9e0; }
#details { position: sticky; bottom: 0; max-height: 40vh; overflow: auto; margin: 0; padding: 0.5rem 1rem;
  white-space: pre-wrap; background: #f6f8fa; border: 1px solid #d1d9e0; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: 0.2rem 1rem 0.2rem 0; border-bottom: 1px solid #d1d9e0; }
.good { color: #1a7f37; } .bad { color: #cf222e; } .open { color: #9a6700; } .quiet { color: #59636e; }
.gradcli g[data-key]:focus { outline: none; }
.gradcli g[data-key]:focus rect, .gradcli g.near rect { stroke-width: 3; }
.gradcli path.near { stroke: #0969da; stroke-width: 2.5; }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3; }
  .drawing, #details, th, td { border-color: #3d444d; }
  #details { background: #151b23; }
  .quiet { color: #9198a1; }
  .good { color: #3fb950; } .bad { color: #f85149; } .open { color: #d29922; }
  .gradcli path.near { stroke: #4493f8; }
}
@media print { .drawing { overflow: visible; max-height: none; border: none; } #details { display: none; } }
"""
# Shows below what the title of a box says, which without it a browser shows as a tooltip, and the arrows of that box.
SCRIPT = """
const panel = document.getElementById("details");
const boxes = [...document.querySelectorAll(".gradcli g[data-key]")];
const arrows = [...document.querySelectorAll(".gradcli path[data-tail]")];
for (const box of boxes) {
  const title = box.querySelector("title"), words = title.textContent;
  const key = box.dataset.key, beside = box.dataset.beside;
  const show = () => {
    panel.textContent = words;
    for (const one of boxes) one.classList.toggle("near", one === box || one.dataset.key === beside);
    for (const one of arrows) one.classList.toggle("near", one.dataset.tail === key || one.dataset.head === key);
  };
  title.remove();
  box.setAttribute("tabindex", "0");
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", words);
  box.addEventListener("pointerenter", show);
  box.addEventListener("focus", show);
}
panel.textContent = "Point at a box, or go there with the Tab key.";
panel.hidden = false;
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
FORMULA = "formula of the gradient"
HEADINGS = ("tensor", "shape", "value", "gradient", FORMULA, "verdict")


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the graph as an HTML page, in ASCII."""
    picture = picture_of(report)
    page = ET.Element("html", {"lang": "en"})
    _head(page, picture)
    body = ET.SubElement(page, "body")
    _add(body, "h1", "gradcli graph")
    _add(body, "pre", escape(report.program, keep_newlines=True), "program")
    drawing = svg.drawing(layout_of(picture))
    drawing.set("role", "group")  # its boxes can be gone to
    ET.SubElement(body, "div", {"class": "drawing", "tabindex": "0"}).append(drawing)
    ET.SubElement(body, "pre", {"id": "details", "hidden": "hidden", "aria-live": "polite"})
    _table(body, report)
    ET.SubElement(body, "script").text = SCRIPT
    text: str = ET.tostring(page, encoding="us-ascii", method="html").decode()
    return f"<!DOCTYPE html>\n{text}\n"


def _head(page: ET.Element, picture: Picture) -> None:
    head = ET.SubElement(page, "head")
    ET.SubElement(head, "meta", {"charset": "utf-8"})
    ET.SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": POLICY})
    ET.SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    _add(head, "title", f"gradcli graph: {clip(picture.title, LONGEST_PROGRAM)}")
    _add(head, "style", STYLE)


def _add(parent: ET.Element, tag: str, words: str, kind: str = "") -> ET.Element:
    element = ET.SubElement(parent, tag, {"class": kind} if kind else {})
    element.text = words
    return element


def _table(body: ET.Element, report: Report) -> None:
    """Add a table of all tensors: what the picture says, for who reads it without pointing."""
    _add(body, "h2", "Tensors")
    table = ET.SubElement(body, "table")
    row = ET.SubElement(ET.SubElement(table, "thead"), "tr")
    shown = report.tensors[:MOST_ROWS]
    headings = [heading for heading in HEADINGS if heading != FORMULA or any(map(_formula, shown))]
    for heading in headings:
        ET.SubElement(row, "th", {"scope": "col"}).text = heading
    rows = ET.SubElement(table, "tbody")
    for tensor in shown:
        _row(rows, tensor, has_formula=FORMULA in headings)
    for line in left_out(len(report.tensors) - MOST_ROWS):
        _add(body, "p", line)


def _formula(tensor: TensorReport) -> str:
    return (tensor.symbolic.telling_formula if tensor.symbolic else None) or ""


def _row(rows: ET.Element, tensor: TensorReport, *, has_formula: bool) -> None:
    row = ET.SubElement(rows, "tr")
    gradient = "None" if tensor.gradient is None else brief(tensor.gradient)
    cells = [tensor.name, show_shape(tensor.shape), brief(tensor.value), gradient]
    if has_formula:
        cells.append(_formula(tensor))
    for cell in cells:
        _add(row, "td", clip(cell, LONGEST_CELL))
    verdict = tensor.verdict
    words = "" if verdict is None else f"{MARKS[verdict]} {verdict}"
    _add(row, "td", words, "" if verdict is None else svg.COLOURS[verdict])
