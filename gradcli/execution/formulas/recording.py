"""A program as recorded statements, forward and backward, and those for all lengths that statements have in common."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.notation.function_parts import OWN, RecordedBackward
from gradcli.errors import NotSupportedError
from gradcli.execution.formulas.closed import upstream_name
from gradcli.execution.formulas.forward_source import ForwardSource, forward_source
from gradcli.execution.formulas.lengths import Lengths, unified_lines
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.recorded_backward import recorded_backward, recorded_forward
from gradcli.execution.forward.trace import TracedTensor
from gradcli.python_trees import expression_tree

# Of a length.
ROOT = re.compile(r"(?<![\w.])sqrt\(")


def recording(
    point: Point,
    names: Mapping[TracedTensor, str],
    derivations: Derivations,
    *,
    is_careful: bool,
    folds: bool = True,
) -> tuple[RecordedBackward, ForwardSource]:
    """Return backward and forward as statements, in the names of the code; NotSupportedError if one has none."""
    mine = dict(zip(point.trace.leaves, names.values(), strict=True))
    upstream = upstream_name(point) or "g"
    backward = RecordedBackward(
        *recorded_backward(point, mine, upstream, derivations, is_careful=is_careful, folds=folds)
    )
    try:
        return backward, forward_source(point.trace, mine, {*OWN, *mine.values()})
    except NotSupportedError:
        return backward, recorded_forward(point, mine, folds=folds)


def unified_recording(
    known: Lengths, several: Sequence[tuple[RecordedBackward, ForwardSource]]
) -> tuple[RecordedBackward, ForwardSource] | None:
    """Return statements that are those at each of the lengths; None if they are not alike."""
    backwards, forwards = zip(*several, strict=True)

    def unified(texts: Sequence[str]) -> str | None:
        found = ROOT.sub("math.sqrt(", known.unified(texts) or "")
        with suppress(SyntaxError):
            return ast.unparse(expression_tree(found))
        return None

    lines = [unified_lines(unified, [one.lines for one in sides]) for sides in (backwards, forwards)]
    gradients = {name: unified([one.gradients[name] for one in backwards]) for name in backwards[0].gradients}
    result = unified([one.result for one in forwards])
    texts = {name: text for name, text in gradients.items() if text is not None}
    if lines[0] is None or lines[1] is None or result is None or len(texts) < len(gradients):
        return None
    return RecordedBackward(lines[0], texts), ForwardSource(lines[1], result)
