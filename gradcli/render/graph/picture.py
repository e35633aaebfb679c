"""What a picture of a graph shows, whatever draws it: boxes of text, arrows, and which boxes belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from gradcli.escaping import clip, escape
from gradcli.phrases import show_shape
from gradcli.render.graph.folding import PAGE, Fold, folds
from gradcli.render.numbers import summary, tensor_lines
from gradcli.report.graph import BackwardNode, ForwardNode, Graph, GraphDetails, Saved
from gradcli.report.page import PageDetails
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict, worst

MOST_BOXES = 300
MOST_IN_FULL = 40  # boxes of the forward graph that show values, gradients and what is saved
LONGEST_TITLE, LONGEST_BRIEF, LONGEST_NUMBER = 34, 24, 26
MOST_SAVED = 3
LONGEST_OUTPUT = 60
LONGEST_DETAIL = 600
MARKS = {
    Verdict.MATCH: "\N{CHECK MARK}",
    Verdict.SUBGRADIENT: "\N{ALMOST EQUAL TO}",
    Verdict.UNVERIFIED: "-",
    Verdict.MISMATCH: "\N{BALLOT X}",
    Verdict.UNDEFINED: "\N{EMPTY SET}",
    Verdict.UNDECIDED: "?",
}


@dataclass(frozen=True, slots=True)
class Box:
    """One box: lines of text, the first of them its title, and what there is to say beside, as names and texts.

    `kind` is leaf, constant, tensor or module in the forward graph, node, accumulate or module in the backward one.
    """

    key: str
    kind: str
    lines: tuple[str, ...]
    details: tuple[tuple[str, str], ...]
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the two graphs: its boxes by key, in the order in which they were made or run, and its arrows."""

    title: str
    boxes: Mapping[str, Box]
    arrows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """The forward graph and autograd's, and the boxes of the two that stand for the same tensors."""

    title: str
    facts: str
    verdict: Verdict
    forward: Panel
    backward: Panel
    beside: Mapping[str, str]
    """A box of the forward graph -> the one of its grad_fn."""
    summary: str
    """What is not drawn in full; empty where everything is."""


def graph_of(report: Report) -> Graph:
    """Return the graph of a report of `graph`."""
    return cast("GraphDetails | PageDetails", report.details).graph


def picture_of(report: Report, most: int = MOST_BOXES, page: int = PAGE) -> Picture:
    """Return what is drawn of a report; `most` and `page` as for `folds`."""
    graph = graph_of(report)
    folded = folds(graph.forward, most, report.extent.depth, page)
    keys = {node.name: f"f{number}" for number, node in enumerate(graph.forward)}
    keys |= {name: keys[fold.members[0]] for fold in folded for name in fold.members}
    tensors = {tensor.name: tensor for tensor in report.tensors}
    forward = _forward(graph, keys, tensors, folded)
    backward, of_nodes = _backward(graph, keys, folded, forward)
    beside = {keys[node.name]: of_nodes[node.node] for node in graph.forward if node.node is not None}
    return Picture(
        title=clip(report.program, LONGEST_DETAIL),
        facts=f"{clip(report.output.name, LONGEST_OUTPUT)} = {brief(report.output.value)}",
        verdict=report.verdict,
        forward=forward,
        backward=backward,
        beside=beside,
        summary=_summary(graph, folded),
    )


def _summary(graph: Graph, folded: Sequence[Fold]) -> str:
    if not folded:
        return ""
    inside = sum(len(fold.members) for fold in folded)
    boxes = "1 box" if len(folded) == 1 else f"{len(folded):,} boxes"
    return f"{inside:,} of {_counted(len(graph.forward), 'tensor')} are drawn as {boxes}"


def brief(tensor: Any) -> str:
    """Return a tensor on one short line: a few numbers, or from where to where they go."""
    lines = tensor_lines(tensor)
    text = lines[0] if len(lines) == 1 else summary(tensor)[0]
    return text if len(text) <= LONGEST_NUMBER else summary(tensor)[0]


def _forward(
    graph: Graph, keys: Mapping[str, str], tensors: Mapping[str, TensorReport], folded: Sequence[Fold]
) -> Panel:
    in_full = len(set(keys.values())) <= MOST_IN_FULL
    boxes = {
        keys[node.name]: _tensor(keys[node.name], node, tensors.get(node.name), in_full=in_full)
        for node in reversed(graph.forward)  # a box of several is replaced below
    }
    boxes |= {keys[fold.members[0]]: _module(keys[fold.members[0]], fold, tensors) for fold in folded}
    made = dict.fromkeys(keys[node.name] for node in graph.forward)
    arrows = [(keys[operand], keys[node.name]) for node in graph.forward for operand in node.operands]
    return Panel("forward", {key: boxes[key] for key in made}, _arrows(arrows))


def _arrows(arrows: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys((tail, head) for tail, head in arrows if tail != head))


def _tensor(key: str, node: ForwardNode, tensor: TensorReport | None, *, in_full: bool) -> Box:
    """Return the box of one tensor; `tensor` is what is reported of it, if anything is."""
    verdict = None if tensor is None else tensor.verdict
    value = node.value if tensor is None else tensor.value
    gradient = None if tensor is None else tensor.gradient
    kind = "constant" if not node.requires_grad else "leaf" if node.kind == "leaf" else "tensor"
    mark = [] if verdict is None else [f"{MARKS[verdict]} {verdict}"]
    shape = [f"shape {show_shape(node.shape)}"] if node.shape else []
    lines = [_title(node, LONGEST_TITLE if in_full else LONGEST_BRIEF)]
    if in_full:
        lines += [
            *shape,
            f"value {brief(value)}",
            *([] if gradient is None else [f"gradient {brief(gradient)}"]),
            *mark,
        ]
    else:
        lines += ["  ".join([show_shape(node.shape), *([MARKS[verdict]] if verdict is not None else [])])]
    return Box(key, kind, tuple(lines), tuple(_details(node, tensor, value)), verdict)


def _title(node: ForwardNode, length: int) -> str:
    """Return what a tensor is called and, where that says more, what made it: in short, if it is too long."""
    source = " ".join(node.text.split())
    if node.op is None or node.name == source or node.name.startswith(f"{source} ("):
        return clip(short_name(node, length), length)
    made = source if len(node.name) + len(source) < length else f"{node.op}(...)"
    return clip(f"{node.name} = {made}", length)


def _details(node: ForwardNode, tensor: TensorReport | None, value: Any) -> Iterator[tuple[str, str]]:
    yield "tensor", _whole(node.name)
    if node.op is not None:
        yield "made by", _whole(f"{node.op}: {node.text}")
    yield "shape", f"{show_shape(node.shape)}, {node.dtype}"
    yield "value", "\n".join(tensor_lines(value))
    if not node.requires_grad:
        yield "gradient", "none: it does not require grad"
    elif tensor is not None:
        yield from _about_gradient(tensor)
    if node.module:
        yield "module", _whole(node.module)
    if node.source:
        yield "line", _whole(node.source)


def _about_gradient(tensor: TensorReport) -> Iterator[tuple[str, str]]:
    yield "grad_fn", escape(tensor.grad_fn or "None")
    yield "gradient", "None" if tensor.gradient is None else "\n".join(tensor_lines(tensor.gradient))
    formula = tensor.symbolic.telling_formula if tensor.symbolic else None
    if formula:
        yield "formula", _whole(formula)
    if tensor.verdict is not None:
        yield "verdict", f"{MARKS[tensor.verdict]} {tensor.verdict}"
    if tensor.note:
        yield "note", _whole(tensor.note)


def _whole(text: str) -> str:
    return clip(text, LONGEST_DETAIL)


def _module(key: str, fold: Fold, tensors: Mapping[str, TensorReport]) -> Box:
    """Return the box of several tensors, with the worst of their verdicts."""
    judged = [tensors[name].verdict for name in fold.members if name in tensors]
    verdicts = [verdict for verdict in judged if verdict is not None]
    verdict = worst(verdicts) if verdicts else None
    mark = [] if verdict is None else [f"{MARKS[verdict]} {verdict}"]
    lines = (clip(fold.title, LONGEST_TITLE), f"{len(fold.members):,} tensors", *mark)
    names = _whole(", ".join(fold.members))
    details = [("module", _whole(fold.title)), ("tensors", names), *[("verdict", text) for text in mark]]
    return Box(key, "module", lines, tuple(details), verdict)


def _backward(
    graph: Graph, keys: Mapping[str, str], folded: Sequence[Fold], forward: Panel
) -> tuple[Panel, Mapping[int, str]]:
    """Return autograd's graph, and the box of each node: those of a module's tensors are one.

    The grad_fn of a tensor has its verdict, and the box of a module that of the module's tensors.
    """
    titles = {keys[name]: fold.title for fold in folded for name in fold.members}
    inside: dict[str, list[BackwardNode]] = {}
    of_nodes: dict[int, str] = {}
    for node in graph.backward:
        folded_in = keys.get(node.tensor or "")
        of_nodes[node.id] = f"b{node.id}" if folded_in not in titles else f"b{folded_in}"
        inside.setdefault(of_nodes[node.id], []).append(node)
    labels = {node.name: short_name(node) for node in graph.forward}
    in_full = len(inside) <= 2 * MOST_IN_FULL
    verdicts = {of_nodes[n.node]: forward.boxes[keys[n.name]].verdict for n in graph.forward if n.node is not None}
    boxes = {key: _nodes(key, nodes, titles.get(key[1:]), labels, in_full=in_full) for key, nodes in inside.items()}
    boxes = {key: _judged(box, verdicts.get(key), in_full=in_full) for key, box in boxes.items()}
    arrows = [(of_nodes[n.id], of_nodes[edge.node]) for n in graph.backward for edge in n.next if edge is not None]
    return Panel("backward", boxes, _arrows(arrows)), of_nodes


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _judged(box: Box, verdict: Verdict | None, *, in_full: bool) -> Box:
    """Return a box with a verdict: on a line of its own, or, in short, on its last one."""
    if verdict is None:
        return box
    *lines, last = box.lines
    mark = f"{MARKS[verdict]} {verdict}"
    shown = (
        (*box.lines, mark) if in_full or box.kind == "module" or not lines else (*lines, f"{last}  {MARKS[verdict]}")
    )
    return replace(box, lines=shown, details=(*box.details, ("verdict", mark)), verdict=verdict)


def short_name(node: ForwardNode, length: int = LONGEST_BRIEF) -> str:
    """Return a tensor's name, or that of the operation that made it, if the name is its long source."""
    is_long = len(node.name) > length and node.op is not None and node.name.startswith(node.text)
    return f"{node.op}(...){node.name.removeprefix(node.text)}" if is_long else node.name


def _nodes(
    key: str, nodes: Sequence[BackwardNode], title: str | None, labels: Mapping[str, str], *, in_full: bool
) -> Box:
    if title is None:
        return _node(key, nodes[0], labels, in_full=in_full)
    saved = sum(len(node.saves) for node in nodes)
    lines = (
        clip(title, LONGEST_TITLE),
        _counted(len(nodes), "node"),
        *([f"saves {_counted(saved, 'tensor')}"] if saved else []),
    )
    names = _whole(", ".join(dict.fromkeys(node.grad_fn for node in nodes)))
    return Box(key, "module", lines, (("module", _whole(title)), ("nodes", names)))


def _node(key: str, node: BackwardNode, labels: Mapping[str, str], *, in_full: bool) -> Box:
    kind = "accumulate" if not node.next and node.grad_fn == "AccumulateGrad" else "node"
    name, tensor = escape(node.grad_fn), node.tensor or ""
    for_leaf = "into" if kind == "accumulate" else "of"
    lines = [clip(name, LONGEST_TITLE)]
    lines += [f"{for_leaf} {clip(labels.get(tensor, tensor), LONGEST_BRIEF)}"] if tensor else []
    lines += _saves(node.saves, labels) if in_full else []
    details = [("node", _whole(name)), *([(for_leaf, _whole(tensor))] if tensor else [])]
    details += [("saves", _saving(saved, {}, LONGEST_DETAIL)) for saved in node.saves]
    return Box(key, kind, tuple(lines), tuple(details))


def _saves(saves: Sequence[Saved], labels: Mapping[str, str]) -> list[str]:
    shown = saves if len(saves) <= MOST_SAVED else saves[: MOST_SAVED - 1]
    lines = [f"saves {_saving(saved, labels, LONGEST_BRIEF)}" for saved in shown]
    return [*lines, *([f"saves {len(saves) - len(shown)} more"] if len(shown) < len(saves) else [])]


def _saving(saved: Saved, labels: Mapping[str, str], length: int) -> str:
    """Return what a node saves: PyTorch's name for it, the program's, and its version."""
    if saved.shape is None:
        return f"{escape(saved.name)} (packed by a hook)"
    name = labels.get(saved.tensor, saved.tensor) if saved.tensor else None
    what = f" = {clip(name, length)}" if name else f" of shape {show_shape(saved.shape)}"
    return f"{escape(saved.name)}{what} (version {saved.version})"
