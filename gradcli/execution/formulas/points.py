"""Random points for a derivation: the program run at them, for the shapes that are given and for larger ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, GradcliError
from gradcli.execution.autograd import backward, errors
from gradcli.execution.code.program import CodeProgram
from gradcli.execution.formulas.code_points import code_point, replayed
from gradcli.execution.formulas.conditioned import is_settled, keep_digits, may_be_singular, nudged
from gradcli.execution.formulas.drawn_leaves import traced_at
from gradcli.execution.formulas.draws import DRAWS, Draw, assumed, identity
from gradcli.execution.formulas.named_values import without_values_of
from gradcli.execution.formulas.own_values import free, valued
from gradcli.execution.formulas.paths import drawn_numbers, path_of
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.run import display_names, run_program
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.language.program import Program
from gradcli.settings import Settings, Shape

# A point is drawn again, so often, where a gradient is not finite.
ATTEMPTS = 8
# From the seed of a point to that of its tangents.
TANGENTS = 7919


@dataclass(frozen=True, slots=True)
class Point:
    """A program run forward at one point."""

    program: Source
    settings: Settings
    trace: Trace
    output: TracedTensor
    cotangent: Tensor
    """The upstream gradient: a random one, where none is given and the output is not a scalar."""
    wanted: tuple[TracedTensor, ...]
    """What the output is differentiated by."""
    is_explicit: bool = False
    """Whether the upstream gradient is an argument even where the output is a scalar."""
    own: Mapping[TracedTensor, Tensor] = field(default_factory=dict)
    """Of code, what autograd says of the code itself, with this upstream gradient."""

    @property
    def has_upstream(self) -> bool:
        """Return whether the upstream gradient is an argument of the gradient: a random one is any."""
        given = self.settings.grad_output
        is_implicit = backward.is_implicit(self.output.tensor) and not self.is_explicit
        return not is_implicit if given is None else isinstance(given, str) and given == "random"

    def explicit(self) -> Point:
        """Return the point with an upstream gradient that is an argument, and random."""
        cotangent = backward.cotangent_of(self.output, "random", seed=self.settings.seed)
        return replace(self, cotangent=cotangent, is_explicit=True, own={})

    def tangents(self) -> dict[TracedTensor, Tensor]:
        """Return a random direction for each tensor that the output is differentiated by."""
        generator = torch.Generator().manual_seed(self.settings.seed + TANGENTS)
        shapes = {traced: traced.tensor.shape for traced in self.wanted}
        return {one: torch.randn(shape, generator=generator, dtype=torch.float64) for one, shape in shapes.items()}

    @property
    def is_complex(self) -> bool:
        """Return whether a leaf or the output is complex."""
        return any(traced.tensor.is_complex() for traced in (*self.trace.leaves, self.output))

    @property
    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of the leaves."""
        return {leaf.name or leaf.text: tuple(leaf.tensor.shape) for leaf in self.trace.leaves}

    def gradients(self) -> dict[TracedTensor, Tensor]:
        """Return what autograd says; 0 where the output does not depend on a tensor."""
        found = backward.gradients(self.output, self.wanted, self.cotangent, create_graph=False, retain_graph=True)
        return {traced: torch.zeros_like(traced.tensor) if g is None else g.detach() for traced, g in found.items()}


def point(program: Source, settings: Settings, given: Mapping[str, Any], seed: int, draw: Draw = identity) -> Point:
    """Return a program run at a random point, `draw` of what is drawn; leaves that are given values keep them.

    Raises GradcliError if the program cannot be run, or nothing be differentiated.
    """
    if isinstance(program, CodeProgram):
        return _point_of_code(program, settings, given, seed, draw)
    assert isinstance(program, Program)  # noqa: S101 (there are two kinds)
    trace = traced_at(program, settings, given, seed, draw)
    output = backward.check_differentiable(program, trace)
    cotangent = _cotangent(output, settings, seed)
    return Point(program, settings, trace, output, cotangent, _wanted(program, settings, trace))


def _cotangent(output: TracedTensor, settings: Settings, seed: int) -> Tensor:
    vector = settings.grad_output
    if vector is None and not backward.is_implicit(output.tensor):
        vector = "random"
    return backward.cotangent_of(output, vector, seed=seed)


def _point_of_code(program: CodeProgram, settings: Settings, given: Mapping[str, Any], seed: int, draw: Draw) -> Point:
    """Return code run at a random point; what its author has given numbers has others nearby but at the first."""
    found = code_point(
        program,
        replace(settings, seed=seed),
        given,
        cotangent=lambda output: _cotangent(output, settings, seed),
        moves=seed != settings.seed,
        assumed=lambda name, value: assumed(name, draw(value), settings),
    )
    trace, output = found.trace, found.trace.output
    known: dict[str, Any] = {
        part: tuple(found.names.get(name, name) for name in getattr(settings, part) or ())
        for part in ("wrt", "symmetric", "positive", "orthogonal")
    }
    settings = replace(settings, **{part: names for part, names in known.items() if names})
    wanted = _wanted(program, settings, trace)
    return Point(program, settings, trace, output, _cotangent(output, settings, seed), wanted, own=found.gradients)


def in_single_precision(here: Point) -> Point:
    """Return the program run at a point's own values in single precision."""
    leaves = {leaf.name: leaf.tensor.detach() for leaf in here.trace.leaves if leaf.name is not None}
    known = {*leaves} if isinstance(here.program, CodeProgram) else {*free(here.program)}
    values = {name: one.float() if one.is_floating_point() else one for name, one in leaves.items() if name in known}
    single = replace(here, settings=replace(here.settings, dtype="float32"), cotangent=here.cotangent.float())
    return moved_to(single, values)


def moved_to(here: Point, values: Mapping[str, Any]) -> Point:
    """Return the program run at other values of leaves of the same shapes; of code, the same calls."""
    if not isinstance(here.program, Program):
        return _replayed(here, values)
    trace = run_program(here.program, here.settings, values)
    if drawn_numbers(trace) != drawn_numbers(here.trace):
        return _replayed(here, values)
    wanted = _wanted(here.program, here.settings, trace)
    output = backward.check_differentiable(here.program, trace)
    return replace(here, trace=trace, output=output, wanted=wanted)


def _replayed(here: Point, values: Mapping[str, Any]) -> Point:
    names = {leaf: leaf.name or leaf.text for leaf in here.trace.leaves}
    numbers = {leaf: values.get(name, leaf.tensor.detach()) for leaf, name in names.items()}
    trace, made = replayed(here.trace, names, numbers)
    return replace(here, trace=trace, output=trace.output, wanted=tuple(made[one] for one in here.wanted), own={})


def finite_point(program: Source, settings: Settings, given: Mapping[str, Any], seed: int) -> Point | None:
    """Return a point at which autograd's gradients are finite, and not of a singular matrix; None if none was found.

    It is one at which they are more than rounding in single precision, if one of the draws leads there.
    """
    found = None
    for draw in DRAWS:
        there = _finite_point(program, settings, given, seed, draw)
        if there is not None and has_digits(there):
            return there
        found = found or there
    return found


def _finite_point(program: Source, settings: Settings, given: Mapping[str, Any], seed: int, draw: Draw) -> Point | None:
    for attempt in range(ATTEMPTS):
        found = point(program, settings, given, seed + 1000 * attempt, draw)
        if is_finite(found):
            return found
    return None


def is_finite(here: Point) -> bool:
    """Tell whether the output and autograd's gradients are finite at a point, and not of a singular matrix."""
    several = (here.output.tensor, *here.gradients().values())
    return all(bool(value.isfinite().all()) for value in several) and not is_singular(here)


def has_digits(here: Point) -> bool:
    """Tell whether gradients are more than rounding in single precision: where entries cancel, they may not be."""
    if here.is_complex:
        return True
    try:
        single = in_single_precision(here).gradients().values()
    except (GradcliError, *REFUSALS):  # PyTorch has no such kernel, or refuses the values
        return True
    return keep_digits([*here.gradients().values()], [*single])


def is_singular(here: Point) -> bool:
    """Tell whether the last digits of a point's values decide on its gradients: a matrix is singular, or nearly so."""
    if not may_be_singular(here.trace):
        return False
    moving = {leaf.tensor for leaf in here.wanted}
    values = {
        leaf.name or leaf.text: nudged(value, here.settings.seed) if leaf.tensor in moving else value
        for leaf in here.trace.leaves
        for value in (leaf.tensor.detach(),)
    }
    try:
        others = moved_to(here, values).gradients().values()
    except (GradcliError, *REFUSALS):
        return True
    return not is_settled([*here.gradients().values()], [*others])


def another_point(here: Point, given: Mapping[str, Any], seed: int) -> Point | None:
    """Return another random point of the same shapes at which the program takes the same path; None if none is met.

    Random numbers that depend on the leaves' values, such as `rrelu`'s slopes, are those of the first point.
    """
    for attempt in range(ATTEMPTS):
        found = finite_point(here.program, here.settings, given, seed + attempt)
        if found is not None and path_of(found.trace) == path_of(here.trace):
            return found if drawn_numbers(found.trace) == drawn_numbers(here.trace) else _held(found, here)
    return None


def _held(found: Point, here: Point) -> Point:
    """Return a point at which the program draws what it draws at another."""
    values = {leaf.name or leaf.text: leaf.tensor.detach() for leaf in found.trace.leaves}
    return replace(_replayed(here, values), settings=found.settings, cotangent=found.cotangent)


def enlarged(here: Point, given: Mapping[str, Any], seed: int) -> Point | None:
    """Return a point for which lengths are one more: all of them that can be, or the first that alone can be.

    Those of leaves with values stay, and those of 1, which broadcast. None if the program runs for no other lengths: it
    names its sizes itself.
    """
    lengths = variable(here, given)
    for chosen in dict.fromkeys([lengths, *((length,) for length in lengths)]):
        found = _with_more(here, chosen, given, seed) if chosen else None
        if found is not None:
            return found
    return None


def variable(here: Point, given: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the lengths that may be changed, the same in all leaves."""
    own = {*free(here.program)} - valued(here.program, here.settings, given)
    kept = {size for name, shape in here.shapes.items() if name not in own for size in shape}
    lengths = (size for name in here.shapes if name in own for size in here.shapes[name])
    return tuple(dict.fromkeys(size for size in lengths if size > 1 and size not in kept))


def _with_more(here: Point, lengths: Collection[int], given: Mapping[str, Any], seed: int) -> Point | None:
    return with_lengths(here, {length: length + 1 for length in lengths}, given, seed)


def with_lengths(here: Point, lengths: Mapping[int, int], given: Mapping[str, Any], seed: int) -> Point | None:
    """Return a point at which lengths are others, the same in all leaves; None if the program does not run for them."""
    shapes: dict[str | None, Shape] = {
        name: tuple(lengths.get(size, size) for size in here.shapes[name])
        for name in free(here.program)
        if name in here.shapes
    }
    sizes = {name: lengths.get(size, size) for name, size in here.settings.sizes.items()}
    settings, given = without_values_of(here.settings, given)
    try:
        return finite_point(here.program, replace(settings, shapes=shapes, sizes=sizes), given, seed)
    except GradcliError:
        return None


def _wanted(program: Source, settings: Settings, trace: Trace) -> tuple[TracedTensor, ...]:
    if settings.wrt is None:
        found = tuple(leaf for leaf in trace.leaves if leaf.tensor.requires_grad)
        if not found:
            raise ExecutionError("no leaf requires a gradient")
        return found
    known = {"".join(name.split()): traced for traced, name in display_names(trace).items()}
    wanted = []
    for name in settings.wrt:
        traced = known.get("".join(name.split()))
        if traced is None:
            raise errors.unknown(name, known, "--wrt")
        if not traced.tensor.requires_grad:
            raise errors.not_required(program, trace, traced, "--wrt")
        wanted.append(traced)
    return tuple(wanted)
