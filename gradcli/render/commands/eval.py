"""What only `eval` reports: the hooks in the order in which they fired."""

from __future__ import annotations

from gradcli.escaping import clip
from gradcli.render.grid import Grid, Lines, left_out
from gradcli.render.numbers import optional_lines
from gradcli.render.presentation import Presentation
from gradcli.report.eval import EvalDetails, HookCall

MOST_CALLS = 60
LONGEST = 32


def grids(details: EvalDetails) -> tuple[Grid, ...]:
    """Return one grid with a row for each hook; none without `--hooks`."""
    fired = details.hooks
    if fired is None:
        return ()
    rows = tuple(_row(number, call) for number, call in enumerate(fired[:MOST_CALLS], 1))
    words = "A node's pre-hook is given the gradient of its result, its hook those of its operands."
    below = (words, *left_out(len(fired) - MOST_CALLS))
    return (Grid("Hooks, in the order in which they fire", ("", "hook", "of", "given"), rows, below),)


def _row(number: int, call: HookCall) -> tuple[Lines, Lines, Lines, Lines]:
    given = tuple(line for gradient in call.gradients for line in optional_lines(gradient))
    return (str(number),), (call.hook,), (clip(call.of, LONGEST),), given


WHY = ".grad is None for all but leaves; `--retain-grad {name}` keeps that of {name}."

PRESENTATION = Presentation(grids, why_no_grad=WHY)
