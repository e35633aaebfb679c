"""What is drawn as one box: modules of a model, runs of what has none, and never a box that leads to itself."""

from __future__ import annotations

from collections.abc import Callable

import networkx as nx
import pytest

from gradcli.render.graph.folding import PAGE, folds
from gradcli.render.graph.picture import graph_of
from gradcli.report.graph import ForwardNode
from gradcli.report.report import Report

Rows = list[tuple[str, ...]]


def layers(count: int, width: int = 6) -> list[tuple[str, tuple[str, ...], str]]:
    """Return a model of layers, each of a norm and a linear with parameters, and a sum round both."""
    parameters, calls, last = [], [("x", (), "")], "x"
    for layer in range(count):
        module = f"layers.{layer}"
        names = [f"{module}.linear.w{number}" for number in range(width)]
        parameters += [(name, (), f"{module}.linear") for name in names]
        calls.append((f"n{layer}", (last,), f"{module}.norm"))
        calls.append((f"l{layer}", (f"n{layer}", *names), f"{module}.linear"))
        calls.append((f"h{layer}", (last, f"l{layer}"), module))
        last = f"h{layer}"
    return [*parameters, *calls]


def nodes_of(report: Report) -> tuple[ForwardNode, ...]:
    return graph_of(report).forward


def contracted(nodes: tuple[ForwardNode, ...], found: list[tuple[str, ...]]) -> nx.DiGraph:
    box = {node.name: node.name for node in nodes} | {name: members[0] for members in found for name in members}
    graph = nx.DiGraph()
    graph.add_nodes_from(box.values())
    graph.add_edges_from((box[a], box[node.name]) for node in nodes for a in node.operands if box[a] != box[node.name])
    return graph


def test_a_small_graph_is_drawn_as_it_is(make_graph: Callable[..., Report]) -> None:
    assert folds(nodes_of(make_graph(layers(2))), 300) == ()


def test_modules_are_opened_as_far_as_they_fit_a_page(make_graph: Callable[..., Report]) -> None:
    some = folds(nodes_of(make_graph(layers(6))), 300)
    assert {fold.title for fold in some} >= {"layers.0.linear", "layers.5.linear"}
    many = folds(nodes_of(make_graph(layers(40))), 300)
    assert [fold.title for fold in many] == [f"layers.{number}" for number in range(40)]


def test_a_whole_model_is_not_one_box_if_there_is_room_for_more(make_graph: Callable[..., Report]) -> None:
    found = folds(nodes_of(make_graph(layers(100))), 300)
    assert [fold.title for fold in found] == [f"layers.{number}" for number in range(100)]
    assert [fold.title for fold in folds(nodes_of(make_graph(layers(400))), 300)] == ["layers"]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_depth_says_how_far(make_graph: Callable[..., Report], depth: int) -> None:
    found = folds(nodes_of(make_graph(layers(4))), 300, depth)
    assert {fold.title.count(".") for fold in found} == {depth - 1}


def test_what_leaves_a_module_and_comes_back_is_not_one_box(make_graph: Callable[..., Report]) -> None:
    rows = [("w", (), "m"), ("x", ()), ("a", ("x", "w"), "m"), ("b", ("a",)), ("c", ("b", "w"), "m"), ("d", ("c",))]
    nodes = nodes_of(make_graph(rows))
    found = [fold.members for fold in folds(nodes, 300, depth=1)]
    assert found == [("w", "a")]
    assert nx.is_directed_acyclic_graph(contracted(nodes, found))


@pytest.mark.parametrize("seed", range(20))
def test_boxes_never_lead_to_themselves(
    make_graph: Callable[..., Report], make_rows: Callable[..., Rows], seed: int
) -> None:
    rows = [
        (name, operands, f"m.{(number * 7 + seed) % 5}") for number, (name, operands) in enumerate(make_rows(90, seed))
    ]
    nodes = nodes_of(make_graph(rows))
    found = [fold.members for fold in folds(nodes, 300, depth=2)]
    assert found
    assert nx.is_directed_acyclic_graph(contracted(nodes, found))
    members = [name for one in found for name in one]
    assert len(members) == len({*members})


def test_a_long_program_without_modules_is_a_page_of_runs(
    make_graph: Callable[..., Report], make_rows: Callable[..., Rows]
) -> None:
    nodes = nodes_of(make_graph(make_rows(900, 1)))
    found = folds(nodes, 300)
    assert {name for fold in found for name in fold.members} == {node.name for node in nodes if node.operands}
    assert PAGE / 2 <= len(found) <= PAGE
    assert nx.is_directed_acyclic_graph(contracted(nodes, [fold.members for fold in found]))
    assert folds(nodes[:300], 300) == ()
