"""The graph as two trees for a terminal, from the output to the leaves: what is shared is drawn once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gradcli.escaping import clip, escape
from gradcli.phrases import show_shape
from gradcli.render.graph.picture import Box, Picture, brief, graph_of, picture_of, short_name
from gradcli.render.grid import Grid, Lines, left_out
from gradcli.report.graph import BackwardNode, ForwardNode, Saved
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict

MOST_BOXES = 60
MOST_ROWS = 80
PAGE = 24  # boxes of a model
DEEPEST = 5  # levels, below which a branch is drawn on its own
LONGEST, LONGEST_NAME = 32, 28
VERSIONS = "A saved tensor is shown with its version, which counts the writes in place to its memory."

Cell = Lines | Verdict
Children = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Branch:
    """One row of a tree: what stands before its name, and where else what is below it is drawn, if it is not here."""

    before: str
    key: str
    elsewhere: str = ""


@dataclass(slots=True)
class _Drawing:
    """A tree that is being drawn: what has been, and the branches that wait for being drawn on their own."""

    children: Children
    waiting: deque[str]
    drawn: set[str] = field(default_factory=set)

    def branches(self) -> Iterator[Branch]:
        while self.waiting:
            root = self.waiting.popleft()
            if root not in self.drawn:
                yield from self._branch(root, "", "", 0)

    def _branch(self, key: str, before: str, below: str, level: int) -> Iterator[Branch]:
        children = self.children.get(key, ())
        if key in self.drawn or (children and level == DEEPEST):
            yield Branch(before, key, "above" if key in self.drawn else "below")
            self.waiting.append(key)
            return
        self.drawn.add(key)
        yield Branch(before, key)
        for number, child in enumerate(children, 1):
            mark, line = ("└─ ", "   ") if number == len(children) else ("├─ ", "│  ")
            yield from self._branch(child, below + mark, below + line, level + 1)


def tree(children: Children, boxes: Iterable[str]) -> list[Branch]:
    """Return the rows of a tree: from each box that is nobody's child, the last made first, down to the leaves."""
    inside = {child for own in children.values() for child in own}
    return [*_Drawing(children, deque(box for box in boxes if box not in inside)).branches()]


def grids(report: Report) -> tuple[Grid, ...]:
    """Return the two trees of a report of `graph`."""
    picture = picture_of(report, MOST_BOXES, PAGE)
    return _forward(report, picture), _backward(report, picture)


def _forward(report: Report, picture: Picture) -> Grid:
    tensors = {tensor.name: tensor for tensor in report.tensors}
    nodes = {f"f{number}": node for number, node in enumerate(graph_of(report).forward)}
    panel = picture.forward
    operands: dict[str, list[str]] = {}
    for tail, head in panel.arrows:
        operands.setdefault(head, []).append(tail)
    rows = {key: _tensor(box, nodes[key], tensors.get(nodes[key].name)) for key, box in panel.boxes.items()}
    headings = ("tensor", "grad_fn", "shape", "value", "gradient", "verdict")
    return _grid("Forward, from the output to the leaves", headings, tree(operands, [*panel.boxes][::-1]), rows)


def _tensor(box: Box, node: ForwardNode, tensor: TensorReport | None) -> tuple[Cell, ...]:
    verdict: Cell = ("constant" if not node.requires_grad else "",)
    verdict = verdict if box.verdict is None else box.verdict
    if box.kind == "module":
        return (clip(box.lines[0], LONGEST_NAME),), ("",), (box.lines[1],), ("",), ("",), verdict
    value = node.value if tensor is None else tensor.value
    gradient = None if tensor is None else tensor.gradient
    shown = brief(gradient) if gradient is not None else "None" if node.requires_grad else ""
    grad_fn = "" if tensor is None else escape(tensor.grad_fn or "")
    return (
        (clip(box.lines[0], LONGEST_NAME),),
        (grad_fn,),
        (show_shape(node.shape),),
        (brief(value),),
        (shown,),
        verdict,
    )


def _backward(report: Report, picture: Picture) -> Grid:
    nodes = {f"b{node.id}": node for node in graph_of(report).backward}
    labels = {node.name: clip(short_name(node), LONGEST) for node in graph_of(report).forward}
    panel = picture.backward
    passed: dict[str, list[str]] = {}
    for tail, head in panel.arrows:
        passed.setdefault(tail, []).append(head)
    rows = {key: _node(box, nodes.get(key), labels) for key, box in panel.boxes.items()}
    # Several nodes have one name: the tensor is said of each.
    title = "Backward, as autograd runs it: grad_fn, and below it its next_functions"
    below = (VERSIONS,) if any(node.saves for node in nodes.values()) else ()
    return _grid(title, ("grad_fn", "of", "saves"), tree(passed, panel.boxes), rows, below, named=2)


def _node(box: Box, node: BackwardNode | None, labels: Mapping[str, str]) -> tuple[Cell, ...]:
    if node is None or box.kind == "module":
        saves = next((line for line in box.lines[2:] if line.startswith("saves")), "")
        return (clip(box.lines[0], LONGEST_NAME),), (box.lines[1],), (saves,)
    saves = ", ".join(_saved(saved, labels) for saved in node.saves)
    return (box.lines[0],), (labels.get(node.tensor or "", ""),), (saves,)


def _saved(saved: Saved, labels: Mapping[str, str]) -> str:
    name = escape(saved.name)
    if saved.shape is None:
        return f"{name} (packed by a hook)"
    return f"{name}: {labels.get(saved.tensor or '', show_shape(saved.shape))} v{saved.version}"


def _grid(
    title: str,
    headings: tuple[str, ...],
    branches: Sequence[Branch],
    rows: Mapping[str, tuple[Cell, ...]],
    below: Lines = (),
    *,
    named: int = 1,
) -> Grid:
    """Return a tree as a grid; `named` cells of a row tell what it is, also where that is drawn elsewhere."""
    shown = branches[:MOST_ROWS]
    more = left_out(len(branches) - len(shown), "rows")
    cells = [_row(branch, rows[branch.key], named) for branch in shown]
    kept = [place for place in range(len(headings)) if headings[place] != "shape" or _says_more(cells, place)]
    picked = tuple(tuple(row[place] for place in kept) for row in cells)
    grid = Grid(title, tuple(headings[place] for place in kept), picked, (*more, *below), is_tree=True)
    return replace(grid, spare=("grad_fn", "value", "gradient") if named == 1 else ())


def _says_more(rows: Sequence[tuple[Cell, ...]], place: int) -> bool:
    return any(row[place] not in {("",), ("scalar",)} for row in rows)


def _row(branch: Branch, cells: tuple[Cell, ...], named: int) -> tuple[Cell, ...]:
    first, *others = cells
    name = f"{branch.before}{first[0]}"
    if branch.elsewhere:
        return (f"{name} ({branch.elsewhere})",), *cells[1:named], *((("",),) * (len(cells) - named))
    return (name,), *others
