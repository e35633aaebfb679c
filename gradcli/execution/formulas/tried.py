"""A Function's source, run: all that it does is compared with what autograd makes of the program."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.notation.function import function_source
from gradcli.derivation.notation.function_parts import FunctionParts
from gradcli.errors import NotSupportedError, first_line
from gradcli.execution.formulas.closed import targets
from gradcli.execution.formulas.expected import expected
from gradcli.execution.formulas.extremes import at_extremes, beside_extremes, leaves_of
from gradcli.execution.formulas.mapped import mapped_problem
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.remarks import Judge, Remarks, is_apart
from gradcli.execution.formulas.verified import SINGLE
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.phrases import show_shape
from gradcli.tolerance import CLOSENESS

# Of a second derivative, which is further from what it is made of.
SECOND = 100 * CLOSENESS
# What is 0 but for rounding, relative to the largest entry of all derivatives.
ROUNDING = 1e-13

REFUSED = "there is no Function: gradcheck, or gradgradcheck, refuses it"
NO_VMAP = "There is no vmap rule: torch.vmap does not take a call in it, or gets it wrong."


def tried(parts: FunctionParts, points: Sequence[Point], judge: Judge) -> tuple[str, str]:
    """Return the source of what has been made, and how it was run; NotSupportedError says what is wrong with it."""
    for rule in (True, False):
        notes = (*parts.notes, *(() if rule else (NO_VMAP,)))
        code = function_source(replace(parts, has_vmap_rule=rule, notes=notes))
        problem, remarks = _checked(code, parts.call or parts.name, points, judge, has_vmap=rule)
        if problem is None:
            code = function_source(replace(parts, has_vmap_rule=rule, notes=(*notes, *remarks)))
            if not _test_passes(code):
                raise NotSupportedError(REFUSED)
            return code, _how(points, has_jvp="def jvp" in code, has_vmap=rule)
        if not problem.startswith("vmap"):
            break
    raise NotSupportedError(f"there is no Function: {problem}")


def _how(points: Sequence[Point], *, has_jvp: bool, has_vmap: bool) -> str:
    what = ["forward", "backward", "double backward", *(["jvp"] if has_jvp else []), *(["vmap"] if has_vmap else [])]
    shapes = dict.fromkeys(
        ", ".join(f"{name} {show_shape(one)}" for name, one in point.shapes.items()) for point in points
    )
    return (
        f"the Function: {', '.join(what)} are autograd's of the program at {len(points)} random points "
        f"({'; '.join(shapes)}); its own test passes"
    )


def _checked(
    code: str, name: str, points: Sequence[Point], judge: Judge, *, has_vmap: bool
) -> tuple[str | None, list[str]]:
    """Return what is wrong with a Function, or what calls it, at the first point where something is; else None.

    Beside it, what is to be said of it: where autograd's gradient is not the derivative, or there is none.
    """
    remarks = Remarks(judge)
    space: dict[str, Any] = {"__name__": "derived"}
    has_jvp = "def jvp" in code
    with _quiet():
        try:
            exec(compile(code, "<a derived Function>", "exec"), space)  # noqa: S102 (of our own words, and leaves' names)
            apply = getattr(space[name], "apply", space[name])
            problems = (_problem(apply, point, remarks, has_jvp=has_jvp) for point in points)
            problem = next((problem for problem in problems if problem), None)
            problem = problem or (mapped_problem(apply, points) if has_vmap else None)
            problem = problem or at_extremes(apply, points[0], remarks) or beside_extremes(apply, points[0], remarks)
        except REFUSALS as error:
            problem = first_line(error)
    return problem, remarks.sentences


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what PyTorch warns of: what it has deprecated, and where its vmap is slow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _problem(apply: Any, point: Point, remarks: Remarks, *, has_jvp: bool) -> str | None:
    leaves = leaves_of(point)
    moving = [leaf for leaf in leaves if leaf.requires_grad]
    output = apply(*leaves)
    if is_apart(output, point.output.tensor):
        return "forward is not the program"
    upstream = point.cotangent.detach().clone().requires_grad_()
    alone = torch.autograd.grad(output, moving, upstream.detach(), retain_graph=True, materialize_grads=True)
    found = torch.autograd.grad(output, moving, upstream, create_graph=True, materialize_grads=True)
    if any(map(is_apart, found, alone)):
        return "backward is another where it is differentiated"
    references = expected(point, targets(point, 1)).values()
    wrong = [is_apart(value, reference) for value, reference in zip(found, references, strict=True)]
    if any(wrong):
        is_single = not any(is_apart(value, own, SINGLE) for value, own in zip(found, references, strict=True))
        if not (is_single and remarks.excuse(point, found, wrong, "At all points", CLOSENESS)):
            return "backward is not what autograd says"
    most = SINGLE if any(wrong) else CLOSENESS  # jvp has the same constants as backward
    return _second(point, found, [*moving, upstream]) or (_along(apply, point, most) if has_jvp else None)


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
        is_apart(value, own, SECOND) and not float((value - own).abs().max()) <= noise
        for value, own in zip(second, reference, strict=True)
    )
    return "the double backward is not what autograd says" if wrong else None


def _gradients(total: Tensor, by: Sequence[Tensor]) -> Sequence[Tensor]:
    if not total.requires_grad:
        return [torch.zeros_like(one) for one in by]
    return torch.autograd.grad(total, by, retain_graph=True, allow_unused=True, materialize_grads=True)


def _products(gradients: Sequence[Tensor], tangents: Sequence[Tensor]) -> Tensor:
    return torch.stack([(one * tangent).sum() for one, tangent in zip(gradients, tangents, strict=True)]).sum()


def _along(apply: Any, point: Point, most: float) -> str | None:
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
    return "jvp is not what autograd says" if is_apart(found, reference, most) else None


def _test_passes(code: str) -> bool:
    """Tell whether the test that a source holds passes."""
    try:
        with _quiet(), contextlib.redirect_stdout(io.StringIO()), torch.random.fork_rng(devices=[]):
            exec(compile(code, "<the test of a derived Function>", "exec"), {"__name__": "__main__"})  # noqa: S102
    except REFUSALS:
        return False
    return True
