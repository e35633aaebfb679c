"""A program run at random values of its leaves; those that PyTorch takes only as labels or as masks are such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gradcli.execution.formulas.draws import Draw, assumed, identity, labels
from gradcli.execution.formulas.own_values import valued
from gradcli.execution.forward.domains import leaves_for
from gradcli.execution.forward.refused_calls import LabelError
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.trace import Trace
from gradcli.language.program import Program
from gradcli.ops.table import find
from gradcli.settings import Settings


def traced_at(program: Program, settings: Settings, given: Mapping[str, Any], seed: int, draw: Draw) -> Trace:
    """Return the trace of a program at a random point, `draw` of what is drawn."""
    drawn, whole = _drawn(program, settings, given, seed, identity), dict[str, Tensor]()
    while True:
        try:
            trace = run_program(program, settings, {**drawn, **whole, **given})
        except LabelError as error:
            if error.leaf not in drawn or error.leaf in whole or error.leaf in (settings.wrt or ()):
                raise
            whole[error.leaf] = labels(error.below, drawn[error.leaf].shape, seed + len(whole))
        else:
            break
    if draw is identity:  # which no number of a leaf is whole by: others may be, and would be taken for indices
        return trace
    return run_program(program, settings, {**_drawn(program, settings, given, seed, draw), **whole, **given})


def _drawn(program: Program, settings: Settings, given: Mapping[str, Any], seed: int, draw: Draw) -> dict[str, Tensor]:
    if settings.init is not None:
        return {}
    known = valued(program, settings, given)
    default = settings.shapes.get(None, ())
    names = [leaf.name for leaf in program.leaves]
    shapes = {name: tuple(settings.shapes.get(name, default)) for name in names if name not in known}
    drawn = leaves_for(program, shapes, find, seed)
    return {name: assumed(name, draw(value), settings) for name, value in drawn.items() if name not in known}
