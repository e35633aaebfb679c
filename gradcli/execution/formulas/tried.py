"""A Function's source, run: all that it does is compared with what autograd makes of the program."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import GradcliError, first_line
from gradcli.execution.formulas.closed import targets
from gradcli.execution.formulas.points import Point, moved_to
from gradcli.execution.formulas.verified import difference, expected
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.tolerance import CLOSENESS

# Of a second derivative, which is further from what it is made of.
SECOND = 100 * CLOSENESS
# What is 0 but for rounding, relative to the largest entry of all derivatives.
ROUNDING = 1e-13
# Entries beside which others stay as they are, and how far off backward may be there.
MIXED, DIGITS = (1e-8, 1e-3, 1e3), 1e-6
# Entries at which quotients are 0/0, exponentials overflow, and matrices are singular.
EXTREMES = (0.0, 30.0, -30.0, 1e3, -1e3, 1e6, -1e6)


def check_function(code: str, name: str, points: Sequence[Point], *, has_vmap: bool) -> str | None:
    """Return what is wrong with a Function at the first of the points where something is; None if nothing is."""
    space: dict[str, Any] = {"__name__": "derived"}
    has_jvp = "def jvp" in code
    with _quiet():
        try:
            exec(compile(code, "<a derived Function>", "exec"), space)  # noqa: S102 (of our own words, and leaves' names)
            problems = (_problem(space[name].apply, point, has_jvp=has_jvp, has_vmap=has_vmap) for point in points)
            problem = next((problem for problem in problems if problem), None)
            apply = space[name].apply
            return problem or _at_extremes(apply, points[0]) or _beside_extremes(apply, points[0])
        except REFUSALS as error:
            return first_line(error)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what PyTorch warns of: what it has deprecated, and where its vmap is slow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _problem(apply: Any, point: Point, *, has_jvp: bool, has_vmap: bool) -> str | None:
    leaves = _leaves(point)
    moving = [leaf for leaf in leaves if leaf.requires_grad]
    output = apply(*leaves)
    if _apart(output, point.output.tensor):
        return "forward is not the program"
    upstream = point.cotangent.detach().clone().requires_grad_()
    found = torch.autograd.grad(output, moving, upstream, create_graph=True, materialize_grads=True)
    references = expected(point, targets(point, 1))
    if any(_apart(value, reference) for value, reference in zip(found, references.values(), strict=True)):
        return "backward is not what autograd says"
    return (
        _second(point, found, [*moving, upstream])
        or (_along(apply, point) if has_jvp else None)
        or (_mapped(apply, point) if has_vmap else None)
    )


def _at_extremes(apply: Any, point: Point) -> str | None:
    """Tell of entries at which backward is not finite, or raises, where autograd's gradients are finite."""
    for size in EXTREMES:
        there = _changed(point, partial(torch.full_like, fill_value=size))
        if there is None:
            continue
        try:
            found = _pulled_back(apply, there)
        except REFUSALS as error:
            return f"at entries of {size:g} backward fails: {first_line(error)}"
        if not all(bool(one.isfinite().all()) for one in found):
            return f"at entries of {size:g} backward is not finite, and autograd's is"
    return None


def _beside_extremes(apply: Any, point: Point) -> str | None:
    """Tell of a point that has other entries beside tiny or large ones, at which backward loses most of its digits."""
    for size, first in product(MIXED, (0, 1)):
        there = _changed(point, partial(_mixed, size=size, first=first))
        if there is None:
            continue
        try:
            found = _pulled_back(apply, there)
        except REFUSALS as error:
            return f"where some entries are {size:g} backward fails: {first_line(error)}"
        references = there.gradients().values()
        if any(_apart(one, reference, DIGITS) for one, reference in zip(found, references, strict=True)):
            return f"where some entries are {size:g} backward is not what autograd says"
    return None


def _mixed(value: Tensor, size: float, first: int) -> Tensor:
    """Return a value with every other entry multiplied, so that none ties with another."""
    found = value.clone().reshape(-1)
    found[first::2] *= size
    return found.reshape(value.shape)


def _changed(point: Point, change: Callable[[Tensor], Tensor]) -> Point | None:
    """Return the program run with the leaves changed by which derivatives are wanted; None as `_at` does."""
    values = {
        leaf.name or leaf.text: change(leaf.tensor.detach()) if leaf in point.wanted else leaf.tensor.detach()
        for leaf in point.trace.leaves
    }
    return _at(point, values)


def _pulled_back(apply: Any, there: Point) -> Sequence[Tensor]:
    """Return what a Function's backward gives at a point."""
    leaves = _leaves(there)
    moving = [leaf for leaf in leaves if leaf.requires_grad]
    return torch.autograd.grad(apply(*leaves), moving, there.cotangent, materialize_grads=True)


def _at(point: Point, values: dict[str, Tensor]) -> Point | None:
    """Return the program run at other values; None where it, or its gradients, are not finite."""
    try:
        there = moved_to(point, values)
        gradients = there.gradients()
    except (GradcliError, *REFUSALS):
        return None
    several = (there.output.tensor, *gradients.values())
    return there if all(bool(one.isfinite().all()) for one in several) else None


def _leaves(point: Point) -> list[Tensor]:
    wanted = {traced.tensor for traced in point.wanted}
    return [leaf.tensor.detach().clone().requires_grad_(leaf.tensor in wanted) for leaf in point.trace.leaves]


def _apart(value: Tensor, reference: Tensor, most: float = CLOSENESS) -> bool:
    return not difference(value.detach(), reference.detach()) <= most


def _second(point: Point, found: Sequence[Tensor], by: Sequence[Tensor]) -> str | None:
    """Compare the derivatives of the gradients' product with tangents; not where PyTorch has none of its own."""
    upstream = point.cotangent.detach().clone().requires_grad_()
    program = (point.output.tensor * upstream).sum()
    tangents = [*point.tangents().values()]
    wanted = [traced.tensor for traced in point.wanted]
    second = _gradients(_products(found, tangents), by)
    try:
        gradients = torch.autograd.grad(
            program, wanted, create_graph=True, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        reference = _gradients(_products(gradients, tangents), [*wanted, upstream])
    except REFUSALS:  # `gradgradcheck`, of its own test, compares with differences
        return None
    if not all(bool(one.isfinite().all()) for one in reference):  # and where PyTorch's own overflows
        return None
    noise = ROUNDING * max(
        (float(one.detach().abs().max()) for one in (*reference, *found) if one.numel()), default=0.0
    )
    wrong = any(
        _apart(value, own, SECOND) and not float((value - own).abs().max()) <= noise
        for value, own in zip(second, reference, strict=True)
    )
    return "the double backward is not what autograd says" if wrong else None


def _gradients(total: Tensor, by: Sequence[Tensor]) -> Sequence[Tensor]:
    if not total.requires_grad:
        return [torch.zeros_like(one) for one in by]
    return torch.autograd.grad(total, by, retain_graph=True, allow_unused=True, materialize_grads=True)


def _products(gradients: Sequence[Tensor], tangents: Sequence[Tensor]) -> Tensor:
    return torch.stack([(one * tangent).sum() for one, tangent in zip(gradients, tangents, strict=True)]).sum()


def _along(apply: Any, point: Point) -> str | None:
    (target,) = targets(point, 1, "jvp")
    reference = expected(point, [target])[target]
    known = {traced.tensor: value for traced, value in point.tangents().items()}
    values = [leaf.tensor.detach() for leaf in point.trace.leaves]
    places = [place for place, leaf in enumerate(point.trace.leaves) if leaf.tensor in known]
    tangents = tuple(known[point.trace.leaves[place].tensor] for place in places)

    def moved(*given: Tensor) -> Any:
        own = dict(zip(places, given, strict=True))
        return apply(*(own.get(place, value) for place, value in enumerate(values)))

    found = torch.func.jvp(moved, tuple(values[place] for place in places), tangents)[1]
    return "jvp is not what autograd says" if _apart(found, reference) else None


def _mapped(apply: Any, point: Point) -> str | None:
    """Compare what torch.vmap makes of two samples with what each alone is."""
    leaves = _leaves(point)
    stacked = [torch.stack([leaf.detach(), leaf.detach()]).requires_grad_(leaf.requires_grad) for leaf in leaves]
    moving = [leaf for leaf in stacked if leaf.requires_grad]
    try:
        output = torch.vmap(apply)(*stacked)
        upstream = torch.stack([point.cotangent, point.cotangent])
        found = torch.autograd.grad(output, moving, upstream, materialize_grads=True)
    except REFUSALS as error:
        return f"vmap: {first_line(error)}"
    references = expected(point, targets(point, 1)).values()
    wrong = any(_apart(one[1], reference) for one, reference in zip(found, references, strict=True))
    return "vmap: it is not the same as sample by sample" if wrong or _apart(output[1], point.output.tensor) else None


def test_passes(code: str) -> bool:
    """Tell whether the test that a source holds passes."""
    try:
        with _quiet(), contextlib.redirect_stdout(io.StringIO()), torch.random.fork_rng(devices=[]):
            exec(compile(code, "<the test of a derived Function>", "exec"), {"__name__": "__main__"})  # noqa: S102
    except REFUSALS:
        return False
    return True
