"""Derivatives by leaves, of an output or of a gradient: by which leaves, what is expected of each, what is reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TypeVar

import torch
from torch import Tensor

from gradcli.errors import InputError
from gradcli.execution.autograd import backward
from gradcli.execution.comparison.blame import blamed_of
from gradcli.execution.comparison.derivatives import Doubts, Expected, compare_derivative
from gradcli.execution.comparison.nonfinite import resting_on_jumps, resting_on_nonfinite
from gradcli.execution.comparison.not_a_number import resting_on_nonfinite_output
from gradcli.execution.comparison.overflow import Overflow, resting_on_overflow
from gradcli.execution.comparison.own_values import OwnValues
from gradcli.execution.comparison.reports import report_on, symbolic_side
from gradcli.execution.comparison.rounding import Lower, Noise, scattered, scattered_by
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.followed import Followed, Ran, actual, is_given, module_of
from gradcli.execution.forward.run import trace_of
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.execution.reference.inner_gradient import differentiating
from gradcli.execution.reference.pullback import differentiate
from gradcli.execution.run import Run
from gradcli.report.derivative import Derivative
from gradcli.report.double_backward import Second
from gradcli.report.notes import Notes
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict

Key = TypeVar("Key")
Judged = TypeVar("Judged", bound="Derivative | Second")


@dataclass(frozen=True, slots=True)
class Undefined:
    """What makes a point one without a derivative, by the tensors that it is so for."""

    notes: Mapping[TracedTensor, Notes]
    jumping: frozenset[TracedTensor]
    """Those of them for which it is no more than a jump of one op: the program may have none."""
    gradients: Mapping[TracedTensor, Tensor | None]
    """Autograd's gradients by all tensors, which were looked at for it."""


def wanted_leaves(run: Run) -> list[TracedTensor]:
    """Return the leaves that `--wrt` names, or all that require grad; InputError for a tensor that is not a leaf."""
    leaves = [leaf for leaf in run.trace.leaves if leaf.tensor.requires_grad]
    if run.settings.wrt is None:
        return leaves
    for traced in run.named(run.settings.wrt, "--wrt"):
        if not traced.is_leaf:
            name = run.names[traced]
            message = f"--wrt: '{name}' is a non-leaf, and torch.func differentiates by a function's inputs: the leaves"
            raise InputError(message, hint=f"the leaves are {', '.join(run.names[leaf] for leaf in leaves)}")
    return run.named(run.settings.wrt, "--wrt")


def undefined_of(run: Run) -> Undefined:
    """Return the tensors whose gradients rest on a value that is not finite, or jumps, and what made it."""
    tensors = [traced for traced in dict.fromkeys(run.trace.tensors) if traced.tensor.requires_grad]
    found = backward.gradients(run.output, tensors, run.cotangent, create_graph=False)
    made = resting_on_nonfinite_output(run.trace, run.cotangent) | resting_on_nonfinite(run.trace, found)
    jumps = resting_on_jumps(run.trace, found)
    return Undefined(jumps | made, frozenset(jumps.keys() - made.keys()), found)


def infinite_of(run: Run, undefined: Undefined) -> Callable[[TracedTensor], Overflow | None]:
    """Return what the infinite derivatives by a tensor are in truth, if they are none; found when first asked for."""

    @cache
    def found() -> Mapping[TracedTensor, Overflow]:
        return resting_on_overflow(run.trace, undefined.gradients, run.derivations)

    return lambda traced: found().get(traced)


def noise_of(
    run: Run,
    known: Mapping[Key, Tensor],
    again: Callable[[Decomposition], Mapping[Key, Tensor]],
    scale: Callable[[], float],
) -> Callable[[Key], Doubts]:
    """Return what rounding leaves open about several derivatives; measured when the first is asked for.

    `scale` gives the size of the largest contribution to them. Each algorithm has its own rounding of the order of
    that, which counts where contributions cancel to nothing: in a definition they may do so exactly.
    """
    tolerance, dtype = run.settings.tolerance, run.output.tensor.dtype
    lower = Lower(dtype, tolerance.relative) if tolerance.normwise else None
    own = OwnValues(run.trace, run.derivations, again, tolerance, lower, scale)

    @cache
    def measured() -> tuple[Noise[Key], float]:
        size = scale()
        if lower is not None:
            found = scattered_by(lower, run.trace, run.derivations, known, again, scale=size)
            return found, torch.finfo(dtype).eps * size
        return scattered(run.trace, run.derivations, known, again, scale=size), tolerance.absolute * size

    def doubts(key: Key) -> Doubts:
        noise, least = measured()
        rounding_error = noise.rounding_error(key).clamp_min(least)
        moved = noise.condition_error(key, normwise=tolerance.normwise)
        return Doubts(rounding_error, torch.maximum(moved, rounding_error), partial(own.admit, key))

    return doubts


def moved_output(run: Run, shifts: Mapping[TracedTensor, Tensor], place: int) -> Callable[[float], float]:
    """Return one entry of the output as a function of how far the leaves go along `shifts`."""

    def at(shift: float) -> float:
        decomposition = decompose(run.trace, moved=_moved(shifts, shift), inner=differentiating(run.derivations))
        return float(decomposition.nodes[run.output].tensor.reshape(-1)[place])

    return at


def moved_gradient(
    run: Run, leaf: TracedTensor, by: TracedTensor, entry: int, measure: Callable[[Tensor], Tensor]
) -> tuple[Callable[[float], float], float]:
    """Return a number made of a leaf's symbolic gradient, as a function of one entry of a leaf, and its scale."""
    direction = torch.zeros_like(double(by.tensor))
    direction.view(-1)[entry] = 1.0

    def at(shift: float) -> float:
        decomposition = decompose(
            run.trace, moved=_moved({by: direction}, shift), inner=differentiating(run.derivations)
        )
        run.derivations.request(decomposition.requests())
        return float(measure(differentiate(decomposition, run.cotangent, run.derivations.known).values[leaf]))

    return at, max(1.0, float(by.tensor.detach().abs().reshape(-1)[entry]))


def _moved(shifts: Mapping[TracedTensor, Tensor], shift: float) -> dict[TracedTensor, Tensor]:
    return {leaf: double(leaf.tensor) + shift * direction for leaf, direction in shifts.items()}


def weighed(run: Run, found: Tensor, expected: Expected | None) -> Derivative:
    """Return PyTorch's derivative beside the symbolic one, judged; without a verdict if nothing is to be verified."""
    if expected is None:
        return Derivative(found, None, None)
    comparison = compare_derivative(found, expected, run.settings.tolerance)
    return Derivative(found, symbolic_side(expected.value, comparison), comparison.verdict, comparison.notes)


def run_again(run: Run) -> Trace:
    """Return a fresh run of the program on the same leaves: a graph that nothing has gone through.

    Those that require grad are in the same order; what code is not given it makes anew, or has from elsewhere.
    """
    leaves = {
        leaf.text: leaf.tensor.detach().clone().requires_grad_(leaf.tensor.requires_grad)
        for leaf in run.trace.leaves
        if is_given(leaf) and (isinstance(leaf, Followed) or not isinstance(run.trace.ran, Ran))
    }
    return trace_of(run.program, run.settings, leaves)


def leaf_in(trace: Trace, run: Run, leaf: TracedTensor) -> Tensor:
    """Return what a leaf of a run, which requires grad, is in a fresh run of the same program."""
    before, after = ([one for one in leaves if one.tensor.requires_grad] for leaves in (run.trace.leaves, trace.leaves))
    return actual(after[before.index(leaf)])


def blaming(run: Run, found: Mapping[Key, Judged], *, twice: bool) -> dict[Key, Judged]:
    """Return derivatives, or `twice` second ones; with those that are wrong, who of the code is to blame."""
    is_right = all(derivative.verdict is not Verdict.MISMATCH for derivative in found.values())
    if is_right or not isinstance(run.trace.ran, Ran):
        return dict(found)
    notes = blamed_of(run_again(run), run.cotangent, run.derivations, run.settings.tolerance, twice=twice)
    blamed = dict(found)
    for key, derivative in found.items():
        if derivative.verdict is Verdict.MISMATCH:
            blamed[key] = replace(derivative, notes=(*derivative.notes, *notes))
    return blamed


def leaf_report(run: Run, leaf: TracedTensor, derivative: Derivative | None = None) -> TensorReport:
    """Return what is known of a leaf, with the verdict on a derivative by it."""
    if derivative is None:
        return report_on(leaf.tensor, run.names[leaf], module=module_of(leaf))
    return report_on(
        leaf.tensor,
        run.names[leaf],
        symbolic=derivative.symbolic,
        verdict=derivative.verdict,
        notes=derivative.notes,
        module=module_of(leaf),
    )
