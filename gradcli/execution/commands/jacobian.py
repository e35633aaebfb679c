"""`jacobian`: every entry of the output by every entry of the leaves, through `torch.func` and by the definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.autograd import functional
from gradcli.execution.comparison.derivatives import Expected
from gradcli.execution.comparison.leaf_derivatives import (
    blaming,
    infinite_of,
    leaf_report,
    noise_of,
    undefined_of,
    wanted_leaves,
    weighed,
)
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.jacobian import Rows
from gradcli.execution.run import Run, report, start
from gradcli.execution.witnesses.rows import jacobian_where_it_bends
from gradcli.report.derivative import Derivative
from gradcli.report.jacobian import JacobianDetails
from gradcli.report.report import Report
from gradcli.settings import Settings


def jacobian(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of `jacobian`."""
    run = start(program, replace(settings, grad_output="ones"), given, derivations)
    leaves = wanted_leaves(run)
    output = run.output.tensor
    for leaf in leaves:
        what = f"the Jacobian of '{run.names[run.output]}' by '{run.names[leaf]}'"
        functional.check_size(what, output.numel(), leaf.tensor.numel(), run.trace, settings.limits)
    found, method = functional.jacobians(run.trace, leaves)
    expected = _expected_rows(run, leaves)
    weighted = blaming(run, {leaf: _judged(run, leaf, found[leaf], expected.get(leaf)) for leaf in leaves}, twice=False)
    tensors = [replace(leaf_report(run, leaf, weighted[leaf]), jacobian=found[leaf]) for leaf in leaves]
    return report(run, tensors, JacobianDetails(method))


def _judged(run: Run, leaf: TracedTensor, found: Tensor, expected: Expected | None) -> Derivative:
    derivative = weighed(run, found, expected)
    if expected is None:
        return derivative
    return jacobian_where_it_bends(run, leaf, derivative, expected)


def _expected_rows(run: Run, leaves: Sequence[TracedTensor]) -> dict[TracedTensor, Expected]:
    if run.decomposition is None:
        return {}
    derived = run.derivations.known
    rows, undefined = Rows.of(run.decomposition, leaves, derived), undefined_of(run)
    infinite = infinite_of(run, undefined)
    noise = noise_of(run, rows.values, lambda other: Rows.of(other, leaves, derived).values, scale=lambda: 1.0)
    return {
        leaf: Expected(
            value=rows.values.get(leaf),
            reason=rows.undecided.get(leaf),
            kinked=rows.kinked.get(leaf),
            undefined=undefined.notes.get(leaf, ()),
            jumps=leaf in undefined.jumping,
            noise=partial(noise, leaf),
            infinite=partial(infinite, leaf),
        )
        for leaf in leaves
    }
