"""Definitions as textbooks have them, for formulas to read: without the care that a table's definition takes at edges.

What is written from them is compared with autograd of the program itself before it is shown, as every formula is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gradcli.execution.formulas import (
    choices,
    convolutions,
    fourier,
    masked,
    picked_entries,
    selections,
    spectral,
    usual_points,
)
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.ops.factorisations import UNIT_VECTORS, VECTORS
from gradcli.ops.record import Kind
from gradcli.ops.signature import defaults

Arguments = Mapping[str, Any]
SPELLED = selections.SPELLED

REDUCED = {"mean": "sum(loss)/loss.numel()", "sum": "sum(loss)", "none": "loss"}


def plain(trace: Trace, *, everywhere: bool, once: bool = False) -> Trace:
    """Return a trace whose calls are defined as textbooks have it, those of them that are.

    If it has to hold `everywhere`, no definition is changed that has a case for what textbooks leave out; else none is
    whose case has a constant that the program gives. What is differentiated `once` may be defined by its differential.
    """
    spelled = frozenset(output for call in trace.calls if not call.inputs for output in call.outputs)
    read = {trace.output, *(traced for call in trace.calls for traced in call.inputs)}
    calls = [
        _plain(
            call,
            _known(call, everywhere=everywhere, once=once),
            {SPELLED: spelled, spectral.READ: [output in read for output in call.outputs]},
        )
        for call in trace.calls
    ]
    return replace(trace, calls=calls)


def _known(call: TracedCall, *, everywhere: bool, once: bool) -> Mapping[str, Callable[[Arguments], str | None]]:
    """Return the definitions that may be those of a call."""
    inside, name = PLAIN if everywhere or not _is_usual(call) else {**PLAIN, **INSIDE}, call.op.name
    by_differential = spectral.EVERYWHERE if everywhere else spectral.DEFINED
    own = (by_differential if once else TWICE if inside is not PLAIN else {}).get(name)
    return inside if own is None else {**inside, name: _first(own, inside.get(name, _nothing))}


def cases_left_out(trace: Trace) -> tuple[str, ...]:
    """Return in words what the definitions of textbooks leave out of a program's calls, each once."""
    several = [(call, CASES[call.op.name]) for call in trace.calls if call.op.name in CASES and _is_usual(call)]
    return tuple(dict.fromkeys(words(_given(call)) for call, words in several if _leaves_out(call)))


def _leaves_out(call: TracedCall) -> bool:
    """Tell whether a call's definition inside of a domain is another one than the one that holds everywhere."""
    inside = _plain(call, INSIDE)
    return inside is not call and inside.op.definition != _plain(call, PLAIN).op.definition


def is_called(call: TracedCall) -> bool:
    """Tell whether formulas call what a call returns by its name, and not by its definition."""
    name, given = call.op.name, _given(call)
    is_extreme = choices.is_extreme(name, given) or (name == "cdist" and choices.farthest(given) is not None)
    is_spectrum = name in fourier.DEFINED and any(one.tensor.is_complex() for one in call.outputs)
    return name in STANDING or is_spectrum or is_extreme or spectral.is_defined(name, given)


def _is_usual(call: TracedCall) -> bool:
    """Tell whether the constants by which a call chooses between cases are those that the op has of itself."""
    own, given = defaults(call.op.signature), _given(call)
    return all(given[name] == own[name] for name in CONSTANTS if name in own)


def _given(call: TracedCall) -> Arguments:
    return {**defaults(call.op.signature), **call.arguments.bound}


def careful(trace: Trace) -> Trace:
    """Return a trace whose calls are defined as code computes them with more digits."""
    return replace(trace, calls=[_careful(call) for call in trace.calls])


def _careful(call: TracedCall) -> TracedCall:
    definition = call.op.definition.replace(VECTORS, UNIT_VECTORS)
    return call if definition == call.op.definition else replace(call, op=replace(call.op, definition=definition))


def _plain(
    call: TracedCall,
    known: Mapping[str, Callable[[Arguments], str | None]],
    of_trace: Arguments | None = None,
) -> TracedCall:
    """Return a call by its definition of a textbook, if it has one; `of_trace` is what the program says beside it."""
    write = known.get(call.op.name)
    text = None if write is None else write({**_given(call), SPELLED: frozenset(), **(of_trace or {})})
    return call if text is None else replace(call, op=replace(call.op, kind=Kind.COMPOSITE, definition=text))


def _attention(given: Arguments) -> str | None:
    return None if given["attn_mask"] is not None else _masked_attention(given)


def _masked_attention(given: Arguments) -> str | None:
    """Return attention in which each query has a key: those that have none get 0."""
    if given["dropout_p"] or given["enable_gqa"]:
        return None
    scale, mask = "query.shape[-1]**-0.5" if given["scale"] is None else "scale", given["attn_mask"]
    lines = [f'scores = einsum("...qd,...kd->...qk", query, key)*{scale}']
    if given["is_causal"]:
        lines += ["scores = where(tril(ones(query.shape[-2], key.shape[-2])) > 0, scores, -inf)"]
    if mask is not None:
        is_added = mask.tensor.is_floating_point()
        lines += ["scores = scores + attn_mask" if is_added else "scores = where(attn_mask, scores, -inf)"]
    return "\n".join([*lines, "p = softmax(scores, dim=-1)", 'einsum("...qk,...kd->...qd", p, value)'])


def _cross_entropy(given: Arguments) -> str | None:
    text = selections.picked(given)
    axis = min(given["input"].tensor.ndim - 1, 1)
    return None if text is None else f"logs = log_softmax(input, {axis})\n{text}"


def _linear_cross_entropy(given: Arguments) -> str | None:
    """Return the cross entropy of a linear layer's scores, of one sort of classes."""
    left_out = -100 if given["ignore_index"] is None else given["ignore_index"]
    text = selections.picked({**given, "ignore_index": left_out})
    if text is None or given["input"].tensor.ndim != 2 or given["linear_weight"].tensor.ndim != 2:  # noqa: PLR2004
        return None
    scores = "input @ linear_weight.T" + ("" if given["linear_bias"] is None else " + linear_bias")
    return f"logs = log_softmax({scores}, 1)\n{text.replace('input.shape[1]', 'linear_weight.shape[0]')}"


def _nll(given: Arguments) -> str | None:
    text = selections.picked(given)
    return None if text is None else f"logs = input\n{text}"


def _cosine(given: Arguments) -> str | None:  # noqa: ARG001 (as the others)
    return "sum(x1*x2, dim)/(sqrt(sum(x1*x1, dim))*sqrt(sum(x2*x2, dim)))"


def _normalize(given: Arguments) -> str | None:
    return "input/sqrt(sum(input*input, dim, keepdim=True))" if given["p"] == 2 else None  # noqa: PLR2004 (Euclid's)


def _binary_cross_entropy(given: Arguments) -> str | None:
    loss = "loss = -(target*log(input) + (1 - target)*log(1 - input))"
    return None if given["weight"] is not None else f"{loss}\n{REDUCED[given['reduction']]}"


def _soft_margin(given: Arguments) -> str | None:
    return f"loss = log(1 + exp(-target*input))\n{REDUCED[given['reduction']]}"


def _softplus(given: Arguments) -> str | None:
    return "log(1 + exp(input))" if given["beta"] == 1 else "log(1 + exp(beta*input))/beta"


def _mish(given: Arguments) -> str | None:  # noqa: ARG001 (as the others)
    return "input*tanh(log(1 + exp(input)))"


def _corrcoef(given: Arguments) -> str | None:
    lines = ["d = input - mean(input, 1, True)", "u = d/sqrt(sum(d*d, 1, True))", "u @ mT(u)"]
    return "\n".join(lines) if given["input"].tensor.ndim == 2 else None  # noqa: PLR2004 (variables by their samples)


def _scaled_bessel(function: str) -> Callable[[Arguments], str | None]:
    return lambda _: f"exp(-abs(input))*{function}(input)"


def _nothing(given: Arguments) -> str | None:  # noqa: ARG001 (as the others)
    return None


def _is_masked(given: Arguments) -> bool:
    """Tell whether a mask is of its tensor's own shape: the result of a larger one has the mask's."""
    return isinstance(given["mask"], TracedTensor) and given["mask"].tensor.ndim <= given["input"].tensor.ndim


def _first(*several: Callable[[Arguments], str | None]) -> Callable[[Arguments], str | None]:
    """Return the first definition that there is."""
    return lambda given: next((text for define in several if (text := define(given)) is not None), None)


ALONG = {"max": choices.along("max"), "min": choices.along("min"), "median": choices.median_along}


def _logcumsumexp(given: Arguments) -> str | None:  # noqa: ARG001 (as the others)
    return "m = logcumsumexp(detach(input), dim); exp(-m)*cumsum(exp(input), dim) - 1 + m"


PLAIN: Mapping[str, Callable[[Arguments], str | None]] = {
    "fmod": lambda _: "input - trunc(input/other)*other",
    "remainder": lambda _: "input - floor(input/other)*other",
    "scaled_dot_product_attention": _attention,
    "cross_entropy": _cross_entropy,
    "nll_loss": _nll,
    "index_add": selections.added,
    "index_put": selections.put,
    "scatter_add": selections.scattered,
    "special.i0e": _scaled_bessel("i0"),
    "special.i1e": _scaled_bessel("special.i1"),
    "masked_fill": lambda given: "where(mask, value, input)" if _is_masked(given) else None,
    "kthvalue": choices.kth,
    "corrcoef": _corrcoef,
    "linalg.vander": lambda _: "unsqueeze(x, -1)**arange(x.shape[-1] if N is None else N)",
    **fourier.DEFINED,
    **{name: _first(choices.shared(name), along) for name, along in ALONG.items()},
    **{name: choices.shared(name) for name in choices.EXTREMES.keys() - ALONG.keys()},
}
# These hold inside of a domain, and to the last digit of double precision where a definition takes a limit instead.
INSIDE: Mapping[str, Callable[[Arguments], str | None]] = {
    "cosine_similarity": _cosine,
    "normalize": _normalize,
    "binary_cross_entropy": _binary_cross_entropy,
    "softplus": _softplus,
    "soft_margin_loss": _soft_margin,
    "mish": _mish,
    "scaled_dot_product_attention": _masked_attention,
    "sinc": lambda _: "sin(pi*input)/(pi*input)",
    "logcumsumexp": _logcumsumexp,
    **usual_points.DEFINED,
    **picked_entries.DEFINED,
    "index_fill": selections.filled,
    "index_copy": selections.copied,
    "scatter": selections.overwritten,
    "take": selections.taken,
    "embedding_bag": selections.bagged,
    "multi_margin_loss": selections.margins,
    "cdist": choices.farthest,
    **convolutions.TRANSPOSED,
    **masked.DEFINED,
    "linear_cross_entropy": _linear_cross_entropy,
    **{name: _first(choices.single(name), *([ALONG[name]] if name in ALONG else [])) for name in choices.EXTREMES},
}
# These are differentiated twice: what they are made of has a derivative of its own.
TWICE: Mapping[str, Callable[[Arguments], str | None]] = {"nan_to_num": usual_points.finite}
# The ops whose results formulas call by their names, where these have such a definition.
STANDING = frozenset({"logcumsumexp", "linalg.pinv", "pinverse", "special.log_ndtr", "aminmax"})
# The parameters of these ops that choose between cases.
CONSTANTS = ("threshold", "eps")


def _name(value: Any) -> str:
    return value.name or value.text if isinstance(value, TracedTensor) else str(value)


def _linear(given: Arguments) -> str:
    x = _name(given["input"])
    scaled = x if given["beta"] == 1 else f"{given['beta']:g}*{x if x.isidentifier() else f'({x})'}"
    return f"where {scaled} > {given['threshold']:g}, softplus is {x}"


def _divided(name: str) -> Callable[[Arguments], str]:
    return lambda given: f"where a norm is below {given['eps']:g}, {name} divides by {given['eps']:g}"


# What the definitions leave out that hold inside of a domain, in words.
CASES: Mapping[str, Callable[[Arguments], str]] = {
    "cosine_similarity": _divided("cosine_similarity"),
    "normalize": _divided("normalize"),
    "masked.normalize": _divided("masked.normalize"),
    "binary_cross_entropy": lambda _: "where a logarithm is below -100, binary_cross_entropy takes -100",
    "softplus": _linear,
    "sinc": lambda given: f"where {_name(given['input'])} is near 0, sinc is its series",
    "scaled_dot_product_attention": lambda _: "where a query has no key, attention is 0",
    "mish": lambda given: f"where {_name(given['input'])} > 20, softplus in mish is {_name(given['input'])}",
    "linalg.pinv": lambda given: f"where {_name(given['A'])} is not of full rank",
    "pinverse": lambda given: f"where {_name(given['input'])} is not of full rank",
    "copysign": lambda given: f"where {_name(given['other'])} is 0, which has a sign too",
    "aminmax": choices.tied("aminmax"),
    "masked.amax": choices.tied("masked.amax"),
    "masked.amin": choices.tied("masked.amin"),
    **{name: choices.tied(name) for name in choices.EXTREMES},
}
