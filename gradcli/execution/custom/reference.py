"""One input's gradient beside every reference: autograd's of the reference, the symbolic one, finite differences."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.comparison.causes import Clues
from gradcli.execution.comparison.compare import compare
from gradcli.execution.comparison.gradients import GradientComparison
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.custom.limits import with_limits
from gradcli.execution.custom.rounding import rounding_error
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.recording import Recording
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.execution.reference.pullback import differentiate
from gradcli.execution.targets.function.trial import Gradients, NoReferenceError, Trial, pulled_back
from gradcli.report.comparison import Comparison
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

SUBJECT = "the gradient"
WHO = "backward"
# How far the definitions may be from what forward computes, relative to the largest entry.
SAME = 1e-9

# How far rounding may move a gradient that cancels, relative to that for a random upstream gradient.
ROUNDING = 1e-13


@dataclass(frozen=True, slots=True)
class Side:
    """The reference at the trial's point for one upstream gradient; `comparisons` is None where `gap` says why."""

    recording: Recording
    cotangent: Tensor
    right: Mapping[str, Tensor]
    decomposition: Decomposition | None
    comparisons: GradientComparison | None
    gap: str | None
    derivations: Derivations
    limits: frozenset[str] = frozenset()
    """The inputs by which the chain rule makes NaN of a derivative that there is."""

    def leaf(self, name: str) -> TracedTensor:
        """Return an input in the trace."""
        return next(leaf for leaf in self.recording.trace.leaves if leaf.name == name)

    def symbolic(self, name: str) -> Tensor | None:
        """Return the symbolic gradient of an input, or None."""
        return None if self.comparisons is None else self.comparisons.reference.values.get(self.leaf(name))


@dataclass(frozen=True, slots=True)
class Compared:
    """What two references say of one gradient: `gradient` is backward's own, zeros for None."""

    name: str
    gradient: Tensor
    autograd: Comparison
    symbolic: Comparison | None


def side(trial: Trial, cotangent: Tensor) -> Side:
    """Run the reference, and derive its gradients both ways."""
    recording = trial.reference(trial.point, trial.places)
    if recording.left is not None:
        return Side(recording, cotangent, {}, None, None, str(NoReferenceError(recording.left)), trial.derivations)
    try:
        found = pulled_back(recording, cotangent)
        right = with_limits(recording, cotangent, found)
    except NoReferenceError as error:
        return Side(recording, cotangent, {}, None, None, str(error), trial.derivations)
    if not trial.settings.verify:
        return Side(recording, cotangent, right, None, None, None, trial.derivations)
    gap = recording.gap and f"{recording.gap}; `--reference PROGRAM` gives one"
    decomposition = None if gap else decompose(recording.trace)
    gap = gap or (_strays(decomposition, recording, trial.tolerance) if decomposition else None)
    if decomposition is None or gap is not None:
        return Side(recording, cotangent, right, None, None, gap, trial.derivations)
    trial.derivations.request(decomposition.requests())
    reference = differentiate(decomposition, cotangent.reshape(recording.output.shape), trial.derivations.known)
    known = {leaf.text: value for leaf in recording.trace.leaves if (value := reference.values.get(leaf)) is not None}
    known = with_limits(recording, cotangent, known)
    own = {leaf: known[leaf.text] for leaf in recording.trace.leaves if leaf.text in known}
    reference = dataclasses.replace(reference, values={**reference.values, **own})
    point = Point(decomposition, reference, cotangent, trial.derivations)
    comparisons = GradientComparison.of(point, {}, trial.tolerance)
    limits = frozenset(name for name in right if bool((found[name].isnan() & ~right[name].isnan()).any()))
    return Side(recording, cotangent, right, decomposition, comparisons, None, trial.derivations, limits)


def _strays(decomposition: Decomposition, recording: Recording, tolerance: Tolerance) -> str | None:
    """Return in words that the definitions do not give what forward gives: then they say nothing about it."""
    found, wanted = decomposition.nodes[recording.trace.output].tensor, double(recording.output)
    if found.shape != wanted.shape:
        return "the definitions of its ops do not reproduce forward's shape"
    finite = wanted[wanted.isfinite()].abs()
    largest = float(finite.max()) if finite.numel() else 0.0
    allowed = tolerance.least(largest) if tolerance.normwise else max(SAME, tolerance.relative) * largest
    near = (found - wanted).abs() <= allowed
    return None if bool((near | ~wanted.isfinite()).all()) else "the definitions of its ops do not reproduce forward"


def noise_of(trial: Trial, scale: float, tolerance: Tolerance | None = None) -> float:
    """Return how far rounding may move a gradient that cancels, where others of that input are of a size."""
    tolerance = tolerance or trial.tolerance
    return scale * (tolerance.relative if tolerance.normwise else ROUNDING)


def compared(trial: Trial, gradients: Gradients, side: Side) -> dict[str, Compared]:
    """Return how each input's gradient compares with the references."""
    found = {}
    for name in trial.wanted:
        given = gradients.get(name)
        gradient = torch.zeros_like(trial.point[name]) if given is None else given.detach()
        if name in side.right:
            found[name] = _one(trial, name, gradient, side)
        else:
            found[name] = Compared(name, gradient, Comparison.undecided(side.gap), None)
    return found


def _one(trial: Trial, name: str, gradient: Tensor, side: Side) -> Compared:
    own, right = double(gradient), double(side.right[name])
    noise = noise_of(trial, trial.scale(name))
    autograd = compare(own, right, trial.tolerance, noise, Clues(WHO, SUBJECT))
    if autograd.verdict is Verdict.MISMATCH and trial.tolerance.normwise:
        noise += rounding_error(lambda point: trial.right(side.cotangent, point), trial.point)[name]
        autograd = compare(own, right, trial.tolerance, noise, Clues(WHO, SUBJECT))
    if side.comparisons is None:
        return Compared(name, gradient, autograd, None)
    symbolic = _symbolic(side.comparisons, side.leaf(name), gradient, trial.tolerance)
    if autograd.verdict is Verdict.MISMATCH and symbolic.verdict is Verdict.MATCH:
        # PyTorch's gradient of the reference is the one that is off.
        autograd = dataclasses.replace(autograd, verdict=Verdict.MATCH, notes=symbolic.notes)
    return Compared(name, gradient, autograd, symbolic)


def _symbolic(
    comparisons: GradientComparison, leaf: TracedTensor, gradient: Tensor, tolerance: Tolerance
) -> Comparison:
    reference = comparisons.reference
    if leaf in reference.undecided:
        return Comparison.undecided(reference.undecided[leaf])
    if leaf not in reference.values:
        return Comparison.undecided(f"'{leaf.name}' has no symbolic derivative")
    return comparisons.compare(leaf, double(gradient), tolerance, Clues(WHO, SUBJECT))
