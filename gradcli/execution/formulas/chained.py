"""An elementwise chain as a Function that saves what its steps compute: found from a program, and chosen by its cost.

Which of the steps' results are saved follows from what their derivatives read. That is never more than autograd saves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.notation.backends import TORCH
from gradcli.derivation.notation.chain import ARRIVING, DIVISION, Chain, Statements, Step, along, backward, cost, put
from gradcli.derivation.notation.chain_lines import Write, along_lines, backward_lines
from gradcli.derivation.notation.chain_memory import writes_over, written_over
from gradcli.derivation.notation.chain_products import Product, product_of
from gradcli.derivation.notation.chain_statements import tidy
from gradcli.derivation.notation.code import LETTERS as INDICES
from gradcli.derivation.notation.expressions import Emitter
from gradcli.derivation.notation.function_parts import OUTPUT, OWN, ChainParts, FunctionParts
from gradcli.derivation.notation.parsed import parsed
from gradcli.derivation.notation.sharing import shared
from gradcli.errors import NotSupportedError
from gradcli.execution.formulas.closed import closed_forms, tangent_names, targets, upstream_name
from gradcli.execution.formulas.forward_source import ForwardSource, forward_source, needed
from gradcli.execution.formulas.fused import fused, helper
from gradcli.execution.formulas.inlined import text_of
from gradcli.execution.formulas.points import Point, moved_to, point
from gradcli.execution.formulas.through_output import through_output
from gradcli.execution.formulas.verified import trusted
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.language.parser import parse
from gradcli.ops.record import Kind
from gradcli.settings import Settings

Names = Mapping[TracedTensor, str]
# What the operands of one call are called while it is differentiated, and what arrives at it.
OPERANDS, UPSTREAM = ("a", "b", "c", "d"), "g"
WORDS = re.compile(r"\b(?:[a-dg]|output)\b(?!\()")
# What a result is called until forward has a name for it.
STEP = re.compile(r"\b_step\d+\b")
# Of values on the way back.
LETTERS, MOST_NAMES = "uvwrs", 99
LEAST = 2  # calls of a chain in which none has a published formula
# A step at a time, backward costs so much less than by formulas of the leaves where that is worth more results.
WORTH = 0.8
NO_JVP = "There is no jvp: it would have to compute again what backward does not read."


@dataclass(frozen=True, slots=True)
class _Way:
    """A chain, and what its backward reads."""

    chain: Chain
    found: Statements

    @property
    def cost(self) -> float:
        return sum(map(cost, self.found.texts))


def by_steps(
    here: Point, parts: FunctionParts, names: Names, derivations: Derivations, *, as_published: bool = False
) -> FunctionParts:
    """Return the parts of an elementwise chain, a step at a time; NotSupportedError if that is hardly cheaper.

    It need not be cheaper where there are no formulas of the leaves. A single call may be one of formulas that the
    table has `as_published`.
    """
    found = _chained(here, names, derivations, _most(parts), as_published=as_published)
    if found is None:
        raise NotSupportedError("there is no cheaper backward")
    chain, forward = found
    notes = () if chain.jvp else (NO_JVP,)
    return replace(parts, chain=chain, forward=forward.lines, result=forward.result, notes=notes, sizes={})


def _most(parts: FunctionParts) -> float:
    """Return what backward may cost to be worth it."""
    formulas = [one.formula for one in parts.gradients.values()]
    common = shared(formulas, {*parts.shapes, *parts.sizes, *OWN, *INDICES})
    total = sum(map(cost, [*common.formulas, *(text for _, text in common.parts)]))
    return WORTH * total if formulas else math.inf


def _chained(
    here: Point, names: Names, derivations: Derivations, most: float, *, as_published: bool
) -> tuple[ChainParts, ForwardSource] | None:
    """Return an elementwise program, a step at a time; None if it is no chain, or backward costs more than `most`.

    Raises NotSupportedError if a step has no code.
    """
    calls = needed(here.trace)
    has_published = any(call.op.published for call in calls)
    if not (has_published or (len(calls) >= LEAST and not as_published)) or not _is_chain(here, names, calls):
        return None
    texts = filter(None, map(_alone, calls))
    if all(cost(text) <= DIVISION for text in texts):  # to compute again costs no more than to read
        return None
    results = {call.outputs[0]: f"_step{place}" for place, call in enumerate(calls[:-1])}
    own = {**names, **results, here.output: OUTPUT}
    helpers: dict[str, str] = {}
    steps = _steps(here, calls, own, derivations, helpers)
    if steps is None:
        return None
    chain = Chain([names[one] for one in names if one in here.wanted], steps)
    chains = [chain, replace(chain, is_through_quotients=False)]
    way = _cheapest(here, [*([] if as_published else chains), *(one.with_kernels for one in chains)], own)
    if way is None or way.cost > most:
        return None
    parts, source = _written(here, way, own)
    return replace(parts, helpers=helpers), source


def _is_chain(here: Point, names: Names, calls: Sequence[TracedCall]) -> bool:
    """Return whether all calls are of tensors of one shape and dtype, entry by entry."""
    tensors = {traced for call in calls for traced in (*call.inputs, *call.outputs)}
    first = here.output.tensor
    return (
        all(call.op.kind is Kind.POINTWISE and call.gap is None and len(call.outputs) == 1 for call in calls)
        and all(one.tensor.shape == first.shape and one.tensor.dtype == first.dtype for one in tensors)
        and {*here.wanted} <= tensors
        and not any(name.startswith("_") for name in names.values())
    )


def _alone(call: TracedCall) -> str | None:
    """Return the text of a call of `OPERANDS`; None if it has too many."""
    return text_of(call, dict(zip(call.inputs, OPERANDS, strict=False)))


def _steps(
    here: Point, calls: Sequence[TracedCall], own: Names, derivations: Derivations, helpers: dict[str, str]
) -> list[Step] | None:
    """Return the steps with their derivatives, and add the helpers that kernels need; None if one has no formula."""
    moving, steps = {*here.wanted}, []
    for call in calls:
        wanted = [one for one in call.inputs if one in moving]
        known = fused(call, dict(zip(call.inputs, OPERANDS, strict=False)), is_stable=here.settings.stable)
        kernels = {one: text for one, text in known.items() if one in moving}
        # What is published is finite where a derived one may not be: y**x at y = 0.
        is_published = bool(call.op.published) and {*kernels} == {*wanted} and call.op.fused is None
        partials = kernels if is_published else _partials(call, wanted, derivations, helpers)
        if partials is None and {*kernels} != {*wanted}:
            return None
        partials = kernels if partials is None else partials
        moving |= {*call.outputs} if partials else set()
        both = [_named(one, call, own) for one in (partials, kernels)]
        steps.append(Step(own[call.outputs[0]], both[0], _quotient(call, own), both[1]))
    return steps


def _named(partials: Mapping[TracedTensor, str], call: TracedCall, own: Names) -> dict[str, str]:
    """Return formulas of `OPERANDS` as formulas of what the chain calls these."""
    words = dict(zip(OPERANDS, (own[one] for one in call.inputs), strict=False))
    words |= {OUTPUT: own[call.outputs[0]], UPSTREAM: ARRIVING}
    return {own[one]: WORDS.sub(lambda word: words[word[0]], text) for one, text in partials.items()}


def _partials(
    call: TracedCall, moving: Sequence[TracedTensor], derivations: Derivations, helpers: dict[str, str]
) -> dict[TracedTensor, str] | None:
    """Return what a call adds to the gradient of each operand, in the names of `OPERANDS`; None without a formula."""
    operands, text = dict(zip(call.inputs, OPERANDS, strict=False)), _alone(call)
    if not moving or text is None:
        return None if moving else {}
    settings = Settings(command="derive", to="function", wrt=tuple(operands[one] for one in moving))
    values = {name: one.tensor.detach() for one, name in operands.items()}
    alone = point(parse(text), settings, values, settings.seed).explicit()
    wanted = targets(alone, 1)
    forms = trusted(alone, closed_forms(alone, wanted, derivations))
    found = [through_output(alone, forms[target].code) for target in wanted if target in forms]
    if found and call.op.fused is not None and not call.op.fused.is_differentiable:
        helpers[call.op.fused.name] = helper(call.op.fused.name, put(forms[wanted[0]].code, OPERANDS[0], "x"))
    is_whole = len(found) == len(wanted) and all(parsed(one).indices is None for one in found)
    return dict(zip(moving, found, strict=True)) if is_whole else None


def _quotient(call: TracedCall, own: Names) -> Product | None:
    """Return what a call is where it divides operands, or 1, by each other."""
    text = text_of(call, own)
    whole = Product() if text is None else product_of(text)
    is_plain = whole.number == 1 and {*whole.above, *whole.below} <= {*own.values()}
    return whole if whole.below and is_plain else None


def _cheapest(here: Point, chains: Sequence[Chain], own: Names) -> _Way | None:
    """Return the way with the cheapest backward of those that save no more than autograd does; None if none does."""
    most = _saved_by_autograd(here)
    ways = [_Way(chain, tidy(backward(chain, _upstream(here), {}))) for chain in chains]
    fitting = [way for way in ways if _bytes(one.tensor for one, name in own.items() if name in way.found.read) <= most]
    return min(fitting, key=lambda way: way.cost, default=None)


def _upstream(here: Point) -> str:
    return upstream_name(here) or UPSTREAM


def _saved_by_autograd(here: Point) -> int:
    """Return how many bytes autograd saves for the program's backward."""
    saved: list[Tensor] = []

    def packed(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with saved_tensors_hooks(packed, lambda tensor: tensor):
        moved_to(here, {leaf.name or leaf.text: leaf.tensor.detach() for leaf in here.trace.leaves})
    return _bytes(saved)


def _bytes(tensors: Iterable[Tensor]) -> int:
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}
    return sum(storages.values())


def _written(here: Point, way: _Way, own: Names) -> tuple[ChainParts, ForwardSource]:
    """Return the code of both methods, and of a forward that returns what they read."""
    read, upstream, tangents = way.found.read, _upstream(here), tangent_names(here)
    leaves = {one: name for one, name in own.items() if one.is_leaf}
    kept = [one for one, name in own.items() if name in read and STEP.fullmatch(name)]
    taken = {*OWN, *leaves.values(), *tangents.values(), upstream}
    source = forward_source(here.trace, leaves, taken, kept)
    final = dict(zip((own[one] for one in kept), source.kept, strict=True))
    returned = {step: f"grad_of_{name}" for step, name in final.items()}
    taken |= {*final.values(), *returned.values()}
    free = [name for name in (*LETTERS, *(f"u{number}" for number in range(2, MOST_NAMES))) if name not in taken]
    behind = _behind(here, own)
    some = max((name for name in read if name in behind), key=lambda name: len(behind[name]), default=OUTPUT)
    # Without what is kept, what arrives is never None, and has the axes of the output.
    behind |= {upstream: behind[some if kept else OUTPUT].union([upstream], returned.values())}
    behind |= {one: frozenset({one}) for one in returned.values()}
    found = written_over(tidy(backward(way.chain, upstream, returned)), behind)
    back = backward_lines(found, [*leaves.values()], free, _writer(upstream, final))
    ahead = tidy(along(way.chain, {own[one]: name for one, name in tangents.items()}, returned, read))
    has_all = {*ahead.read} <= {*leaves.values(), *tangents.values(), *final, OUTPUT}
    pushed = along_lines(ahead, free, _writer(next(iter(tangents.values())), final)) if has_all else None
    if kept:
        some = final.get(some, some)
        is_over = any(writes_over(text) for text in found.texts)
        every = f"{upstream} = _arriving({', '.join([upstream, some, *returned.values()])})"
        back.insert(0, every if is_over else _some(upstream, some))
        several = tangents.values() if len(tangents) > 1 else ()
        # All tensors are of one shape: what backward reads is saved anyway, and a leaf need not be.
        pushed = [*(_some(name, some) for name in several), *pushed] if pushed else None
    moving = tuple(way.chain.leaves)
    return ChainParts(moving, tuple(source.kept), tuple(returned.values()), back, pushed), source


def _behind(here: Point, own: Names) -> dict[str, frozenset[str]]:
    """Return the leaves that each tensor depends on, by name."""
    found = {name: frozenset({name}) for one, name in own.items() if one.is_leaf}
    for call in needed(here.trace):
        found[own[call.outputs[0]]] = frozenset[str]().union(*(found[own[one]] for one in call.inputs))
    return found


def _some(name: str, like: str) -> str:
    """Return the statement that makes zeros of what may be None."""
    return f"{name} = torch.zeros_like({like}) if {name} is None else {name}"


def _writer(like: str, final: Mapping[str, str]) -> Write:
    def written(text: str) -> str:
        renamed = STEP.sub(lambda name: final[name[0]], text)
        return Emitter(TORCH, {}, like).expression(parsed(renamed), ())

    return written
