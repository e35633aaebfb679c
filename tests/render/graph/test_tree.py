"""The trees of the terminal: every box once with its branch, elsewhere a word that says where."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from gradcli.render import FORMATS
from gradcli.render.graph.tree import DEEPEST, MOST_ROWS, tree
from gradcli.render.style import Style
from gradcli.report.report import Extent, Report
from gradcli.report.verdict import Verdict


def texts(children: dict[str, list[str]], boxes: list[str]) -> list[str]:
    return [f"{one.before}{one.key}{f' ({one.elsewhere})' if one.elsewhere else ''}" for one in tree(children, boxes)]


def test_what_is_shared_is_drawn_once() -> None:
    assert texts({"z": ["x", "y"], "x": ["a", "b"], "y": ["b", "c"]}, ["z", "y", "x", "c", "b", "a"]) == [
        "z",
        "├─ x",
        "│  ├─ a",
        "│  └─ b",
        "└─ y",
        "   ├─ b (above)",
        "   └─ c",
    ]


def test_a_deep_branch_is_drawn_on_its_own() -> None:
    chain = [f"t{number}" for number in range(3 * DEEPEST)]
    rows = tree({one: [other] for one, other in pairwise(chain)}, chain)
    assert max(len(one.before) for one in rows) == 3 * DEEPEST
    assert [one.key for one in rows if not one.elsewhere] == chain
    assert [one.key for one in rows if one.elsewhere == "below"] == [chain[DEEPEST], chain[2 * DEEPEST]]


@pytest.mark.parametrize("seed", range(10))
def test_every_box_is_drawn_once_and_every_arrow(make_rows: Callable[..., list], seed: int) -> None:
    rows = make_rows(60, seed)
    children = {name: [*operands] for name, operands in rows if operands}
    found = tree(children, [name for name, _ in reversed(rows)])
    whole = [one.key for one in found if not one.elsewhere]
    assert sorted(whole) == sorted(name for name, _ in rows)
    arrows = sum(len(operands) for operands in children.values())
    roots = sum(not one.before for one in found)
    assert len(found) == arrows + roots
    assert Counter(one.key for one in found if one.before) == Counter(
        operand for operands in children.values() for operand in operands
    )


def test_two_outputs_are_two_trees() -> None:
    assert texts({"z": ["a"], "y": ["a"]}, ["z", "y", "a"]) == ["z", "└─ a", "y", "└─ a (above)"]


@pytest.fixture
def report(make_graph: Callable[..., Report]) -> Report:
    rows = [("w", ()), ("v", ()), ("x", ("w", "v")), ("out", ("x", "w"))]
    return make_graph(rows, {"v": Verdict.MISMATCH})


def test_rows_have_values_gradients_and_verdicts(report: Report) -> None:
    text = FORMATS["table"].render(report, Style(100))
    assert "├─ x" in text
    line = next(line for line in text.splitlines() if "└─ v" in line)
    assert line.split() == ["│", "└─", "v", "1", "1", "✗", "mismatch"]
    assert "└─ w (above)" in text
    assert "self: x v0" in text


def test_plain_text_is_ascii(report: Report) -> None:
    text = FORMATS["plain"].render(report, Style(100, unicode=False))
    assert text.isascii()
    assert "|- x" in text
    assert "|  `- v" in text
    assert "\\u2" not in text
    assert FORMATS["table"].render(report, Style(100, unicode=False)) == text


def test_markdown_keeps_the_lines_below_each_other(report: Report) -> None:
    text = FORMATS["markdown"].render(report, Style())
    assert "| `│\u00a0\u00a0└─\u00a0v` |" in text


def test_the_tensor_of_a_node_is_told_wherever_it_stands(report: Report) -> None:
    text = FORMATS["plain"].render(report, Style(100))
    (again,) = [line for line in text.splitlines() if "AccumulateGrad (above)" in line]
    assert again.split()[-1] == "w"


def test_a_long_tree_is_cut(make_graph: Callable[..., Report], make_rows: Callable[..., list]) -> None:
    text = FORMATS["plain"].render(make_graph(make_rows(60, 1, leaves=12)), Style(100))
    assert "more rows left out; --json has all" in text
    assert text.count("OpBackward0") <= 2 * MOST_ROWS


def test_a_module_is_one_row_of_each_tree(make_graph: Callable[..., Report]) -> None:
    rows = [("w", (), "net"), ("x", ()), ("a", ("x", "w"), "net"), ("out", ("a",))]
    report = dataclasses.replace(make_graph(rows), extent=Extent(depth=1))
    lines = [" ".join(line.split()) for line in FORMATS["plain"].render(report, Style(100)).splitlines()]
    assert "`- net 2 tensors + match" in lines
    assert "`- net 2 nodes saves 1 tensor" in lines


def test_modules_are_told_in_the_tree_alone(make_graph: Callable[..., Report]) -> None:
    rows = [(f"w{number}", (), f"layers.{number % 7}") for number in range(14)]
    report = make_graph([*rows, ("out", tuple(row[0] for row in rows))])
    text = FORMATS["plain"].render(report, Style(100))
    assert "By module" not in text
    assert "w13" in text


def test_hostile_names_stay_on_their_line(hostile: tuple[str, Report]) -> None:
    name, report = hostile
    for form in ("table", "plain", "markdown"):
        text = FORMATS[form].render(report, Style(200))
        assert "\x1b" not in text
        assert not any(character in text for character in "\u202e\u2066\u200b\x00")
        assert "\none\ttwo" not in text
    assert name
