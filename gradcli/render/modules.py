"""Many tensors of a module as a line for each part of it: what is right is told by module, what is wrong in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradcli.escaping import clip
from gradcli.render.grid import Grid, Lines
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict, fails, worst
from gradcli.witnesses import COLUMNS, TRANSFORMATIONS, WITNESSES

FEW = 12  # tensors that are shown one by one
NEAREST = 3  # leaves, and as many non-leaves, of more that are wrong: those nearest to the output
MOST_ROWS = 20  # so that a report without failures fits a page, with a row for each layer of a usual model
LONGEST = 40
UNDER = "Under transformations: how far autograd's gradients are off"
TABLES = (WITNESSES, TRANSFORMATIONS)  # each in a grid of its own

Groups = Mapping[str, Sequence[TensorReport]]


def is_by_module(report: Report) -> bool:
    """Return whether a report's tensors are shown by module: many tensors, of several modules."""
    return len(report.tensors) > FEW and len({tensor.module for tensor in report.tensors}) > 1


def shown_whole(report: Report) -> list[TensorReport]:
    """Return the tensors that are shown one by one: what is wrong; of much, what is nearest to where that begins.

    A wrong gradient makes all others on its way back wrong. What was not to be compared is not wrong.
    """
    failing = [tensor for tensor in report.tensors if fails(tensor.verdict)]
    wrong = [tensor for tensor in failing if tensor.verdict is not Verdict.UNVERIFIED]
    if len(wrong) <= FEW:
        return wrong
    leaves = [tensor for tensor in wrong if tensor.kind == "leaf"]
    others = [tensor for tensor in wrong if tensor.kind != "leaf"]
    return [*leaves[-NEAREST:], *others[-NEAREST:]]


def grids_of_modules(report: Report, whole: Sequence[TensorReport]) -> tuple[Grid, ...]:
    """Return a line for each module: how many tensors it has beside those shown whole, and the worst of each kind.

    What the transformations say comes in a grid of its own, for there may be as many of them as of all else.
    """
    known = {id(tensor) for tensor in whole}
    others = [tensor for tensor in report.tensors if id(tensor) not in known]
    depth = report.extent.depth or _depth_of_a_page(others)
    groups = _groups(others, depth)
    itself = f"({report.program.rpartition(':')[2]} itself)"
    on_page = groups if report.extent.depth else _on_a_page(groups)
    shown = {name or itself: group for name, group in on_page.items()}
    asked, under = ([n for n in rows if any(_error(t, n) is not None for t in others)] for rows in TABLES)
    headings = ("module", "tensors", "verdict", "symbolic", *(COLUMNS[name].heading for name in asked))
    rows = tuple(_row(name, group, asked) for name, group in shown.items())
    title = "All others, by module" if whole else "By module"
    found = Grid(title, headings, rows, _below(others, depth))
    if not under:
        return (found,)
    found_by = {name: _errors(group, under) for name, group in shown.items()}
    rows = tuple(((clip(name, LONGEST),), *errors) for name, errors in found_by.items() if any(map(any, errors)))
    return found, Grid(UNDER, ("module", *(COLUMNS[name].heading for name in under)), rows)


def _below(tensors: Sequence[TensorReport], depth: int) -> Lines:
    """Return how to see more, where there is more."""
    deeper = len(_groups(tensors, depth + 1)) > len(_groups(tensors, depth))
    return (f"`--depth {depth + 1}` opens more modules, `--only PATTERN` shows single tensors",) if deeper else ()


def _depth_of_a_page(tensors: Sequence[TensorReport]) -> int:
    """Return the most levels of modules of which a page holds all."""
    deepest = max(((tensor.module or "").count(".") + 1 for tensor in tensors), default=1)
    fitting = [depth for depth in range(1, deepest + 1) if len(_groups(tensors, depth)) <= MOST_ROWS]
    return max(fitting, default=1)


def _groups(tensors: Sequence[TensorReport], depth: int) -> Groups:
    """Return the tensors by the first parts of their module's path, a module before what is in it."""
    groups: dict[str, list[TensorReport]] = {"": []}
    for tensor in tensors:
        parts = (tensor.module or "").split(".")[:depth]
        for level in range(1, len(parts) + 1):
            groups.setdefault(".".join(parts[:level]), [])
        groups[".".join(parts)].append(tensor)
    return {name: groups[name] for name in _in_tree(list(groups)) if groups[name]}


def _in_tree(names: Sequence[str]) -> list[str]:
    """Return paths with what is below each of them right after it, in the order of their first appearance."""
    ranks = {name: rank for rank, name in enumerate(names)}

    def place(name: str) -> list[int]:
        parts = name.split(".")
        return [ranks[".".join(parts[:level])] for level in range(1, len(parts) + 1)]

    return sorted(names, key=place)


def _on_a_page(groups: Groups) -> Groups:
    """Return the groups with the last ones in one, where there are too many."""
    if len(groups) <= MOST_ROWS:
        return groups
    names = list(groups)
    first, rest = names[: MOST_ROWS - 1], names[MOST_ROWS - 1 :]
    others = [tensor for name in rest for tensor in groups[name]]
    return {**{name: groups[name] for name in first}, f"{len(rest):,} more": others}


def _row(name: str, tensors: Sequence[TensorReport], witnesses: Sequence[str]) -> tuple[Lines | Verdict, ...]:
    judged = [tensor.verdict for tensor in tensors if tensor.requires_grad]
    symbolic = [tensor.symbolic.max_abs_error for tensor in tensors if tensor.symbolic is not None]
    return (
        (clip(name, LONGEST),),
        (f"{len(tensors):,}",),
        worst(judged) if judged else ("constant",),
        (_largest(symbolic),),
        *_errors(tensors, witnesses),
    )


def _errors(tensors: Sequence[TensorReport], witnesses: Sequence[str]) -> tuple[Lines, ...]:
    """Return the largest error that each witness finds."""
    return tuple((_largest([_error(tensor, witness) for tensor in tensors]),) for witness in witnesses)


def _error(tensor: TensorReport, witness: str) -> float | None:
    found = (tensor.witnesses or {}).get(witness)
    return None if found is None else found.max_abs_error


def _largest(errors: Sequence[float | None]) -> str:
    known = [error for error in errors if error is not None]
    return "" if not known else f"{max(known):.1e}" if max(known) else "0"
