"""The DOT holds the two graphs and nothing else: read by Graphviz's grammar, as written here, and by pydot."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest

from gradcli.escaping import escape
from gradcli.render.formats import PICTURES
from gradcli.render.graph.picture import picture_of
from gradcli.render.style import Style
from gradcli.report.report import Report

STRING = r'"(?:[^"\\]|\\.)*"'
NODE = re.compile(rf"    ([fb]\d+|bf\d+) \[((?:\w+={STRING}(?:, )?)+)\];")
EDGE = re.compile(r"    (\w+) -> (\w+);")


def rendered(report: Report) -> str:
    text = PICTURES["dot"].render(report, Style())
    assert text.isascii()
    return text


def read(text: str) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Return the labels of the nodes and the edges of a text; every line of it has to be what it may be."""
    first, label, nodes, *lines, last = text.splitlines()
    assert (first, last) == ("digraph gradcli {", "}")
    assert re.fullmatch(rf"  label={STRING}; labelloc=t; labeljust=l;", label)
    assert nodes.startswith("  node [shape=box")
    labels, edges = dict[str, str](), set[tuple[str, str]]()
    for line in lines:
        if (node := NODE.fullmatch(line)) is not None:
            given = dict(re.findall(rf"(\w+)=({STRING})", node[2]))
            label = re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], given["label"][1:-1])
            labels[node[1]] = html.unescape(label)
        elif (edge := EDGE.fullmatch(line)) is not None:
            edges.add((edge[1], edge[2]))
        else:
            assert re.fullmatch(r'  subgraph cluster_(for|back)ward \{|    label="(for|back)ward";|  \}', line), line
    assert {end for edge in edges for end in edge} <= {*labels}
    return labels, edges


@pytest.mark.parametrize("count", [3, 30, 300])
def test_it_holds_the_picture(make_graph: Callable[..., Report], make_rows: Callable[..., list], count: int) -> None:
    report = make_graph(make_rows(count, 5, leaves=1 if count == 3 else 4))
    picture = picture_of(report)
    labels, edges = read(rendered(report))
    boxes = {**picture.forward.boxes, **picture.backward.boxes}
    assert labels == {key: "\n".join(box.lines) for key, box in boxes.items()}
    assert edges == {*picture.forward.arrows, *picture.backward.arrows}


def test_hostile_names_stay_text(hostile: tuple[str, Report]) -> None:
    name, report = hostile
    labels, edges = read(rendered(report))
    assert len(labels) == 6
    assert edges == {("f0", "f1"), ("f1", "f2"), ("f0", "f2"), ("b0", "b1"), ("b0", "b2"), ("b1", "b2")}
    said = " ".join(escape(" ".join(name.split())).split())
    assert labels["f0"].startswith(said[:20])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pydot's own use of its parser
def test_a_parser_reads_it(hostile: tuple[str, Report]) -> None:
    pydot = pytest.importorskip("pydot")
    (graph,) = pydot.graph_from_dot_data(rendered(hostile[1]))
    parts = graph.get_subgraphs()
    assert [(len(part.get_nodes()), len(part.get_edges())) for part in parts] == [(3, 3), (3, 3)]
