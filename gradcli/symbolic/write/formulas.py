"""The answer to a sketch: a formula for the gradient of every tensor in it, as long as the time allows.

A formula is one of these, the first that can be written:

- PyTorch for the whole gradient, in terms of the leaves: `w3/4 + 1/4`, `A.T @ B`. It broadcasts to the tensor's shape.
- one entry of it in index notation, which Python could run: `[p, q]: sum(X[i, p]*W[p, q] for i in range(2))`.
- the last step of the chain rule: `grad(y)*(1 - tanh(z)**2)`, where grad(y) is the gradient of y, a tensor made of this
  one, and tensors in it are called by their names in the program.

`grad_output` is the upstream gradient, where it is not one number.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import sympy
from sympy import Expr, Symbol

from gradcli.symbolic.derive.translate import number
from gradcli.symbolic.write.compose import Composition
from gradcli.symbolic.write.index_printer import IndexNotation, entry_text
from gradcli.symbolic.write.printer import NotWritableError
from gradcli.symbolic.write.scope import NoFormulaError, Scope, Template
from gradcli.symbolic.write.softmax import has_nameless
from gradcli.symbolic.write.tensor_printer import TensorNotation
from gradcli.symbolic.write.tidy import tidy

UPSTREAM = "grad_output"
UPSTREAM_PREFIX = "u"
AGAIN = 0.1  # seconds until another exit, where sympy kept the first
LONGEST = 300  # characters; a longer formula is no help

Formula = dict[str, str]


class OutOfTimeError(BaseException):
    """The time for formulas is over."""


def formulas(sketch: dict[str, Any], seconds: float) -> dict[str, Formula]:
    """Return formula and LaTeX by name of tensor, of those that were found in time."""
    found: dict[str, Formula] = {}
    with suppress(OutOfTimeError), time_limit(seconds):
        for name, formula in _found(sketch):
            found[name] = formula  # noqa: PERF403 (what was found in time is kept)
    return found


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in the block after a number of seconds."""

    def stop(_: int, __: FrameType | None) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _found(sketch: dict[str, Any]) -> Iterator[tuple[str, Formula]]:
    """Yield every formula as it is found: those of single calls, then each tensor's, in terms of the leaves first."""
    yield from _of_calls(sketch)
    missing: dict[str, int] = dict(sketch["wanted"])
    composition = _composed(sketch, softmax=True)
    yield from _taken(missing, lambda place: _global(composition, place))
    if missing and composition.softmaxes:
        plain = _composed(sketch, softmax=False)
        yield from _taken(missing, lambda place: _global(plain, place))
    yield from _taken(missing, lambda place: _local(sketch, place))


def _taken(missing: dict[str, int], formula: Callable[[int], Formula | None]) -> Iterator[tuple[str, Formula]]:
    """Yield the formulas that there are, and take their tensors off the list of those that miss one."""
    for name, place in list(missing.items()):
        found = formula(place)
        if found is not None:
            del missing[name]
            yield name, found


def _composed(sketch: dict[str, Any], *, softmax: bool) -> Composition:
    """Return all adjoints of a sketch."""
    composition = Composition(Scope(), sketch["nodes"], {})
    if softmax:
        composition.with_softmax()
    composition.run(reversed(range(len(sketch["nodes"]))), {sketch["output"]: _upstream(sketch, composition)})
    return composition


def _upstream(sketch: dict[str, Any], composition: Composition) -> Template:
    shape = composition.shape(sketch["output"])
    if sketch["upstream"] is None:
        return composition.scope.tensor(sketch["output"], "v", UPSTREAM, shape)
    return Template(composition.scope.fresh(shape), number(sketch["upstream"]))


def _global(composition: Composition, place: int) -> Formula | None:
    if place in composition.blocked:
        return None
    adjoint = composition.adjoints.get(place, Template(composition.scope.fresh(composition.shape(place)), sympy.S.Zero))
    return write(composition.scope, adjoint)


def _local(sketch: dict[str, Any], place: int) -> Formula | None:
    """Return the last step of the chain rule for one tensor, summed over all calls that read it."""
    scope = Scope()
    symbols = scope.fresh(sketch["nodes"][place]["shape"])
    body = sympy.S.Zero
    for group in sketch["groups"]:
        if place in group["inputs"]:
            part = _through_call(scope, sketch["nodes"], group, place)
            if part is None:
                return None
            body += part.at(symbols)
    return write(scope, Template(symbols, body))


def _of_calls(sketch: dict[str, Any]) -> Iterator[tuple[str, Formula]]:
    """Yield the formulas of what single calls contribute: local derivatives (upstream gradient 1) where asked."""
    for key, call in sketch.get("calls", {}).items():
        attempts = (_of_call(sketch, call, softmax=softmax) for softmax in (True, False))
        found = next((formula for formula in attempts if formula is not None), None)
        if found is not None:
            yield key, found


def _of_call(sketch: dict[str, Any], call: dict[str, Any], *, softmax: bool) -> Formula | None:
    scope, group = Scope(), sketch["groups"][call["group"]]
    with suppress(NoFormulaError):
        part = _through_call(scope, sketch["nodes"], group, call["input"], local=call["local"], softmax=softmax)
        return None if part is None else write(scope, part)
    return None


def _through_call(
    scope: Scope,
    nodes: list[dict[str, Any]],
    group: dict[str, Any],
    place: int,
    *,
    local: bool = False,
    softmax: bool = False,
) -> Template | None:
    """Return what one call contributes to the gradient of one of its operands.

    As a local derivative, the gradient of the call's result is 1. With `softmax`, exponentials are written as one.
    """

    def stand_in(node: int, prefix: str, form: str) -> Template:
        shape = tuple(nodes[node]["shape"])
        if local and prefix == UPSTREAM_PREFIX:
            return Template(scope.fresh(shape), sympy.S.One)
        return scope.tensor(node, prefix, form.format(nodes[node]["name"]), shape)

    cut = {node: stand_in(node, "t", "{}") for node in group["inputs"]}
    composition = Composition(scope, nodes, cut)
    if softmax:
        composition.with_softmax()
    outputs = [node for node in group["outputs"] if node not in group["inputs"]]
    upstream = {node: stand_in(node, UPSTREAM_PREFIX, "grad({})") for node in outputs}
    composition.run(reversed(group["nodes"]), upstream)
    return None if place in composition.blocked else composition.adjoints.get(place)


def write(scope: Scope, adjoint: Template) -> Formula | None:
    """Return an adjoint's formula in the best notation that it has."""
    body = tidy(adjoint.body)
    if has_nameless(scope, body):
        return None
    for notation in (_whole, _entry):
        with suppress(NotWritableError, NoFormulaError):
            text, latex = notation(scope, adjoint.symbols, body)
            return {"formula": text, "latex": latex} if len(text) <= LONGEST else None
    return None


def _whole(scope: Scope, symbols: tuple[Expr, ...], body: Expr) -> tuple[str, str]:
    shown = TensorNotation(scope, symbols).whole(body)
    return shown.text, shown.latex


def _entry(scope: Scope, symbols: tuple[Expr, ...], body: Expr) -> tuple[str, str]:
    notation = IndexNotation(scope, [index for index in symbols if isinstance(index, Symbol)])
    return entry_text(notation.write(body), notation, symbols)
