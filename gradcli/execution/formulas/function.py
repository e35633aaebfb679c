"""A program as a `torch.autograd.Function`: its derived backward and jvp, for all lengths that it leaves open."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.notation.code import Wanted
from gradcli.derivation.notation.function_parts import OUTPUT, OWN, FunctionParts, RecordedBackward, gradient_name
from gradcli.derivation.notation.parsed import names_read, parsed
from gradcli.errors import LimitError, NotSupportedError
from gradcli.execution.formulas.chained import by_steps
from gradcli.execution.formulas.checked import check
from gradcli.execution.formulas.closed import Target, closed_forms, tangent_names, targets, upstream_name
from gradcli.execution.formulas.forward_source import ForwardSource, forward_source, value_source
from gradcli.execution.formulas.lengths import Lengths, keeps_axes, lengths, points_of, unified_lines
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.recording import recording, unified_recording
from gradcli.execution.formulas.remarks import Judge
from gradcli.execution.formulas.through_output import through_output
from gradcli.execution.formulas.tried import REFUSED, tried
from gradcli.execution.formulas.verified import fitted, trusted
from gradcli.execution.forward.trace import TracedTensor
from gradcli.ops.record import Kind

DETACHED = ": the program detaches a tensor, so that its gradient is, by intent, not the derivative"
NO_JVP = "There is no jvp: it has no formula of a readable length."
NO_RECORDED_JVP = "There is no jvp: only backward goes through the definitions of the calls."


@dataclass(frozen=True, slots=True)
class Made:
    """A Function that has been written and run."""

    code: str
    how: str
    """How it was run, in words."""
    is_closed: bool
    """Whether its backward is written from the formulas of the leaves' gradients."""


@dataclass(frozen=True, slots=True)
class _Texts:
    """The formulas at one point, with the forward run in front of them."""

    gradients: dict[str, str]
    jvp: str | None
    forward: ForwardSource
    exact: dict[str, bool]


def function_code(
    here: Point,
    others: Sequence[Point],
    given: Mapping[str, Any],
    derivations: Derivations,
    judge: Judge,
    *,
    is_closed: bool,
) -> Made:
    """Return a Function, run at the point, at others, and at other lengths.

    It has formulas of the leaves if there are some (`is_closed`), or else the steps of the definitions.
    Raises NotSupportedError, or InputError, with the reason where there is none.
    """
    check(here)
    here = here.explicit()
    points = [here, *(other.explicit() for other in others)]
    ways: tuple[Callable[[], tuple[FunctionParts, list[Point]]], ...] = (
        *([lambda: _parts(here, given, derivations)] if is_closed else []),
        lambda: (by_steps(here, _without_formulas(here), _names(here), derivations), []),
        lambda: (by_steps(here, _without_formulas(here), _names(here), derivations, as_published=True), []),
        lambda: _recorded_for_all(here, given, derivations, is_careful=False),
        lambda: _recorded(here, derivations, is_careful=False),
        lambda: _recorded_for_all(here, given, derivations, is_careful=True),
        lambda: _recorded(here, derivations, is_careful=True),
    )
    reasons: list[NotSupportedError] = []
    for way in ways:
        try:
            parts, tested = way()
            return _cheapest(here, parts, [*points, *tested], derivations, judge)
        except NotSupportedError as error:
            reasons.append(error)
        except LimitError as error:  # at larger lengths, which another way does without
            reasons.append(NotSupportedError(f"there is no Function: {error.message}"))
    reason = reasons[0 if is_closed else 3]
    is_detached = any(call.op.name == "detach" for call in here.trace.calls)
    raise NotSupportedError(REFUSED + DETACHED) if is_detached and reason.message == REFUSED else reason


def _cheapest(
    here: Point, parts: FunctionParts, points: Sequence[Point], derivations: Derivations, judge: Judge
) -> Made:
    """Return a Function of what has been made; of an elementwise chain, with the faster backward."""
    if parts.is_elementwise and parts.recorded is None and parts.chain is None:
        with suppress(NotSupportedError):
            return Made(*tried(by_steps(here, parts, _names(here), derivations), points, judge), is_closed=False)
    return Made(*tried(parts, points, judge), is_closed=parts.recorded is None and parts.chain is None)


def _parts(here: Point, given: Mapping[str, Any], derivations: Derivations) -> tuple[FunctionParts, list[Point]]:
    names = _names(here)
    known = lengths(here, given, _taken(here, names))
    if known is not None:
        texts = [_texts(point.explicit(), names, derivations) for point in known.points]
        found = None
        if None not in texts and keeps_axes(here, known, given):
            found = _general(here, names, known, [one for one in texts if one is not None])
        if found is not None:
            return found, points_of(here, known, given)
    texts_here = _texts(here, names, derivations)
    if texts_here is None:
        raise NotSupportedError("there is no Function: a gradient has no formula in terms of the leaves alone")
    return _made(here, names, texts_here, None), []


def _without_formulas(here: Point) -> FunctionParts:
    """Return the parts of a chain whose gradients have no formulas of the leaves."""
    names = _names(here)
    source = forward_source(here.trace, names, {*OWN, *names.values()})
    found = _made(here, names, _Texts({}, None, source, {}), None)
    if not found.is_elementwise:
        raise NotSupportedError("there is no chain of elementwise calls")
    return found


def _recorded(here: Point, derivations: Derivations, *, is_careful: bool) -> tuple[FunctionParts, list[Point]]:
    """Return the parts of a Function whose backward is recorded, for the lengths of a point."""
    names = _names(here)
    return _of_recording(here, names, recording(here, names, derivations, is_careful=is_careful), None), []


def _recorded_for_all(
    here: Point, given: Mapping[str, Any], derivations: Derivations, *, is_careful: bool
) -> tuple[FunctionParts, list[Point]]:
    """Return the same for all lengths, and the points of others; NotSupportedError if it is not the same at others."""
    names = _names(here)
    known = lengths(here, given, _taken(here, names))
    points = [] if known is None else [point.explicit() for point in known.points]
    several = [recording(point, names, derivations, is_careful=is_careful, folds=False) for point in points]
    found = None if known is None or not keeps_axes(here, known, given) else unified_recording(known, several)
    if known is None or found is None:
        raise NotSupportedError("there is no Function for all lengths")
    return _of_recording(here, names, found, known), points_of(here, known, given)


def _of_recording(
    here: Point,
    names: Mapping[TracedTensor, str],
    found: tuple[RecordedBackward, ForwardSource],
    known: Lengths | None,
) -> FunctionParts:
    parts = _made(here, names, _Texts({}, None, found[1], {}), known)
    return replace(parts, recorded=found[0], is_elementwise=False, notes=(NO_RECORDED_JVP,))


def _names(here: Point) -> dict[TracedTensor, str]:
    """Return what the code calls each leaf."""
    names: dict[TracedTensor, str] = {}
    own = {leaf.name or leaf.text for leaf in here.trace.leaves}
    gradients = {gradient_name(name) for name in own}
    for leaf in here.trace.leaves:
        name = leaf.name or leaf.text
        while name in OWN | gradients or name in names.values() or (name != leaf.name and name in own):
            name += "_"
        names[leaf] = name
    return names


def _taken(here: Point, names: Mapping[TracedTensor, str]) -> set[str]:
    """Return the names that no length may have: those of the code, and of what the program names itself."""
    own = {one.name for call in here.trace.calls for one in call.outputs if one.name is not None}
    return {*OWN, *names.values(), *map(gradient_name, names.values()), *tangent_names(here).values(), *own}


def _texts(point: Point, names: Mapping[TracedTensor, str], derivations: Derivations) -> _Texts | None:
    """Return the formulas at a point, in the names of the code; None if a gradient has none."""
    mine = dict(zip(point.trace.leaves, names.values(), strict=True))
    firsts, (along,) = targets(point, 1), targets(point, 1, "jvp")
    forms = trusted(point, closed_forms(point, (*firsts, along), derivations))
    if any(target not in forms for target in firsts):
        return None
    plain = {target: form.code for target, form in forms.items()}
    shorter = {target: through_output(point, text) for target, text in plain.items()}
    chosen = shorter if _cost(point, shorter, firsts) <= _cost(point, plain, firsts) else plain
    exact = {mine[target.by[0]]: fitted(point, target, forms[target].code).exact for target in firsts}
    exact[OUTPUT] = along in forms and fitted(point, along, forms[along].code).exact
    taken = {*OWN, *mine.values(), *tangent_names(point).values()}
    renamed = {leaf.name or leaf.text: name for leaf, name in mine.items()}
    return _Texts(
        {mine[target.by[0]]: _renamed(chosen[target], renamed) for target in firsts},
        _renamed(chosen[along], renamed) if along in forms else None,
        forward_source(point.trace, mine, taken),
        exact,
    )


def _renamed(text: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        if old != new:
            text = re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w|\s*=[^=])", new, text)
    return text


def _cost(point: Point, texts: Mapping[Target, str], firsts: Sequence[Target]) -> int:
    """Return how many entries have to be saved for backward."""
    read = {name for target in firsts for name in names_read(parsed(texts[target]).body)}
    sizes = {leaf.name or leaf.text: leaf.tensor.numel() for leaf in point.trace.leaves}
    return sum(size for name, size in {**sizes, OUTPUT: point.output.tensor.numel()}.items() if name in read)


def _general(
    here: Point, names: Mapping[TracedTensor, str], known: Lengths, texts: Sequence[_Texts]
) -> FunctionParts | None:
    """Return the parts that are the formulas at each of the lengths; None if they are not alike."""
    first = texts[0]
    if any(one.gradients.keys() != first.gradients.keys() or one.exact != first.exact for one in texts):
        return None
    gradients = {name: known.unified([one.gradients[name] for one in texts]) for name in first.gradients}
    lines = unified_lines(known.unified, [one.forward.lines for one in texts])
    result = known.unified([one.forward.result for one in texts])
    if lines is None or result is None or any(text is None for text in gradients.values()):
        return None
    jvps = [one.jvp for one in texts if one.jvp is not None]
    jvp = known.unified(jvps) if len(jvps) == len(texts) else None
    found = {name: text for name, text in gradients.items() if text is not None}
    return _made(here, names, _Texts(found, jvp, ForwardSource(lines, result), first.exact), known)


def _made(here: Point, names: Mapping[TracedTensor, str], texts: _Texts, known: Lengths | None) -> FunctionParts:
    is_elementwise = _is_elementwise(here, texts, known)
    tangents = {names[traced]: name for traced, name in tangent_names(here).items()}
    upstream = upstream_name(here) or "g"
    shapes: list[tuple[int | str, ...]] = [tuple(traced.tensor.shape) for traced in (*names, here.output)]
    if known is not None:
        shapes = known.shapes(lambda point: (*point.trace.leaves, point.output), here)
    parameters, output = dict(zip(names.values(), shapes, strict=False)), shapes[-1]

    def wanted(name: str, text: str, own: tuple[int | str, ...], like: str) -> Wanted:
        shown = f"{like}.shape" if is_elementwise else f"({', '.join(map(str, own))}{',' if len(own) == 1 else ''})"
        return Wanted(text, (name,), own, texts.exact[name], shown)

    gradients = {name: wanted(name, text, parameters[name], upstream) for name, text in texts.gradients.items()}
    first = next(iter(tangents.values()))
    jvp = None if texts.jvp is None else wanted(OUTPUT, texts.jvp, output, first)
    storage = here.output.tensor.untyped_storage().data_ptr()
    return FunctionParts(
        _class_name(here, names.values()),
        here.program.source,
        parameters,
        output,
        texts.forward.lines,
        texts.forward.result,
        gradients,
        jvp,
        upstream,
        tangents,
        {} if known is None else known.here(),
        is_elementwise,
        {name: value_source(leaf.tensor, moves=leaf in here.wanted) for leaf, name in names.items()},
        () if jvp is not None else (NO_JVP,),
        integers=frozenset(name for leaf, name in names.items() if not leaf.tensor.is_floating_point()),
        is_copied=any(leaf.tensor.untyped_storage().data_ptr() == storage for leaf in here.trace.leaves),
    )


def _is_elementwise(here: Point, texts: _Texts, known: Lengths | None) -> bool:
    shape = here.output.tensor.shape
    if not all(call.op.kind is Kind.POINTWISE for call in here.trace.calls):
        return False
    if any(leaf.tensor.shape != shape for leaf in here.trace.leaves):
        return False
    sizes = {} if known is None else known.here()
    several = [*texts.gradients.values(), texts.jvp or "0", texts.forward.result]
    return not any({*names_read(parsed(text).body)} & {*sizes} for text in several)


def _class_name(here: Point, taken: Any) -> str:
    """Return a name for the class: that of the last call."""
    call = next((call for call in here.trace.calls if here.output in call.outputs), None)
    stem = "Program" if call is None else call.op.name.rpartition(".")[2]
    name = "".join(word.capitalize() for word in stem.split("_") if word) or "Program"
    return f"{name}Function" if name in {*taken} else name
