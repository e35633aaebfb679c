"""The point that `check` looks at: drawn inside the domain of each op and away from kinks, unless it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.forward.domains import leaves_for, with_imaginary_parts
from gradcli.execution.forward.dtypes import DTYPES
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import Trace
from gradcli.execution.forward.value_files import read_values
from gradcli.language.program import Program
from gradcli.ops.table import find
from gradcli.settings import Settings

# A point at which some value is not finite is drawn again: this often as it comes, then positive, small, both, large.
# Factors are powers of two, so that the entries stay exact in every dtype.
WAYS: Sequence[tuple[int, Callable[[Tensor], Tensor]]] = (
    (8, lambda entries: entries),
    (2, torch.abs),
    (2, lambda entries: entries / 4),
    (2, lambda entries: entries.abs() / 4),
    (2, lambda entries: entries.abs() * 4),
)
# Seeds of the draws for one seed of the user's are this far apart, so that no two points share one.
STRIDE = 1 << 32


def run_at_a_point(program: Source, settings: Settings, given: Mapping[str, Any]) -> Trace:
    """Return the trace of a program at the first point drawn at which every value is finite; else at the first one.

    Raises what the program raises there. Values that are given stay as they are; `--init` draws by its own rule.
    """
    if not isinstance(program, Program):
        return program.drawn(settings, given)
    valued = {**read_values(settings.values_file), **settings.values, **given}
    if settings.init is not None or all(leaf.name in valued for leaf in program.leaves):
        return run_program(program, settings, given)
    first: Trace | ExecutionError | None = None
    for point in _points(program, settings):
        drawn = {name: tensor for name, tensor in point.items() if name not in valued}
        found = _attempt(program, settings, {**given, **drawn})
        if isinstance(found, Trace) and is_finite(found):
            return found
        first = found if first is None else first
    if isinstance(first, Trace):
        return first
    assert first is not None  # noqa: S101 (there is a first attempt)
    raise first


def _points(program: Program, settings: Settings) -> Iterator[dict[str, Tensor]]:
    """Yield points, in the order in which they are tried."""
    shapes = {leaf.name: settings.shapes.get(leaf.name, settings.shapes.get(None, ())) for leaf in program.leaves}
    ways = [way for count, way in WAYS for _ in range(count)]
    is_complex = DTYPES[settings.dtype].is_complex
    for attempt, way in enumerate(ways):
        seed = settings.seed + STRIDE * attempt
        point = {name: way(tensor) for name, tensor in leaves_for(program, shapes, find, seed).items()}
        yield with_imaginary_parts(point, program, find, seed) if is_complex else point


def _attempt(program: Program, settings: Settings, given: Mapping[str, Any]) -> Trace | ExecutionError:
    try:
        return run_program(program, settings, given)
    except ExecutionError as error:
        return error


def is_finite(trace: Trace) -> bool:
    """Return whether every value of a program is finite."""
    return all(all_finite(traced.tensor) for call in trace.calls for traced in call.outputs)
