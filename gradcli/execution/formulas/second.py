"""Second derivatives of a run as formulas, each shown only if it says at the run's point what autograd says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import NotSupportedError
from gradcli.execution.formulas.closed import Form, Target, closed_forms, targets
from gradcli.execution.formulas.executed import executed
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.request import SECONDS, is_small
from gradcli.execution.formulas.verified import arguments, code_at, difference, fitted, trusted
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.language.program import Program
from gradcli.settings import Settings
from gradcli.tolerance import Tolerance

Pair = tuple[TracedTensor, TracedTensor]


class Ran(Protocol):
    """A program that has run forward."""

    @property
    def program(self) -> Source: ...  # noqa: D102
    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def trace(self) -> Trace: ...  # noqa: D102
    @property
    def output(self) -> TracedTensor: ...  # noqa: D102
    @property
    def cotangent(self) -> Tensor: ...  # noqa: D102
    @property
    def decomposition(self) -> Decomposition | None: ...  # noqa: D102
    @property
    def derivations(self) -> Derivations: ...  # noqa: D102
    @property
    def tolerance(self) -> Tolerance: ...  # noqa: D102


def hessian_formulas(run: Ran, leaves: Sequence[TracedTensor], blocks: Mapping[Pair, Tensor]) -> dict[Pair, str]:
    """Return the formulas of the blocks of a Hessian; the one of (y, x) stands for that of (x, y) too."""
    point = _point(run, leaves)
    wanted = () if point is None else targets(point, 2)
    found = _checked(run, point, wanted, {target: blocks.get((target.by[0], target.by[1])) for target in wanted})
    return {(target.by[0], target.by[1]): form for target, form in found.items()}


def summed_formulas(run: Ran, values: Mapping[TracedTensor, Tensor]) -> dict[TracedTensor, str]:
    """Return the formulas of the derivatives of the sum of each leaf's gradient by that leaf."""
    found: dict[TracedTensor, str] = {}
    for leaf, value in values.items():
        point = _point(run, [leaf])
        wanted = () if point is None else targets(point, 2, "hvp")
        texts = _checked(run, point, wanted, dict.fromkeys(wanted, value))
        found |= dict.fromkeys([leaf], *texts.values()) if texts else {}
    return found


def _point(run: Ran, leaves: Sequence[TracedTensor]) -> Point | None:
    """Return the point of a run; None for one that has no formulas: of code, of complex numbers, too large."""
    of_text = isinstance(run.program, Program) and run.decomposition is not None and bool(leaves)
    if not of_text or run.decomposition is None or run.decomposition.is_complex or not is_small(run.decomposition):
        return None
    if any(group.call.inner is not None for group in run.decomposition.calls):
        return None
    given = run.settings.grad_output
    settings = replace(run.settings, grad_output="ones" if given is None else given)
    assert isinstance(run.program, Program)  # noqa: S101 (see above)
    return Point(run.program, settings, run.trace, run.output, run.cotangent, tuple(leaves))


def _checked(
    run: Ran, point: Point | None, wanted: Sequence[Target], values: Mapping[Target, Tensor | None]
) -> dict[Target, str]:
    if point is None or not wanted:
        return {}
    forms = closed_forms(point, wanted, run.derivations, seconds=SECONDS, units=wanted[0].is_moving)
    found = trusted(point, forms)
    return {target: form.text for target, form in found.items() if _is_right(run, point, target, form, values[target])}


def _is_right(run: Ran, point: Point, target: Target, form: Form, value: Tensor | None) -> bool:
    if value is None:
        return False
    moving = target.is_moving
    try:
        code = code_at(point, "torch", [fitted(point, target, form.code)], moving=moving)
        (own,) = executed(code, "torch", arguments(point, moving=moving))
    except (NotSupportedError, *REFUSALS):
        return False
    return difference(own.to(value.dtype), value.detach()) <= run.tolerance.relative
