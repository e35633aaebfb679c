"""What only `custom` reports: the checks of a Function, and its node in the graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from gradcli.escaping import escape
from gradcli.render.commands.check import grids_of_tensors
from gradcli.render.grid import Grid
from gradcli.render.numbers import optional_lines
from gradcli.render.presentation import Presentation
from gradcli.report.custom import Check, CustomDetails, FunctionNode
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict, fails

Key = TypeVar("Key")

WRONG = {Verdict.MISMATCH, Verdict.UNDEFINED}

WORDS = {
    Verdict.MATCH: "backward is the derivative of forward, and passes every check",
    Verdict.SUBGRADIENT: "at a kink, backward's choice lies between the one-sided derivatives",
    Verdict.UNVERIFIED: "nothing was compared: this is only what backward gives",
    Verdict.MISMATCH: "backward fails",
    Verdict.UNDEFINED: "a gradient is NaN, or the derivative does not exist there",
    Verdict.UNDECIDED: "no verdict: there is something that could not be checked, so this is not a pass",
}


def grids(details: CustomDetails) -> tuple[Grid, ...]:
    """Return the grid of the checks, unless there are none, and that of the node."""
    checks = () if details.checks is None else (_checks(details.checks),)
    return (*checks, _node(details.node))


def _checks(checks: Sequence[Check]) -> Grid:
    """Return a grid with a row for each check that fails; below, those that do not, and what there is to say of any."""
    rows = tuple(((check.name,), check.verdict) for check in checks if check.verdict in WRONG)
    others = _grouped([(check.verdict, _in_words(check)) for check in checks if check.verdict not in WRONG])
    counted = tuple(f"{len(names)} {verdict}: {', '.join(names)}" for verdict, names in others.items())
    by_note = _grouped([(check.note, check.name) for check in checks if check.note])
    said = tuple(f"{', '.join(names)}: {escape(' '.join(note.split()))}" for note, names in by_note.items())
    return Grid("Checks", ("check", "verdict") if rows else (), rows, (*counted, *said))


def _in_words(check: Check) -> str:
    """Return a check's name; of one that did not look at everything, with the hint that there is more to read."""
    in_part = any(note.words.startswith("not looked at") for note in check.notes)
    return f"{check.name} (in part)" if in_part and check.verdict is Verdict.MATCH else check.name


def _grouped(pairs: Iterable[tuple[Key, str]]) -> dict[Key, list[str]]:
    groups: dict[Key, list[str]] = {}
    for key, name in pairs:
        groups.setdefault(key, []).append(name)
    return groups


def _node(node: FunctionNode) -> Grid:
    """Return a grid of the node: where its gradients go, and what a call of its backward by hand returns."""
    names = dict.fromkeys([*node.next_functions, *node.returned])
    rows = tuple(
        ((escape(name),), (escape(node.next_functions.get(name) or "None"),), optional_lines(node.returned.get(name)))
        for name in names
    )
    upstream = ", ".join(" ".join(optional_lines(tensor)) for tensor in node.grad_outputs)
    below = (f"returned is what grad_fn.apply(grad_output) gives, by hand, for grad_output = {upstream}",)
    return Grid(f"Node {escape(node.name)}", ("input", "next_functions", "returned"), rows, below)


def _judged(details: CustomDetails) -> Sequence[Check]:
    return details.checks or ()


def _words(details: CustomDetails) -> Mapping[Verdict, str]:
    if details.surrogate is None:
        return WORDS
    surrogate = escape(" ".join(details.surrogate.split()))
    return {**WORDS, Verdict.MATCH: f"backward is the derivative of the surrogate {surrogate}, and passes every check"}


def _is_of_interest(tensor: TensorReport) -> bool:
    """Tell whether a tensor's value and gradient are shown: of the output only if something is wrong with it."""
    return tensor.kind == "leaf" or fails(tensor.verdict)


PRESENTATION = Presentation(grids, grids_of_tensors, shows=_is_of_interest, words=_words, judged=_judged)
