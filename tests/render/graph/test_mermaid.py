"""The Mermaid holds the two graphs and nothing else: each line is one of a few forms, and labels are all but plain."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from gradcli.escaping import escape
from gradcli.render.formats import PICTURES
from gradcli.render.graph.picture import picture_of
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict

LABEL = r"(?:[A-Za-z0-9 .,=+_]|#\d+;|<br/>)*"
NODE = re.compile(rf'    (\w+)(?:\["({LABEL})"\]|\(\["({LABEL})"\]\)|\[\["({LABEL})"\]\])')
EDGE = re.compile(r"    (\w+) --> (\w+)")
OTHERS = re.compile(
    r'flowchart TB|  subgraph (for|back)ward\["[\w, ]+"\]|    direction (TB|BT)|  end|  classDef \w+ [\w#:, -]+|'
    r"  class [\w,]+ \w+"
)


def rendered(report: Report) -> str:
    text = PICTURES["mermaid"].render(report, Style())
    assert text.isascii()
    return text


def read(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the labels and the edges; every line has to be what it may be, and every end of an edge a node."""
    labels, edges = dict[str, str](), list[tuple[str, str]]()
    for line in text.splitlines():
        if (edge := EDGE.fullmatch(line)) is not None:
            edges.append((edge[1], edge[2]))
        elif (node := NODE.fullmatch(line)) is not None:
            label = next(part for part in node.groups()[1:] if part is not None).replace("<br/>", "\n")
            labels[node[1]] = re.sub(r"#(\d+);", lambda match: chr(int(match[1])), label)
        else:
            assert OTHERS.fullmatch(line), line
    assert {end for edge in edges for end in edge} <= {*labels}
    assert text.count("  subgraph") == text.count("\n  end\n") == 2
    return labels, edges


@pytest.mark.parametrize("count", [3, 30, 100])
def test_it_holds_the_picture(make_graph: Callable[..., Report], make_rows: Callable[..., list], count: int) -> None:
    report = make_graph(make_rows(count, 5, leaves=1 if count == 3 else 4))
    picture = picture_of(report)
    labels, edges = read(rendered(report))
    boxes = {**picture.forward.boxes, **picture.backward.boxes}
    assert labels == {key: "\n".join(box.lines) for key, box in boxes.items()}
    assert edges == [*picture.forward.arrows, *picture.backward.arrows]


def test_hostile_names_stay_text(hostile: tuple[str, Report]) -> None:
    name, report = hostile
    labels, edges = read(rendered(report))
    assert len(labels) == len(edges) == 6
    assert labels["f0"].startswith(" ".join(escape(" ".join(name.split())).split())[:20])


def test_classes_name_boxes(make_graph: Callable[..., Report]) -> None:
    text = rendered(make_graph([("w", ()), ("out", ("w",))], {"w": Verdict.MISMATCH}))
    assert "  class f0,b1 wrong\n" in text
    assert " leaf\n" not in text
    assert "  class f0,b1 leaf\n" in rendered(make_graph([("w", ()), ("out", ("w",))]))


def parsed(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the labels and the edges that Mermaid's own parser reads, with its numbers for characters."""
    parser = pytest.importorskip("mermaid_parser.parser", reason="needs the package mermaid-parser-py")
    found = parser.MermaidParser().parse(text)
    assert found["graph_type"].startswith("flowchart")
    vertices, edges = found["graph_data"]["vertices"], found["graph_data"]["edges"]
    labels = {key: re.sub(r"ﬂ°°(\d+)¶ß", r"#\1;", node["text"]) for key, node in vertices.items()}
    return labels, [(edge["start"], edge["end"]) for edge in edges]


def unescaped(label: str) -> str:
    return re.sub(r"#(\d+);", lambda match: chr(int(match[1])), label.replace("<br/>", "\n"))


@pytest.mark.filterwarnings("ignore")  # of the parser's own engine
def test_mermaid_itself_reads_hostile_names(hostile: tuple[str, Report]) -> None:
    text = rendered(hostile[1])
    labels, edges = parsed(text)
    assert ({key: unescaped(label) for key, label in labels.items()}, edges) == read(text)


@pytest.mark.parametrize("count", [300, 2000])
def test_it_is_folded_until_mermaid_draws_it(
    make_graph: Callable[..., Report], make_rows: Callable[..., list], count: int
) -> None:
    text = rendered(make_graph(make_rows(count, 5)))
    labels, edges = read(text)
    assert len(edges) < 500
    assert len(text) < 50_000
    assert len(labels) > 20


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("count", [3, 30, 300, 2000])
def test_mermaid_itself_reads_the_picture(
    make_graph: Callable[..., Report], make_rows: Callable[..., list], count: int
) -> None:
    text = rendered(make_graph(make_rows(count, 5, leaves=1 if count == 3 else 4)))
    labels, edges = parsed(text)
    assert ({key: unescaped(label) for key, label in labels.items()}, edges) == read(text)
