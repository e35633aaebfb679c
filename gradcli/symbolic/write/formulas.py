"""The answer to a formula request: a formula for every gradient that is wanted, as long as the time allows.

A formula is one of these, the first that can be written:

- PyTorch for the whole gradient, in terms of the leaves: `w3/4 + 1/4`, `A.T @ B`. It broadcasts to the tensor's shape.
- one entry of it in index notation, which Python could run: `[p, q]: sum(X[i, p]*W[p, q] for i in range(2))`.
- the last step of the chain rule: `grad(y)*(1 - tanh(z)**2)`, where grad(y) is the gradient of y, a tensor that
  depends on this one, and tensors in it are called by their names in the program.

`grad_output`, or what the request calls it, is the upstream gradient, where it is not one number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeAlias

import sympy
from sympy import Expr

from gradcli.derivation.formulas import (
    LONGEST,
    UNIT,
    CallNodes,
    Formula,
    FormulaNode,
    FormulaRequest,
    WantedContribution,
)
from gradcli.symbolic.derive.translate import number
from gradcli.symbolic.write.compose import Composition
from gradcli.symbolic.write.polished import polished
from gradcli.symbolic.write.printer import NotWritableError
from gradcli.symbolic.write.scope import NoFormulaError, Scope, Template
from gradcli.symbolic.write.second import curved, differentiated, mapped, pushed
from gradcli.symbolic.write.single_entries import with_entry, written_entry
from gradcli.symbolic.write.softmax import has_nameless
from gradcli.symbolic.write.tangents import Tangents
from gradcli.symbolic.write.tensor_printer import TensorNotation
from gradcli.symbolic.write.time_limit import OutOfTimeError, time_limit

UPSTREAM_PREFIX = "u"
TENSOR_PREFIX = "t"
TANGENT_PREFIX = "d"
Derivative: TypeAlias = Callable[[Composition], Template]


def formulas(request: FormulaRequest) -> dict[str, Formula]:
    """Return the formulas that were found in time, by name of tensor and by key of contribution."""
    return formulas_in_time(request)[0]


def formulas_in_time(request: FormulaRequest) -> tuple[dict[str, Formula], bool]:
    """Return the same, and whether the time was enough to look for all of them."""
    found: dict[str, Formula] = {}
    with suppress(OutOfTimeError), time_limit(request.seconds):
        for name, formula in _found(request):
            found[name] = formula  # noqa: PERF403 (what was found in time is kept)
        return found, True
    return found, False


def _found(request: FormulaRequest) -> Iterator[tuple[str, Formula]]:
    """Yield every formula as it is found: those of single calls, then each tensor's, in terms of the leaves first."""
    yield from _contributions(request)
    missing = dict(request.wanted)
    composition = _composed(request, softmax=True)
    plain = _composed(request, softmax=False) if request.entries else None

    def whole(composed: Composition, place: int) -> Formula | None:
        return _shown(request, partial(_adjoint, place=place), composed, plain)

    yield from _taken(missing, lambda place: whole(composition, place))
    jacobians = [(name, partial(_jacobian, request, place=place)) for name, place in request.mapped]
    yield from _each(request, jacobians, composition, plain)
    if request.pushed:
        yield from _pushed(request, request.pushed, composition, plain)
    if request.second or request.curved or (missing and composition.softmaxes):
        other = plain or _composed(request, softmax=False)
        yield from _taken(missing, lambda place: whole(other, place))
        yield from _second(request, other)
    if request.closed:
        return
    leading = _leading_to_output(request)
    calls = [call for call in request.calls if leading.intersection(call.outputs)]
    yield from _taken(missing, lambda place: _local(request, calls, place))


def _taken(missing: dict[str, int], formula: Callable[[int], Formula | None]) -> Iterator[tuple[str, Formula]]:
    """Yield the formulas that there are, and take their tensors off the list of those that miss one."""
    for name, place in list(missing.items()):
        found = formula(place)
        if found is not None:
            del missing[name]
            yield name, found


def _composed(request: FormulaRequest, *, softmax: bool) -> Composition:
    """Return all adjoints of a request."""
    symmetric = {f"{TENSOR_PREFIX}{place:05d}" for place in request.symmetric}
    positive = {f"{TENSOR_PREFIX}{place:05d}" for place in request.positive}
    scope = Scope(lengths=request.lengths, names_constants=request.closed, symmetric=symmetric, positive=positive)
    composition = Composition(
        scope, request.nodes, {}, is_differentiated=not softmax, is_spelled=request.entries and not softmax
    )
    composition = composition.with_softmax() if softmax else composition
    composition.run(reversed(range(len(request.nodes))), {request.output: _upstream(request, composition.scope)})
    return composition


def _upstream(request: FormulaRequest, scope: Scope) -> Template:
    shape = request.nodes[request.output].shape
    if request.upstream is None:
        return scope.tensor(request.output, "v", request.upstream_name, shape)
    return Template(scope.fresh(shape), number(request.upstream))


def _adjoint(composition: Composition, *, place: int) -> Template:
    """Return a node's adjoint, 0 where the output does not depend on it; NoFormulaError if it has none."""
    if place in composition.blocked:
        raise NoFormulaError
    zero = Template(composition.scope.fresh(composition.shape(place)), sympy.S.Zero)
    return composition.adjoints.get(place, zero)


def _shown(
    request: FormulaRequest,
    derivative: Derivative,
    composition: Composition,
    plain: Composition | None,
) -> Formula | None:
    """Return the formula of a derivative, with one entry as it is of the `plain` composition where that is asked for.

    None if it has none in this composition.
    """
    with suppress(NoFormulaError):
        formula = write(composition.scope, derivative(composition), request.longest)
        if formula is None or plain is None:
            return formula
        with suppress(NoFormulaError):
            return with_entry(formula, plain.scope, derivative(plain))
        return formula
    return None


def _each(
    request: FormulaRequest,
    derivatives: Iterable[tuple[str, Derivative]],
    composition: Composition,
    plain: Composition | None,
) -> Iterator[tuple[str, Formula]]:
    """Yield the formulas of derivatives, of each that can be written."""
    for name, derivative in derivatives:
        formula = _shown(request, derivative, composition, plain)
        if formula is not None:
            yield name, formula


def _second(request: FormulaRequest, plain: Composition) -> Iterator[tuple[str, Formula]]:
    """Yield the second derivatives that are wanted, each that can be written."""
    along = _tangents(request, plain)
    twice = [(name, partial(_differentiated, row=row, column=column)) for name, row, column in request.second]
    moved = [(name, partial(curved, along=along, place=place)) for name, place in request.curved]
    yield from _each(request, [*twice, *moved], plain, plain if request.entries else None)


def _differentiated(composition: Composition, *, row: int, column: int) -> Template:
    return differentiated(composition, _adjoint(composition, place=row), column)


def _jacobian(request: FormulaRequest, composition: Composition, *, place: int) -> Template:
    return mapped(composition, _upstream(request, composition.scope), request.output, place)


def _pushed(
    request: FormulaRequest, name: str, composition: Composition, plain: Composition | None
) -> Iterator[tuple[str, Formula]]:
    """Yield the output's derivative along the tangents in the first of the ways in which it can be written.

    It is composed forward, else it is the transpose of the gradients; with softmaxes, else without.
    """
    for softmax in dict.fromkeys([bool(composition.softmaxes), False]):
        there = composition if softmax == bool(composition.softmaxes) else _composed(request, softmax=False)
        ways = [(name, partial(way, request)) for way in (_forward, _transposed)]
        found = next(_each(request, ways, there, plain), None)
        if found is not None:
            yield found
            return


def _forward(request: FormulaRequest, composition: Composition) -> Template:
    return Tangents(composition, _tangents(request, composition)).entry(request.output)


def _transposed(request: FormulaRequest, composition: Composition) -> Template:
    upstream = _upstream(request, composition.scope)
    return pushed(composition, _tangents(request, composition), upstream, request.output)


def _tangents(request: FormulaRequest, composition: Composition) -> dict[int, Template]:
    return {place: _tangent(composition.scope, name, place, request) for name, place in request.tangents}


def _tangent(scope: Scope, name: str, place: int, request: FormulaRequest) -> Template:
    shape = request.nodes[place].shape
    return (
        Template(scope.fresh(shape), sympy.S.One) if name == UNIT else scope.tensor(place, TANGENT_PREFIX, name, shape)
    )


def _leading_to_output(request: FormulaRequest) -> set[int]:
    """Return the nodes that the output depends on: a condition reads others too, whose gradient is 0."""
    leading = {request.output}
    for place in reversed(range(request.output + 1)):
        leading.update(request.nodes[place].inputs if place in leading else ())
    return leading


def _local(request: FormulaRequest, calls: Sequence[CallNodes], place: int) -> Formula | None:
    """Return the last step of the chain rule for one tensor, summed over all calls that read it."""
    scope = Scope()
    symbols = scope.fresh(request.nodes[place].shape)
    body = sympy.S.Zero
    for call in calls:
        if place in call.inputs:
            part = _through_call(scope, request.nodes, call, place)
            if part is None:
                return None
            body += part.at(symbols)
    return write(scope, Template(symbols, body))


def _contributions(request: FormulaRequest) -> Iterator[tuple[str, Formula]]:
    """Yield the formulas of what single calls contribute."""
    for contribution in request.contributions:
        attempts = (_contribution(request, contribution, softmax=softmax) for softmax in (True, False))
        formula = next((attempt for attempt in attempts if attempt is not None), None)
        if formula is not None:
            yield contribution.key, formula


def _contribution(request: FormulaRequest, wanted: WantedContribution, *, softmax: bool) -> Formula | None:
    scope, call = Scope(), request.calls[wanted.call]
    with suppress(NoFormulaError):
        part = _through_call(scope, request.nodes, call, wanted.input, local=wanted.local, softmax=softmax)
        return None if part is None else write(scope, part)
    return None


def _through_call(
    scope: Scope,
    nodes: Sequence[FormulaNode],
    call: CallNodes,
    place: int,
    *,
    local: bool = False,
    softmax: bool = False,
) -> Template | None:
    """Return what one call contributes to the gradient of one of its operands.

    As a local derivative, the gradient of the call's result is 1. With `softmax`, exponentials are written as one.
    """

    def stand_in(node: int, prefix: str, form: str) -> Template:
        shape = nodes[node].shape
        if local and prefix == UPSTREAM_PREFIX:
            return Template(scope.fresh(shape), sympy.S.One)
        return scope.tensor(node, prefix, form.format(nodes[node].name), shape)

    cut = {node: stand_in(node, "t", "{}") for node in call.inputs}
    composition = Composition(scope, nodes, cut)
    if softmax:
        composition.with_softmax()
    outputs = [node for node in call.outputs if node not in call.inputs]
    upstream = {node: stand_in(node, UPSTREAM_PREFIX, "grad({})") for node in outputs}
    composition.run(reversed(call.nodes), upstream)
    return None if place in composition.blocked else composition.adjoints.get(place)


def write(scope: Scope, adjoint: Template, longest: int = LONGEST) -> Formula | None:
    """Return an adjoint's formula in the best notation that it has, the first that is not too long."""
    ways = (_written(scope, adjoint.symbols, body, longest) for body in polished(scope, adjoint.body))
    return next((found for found in ways if found is not None), None)


def _written(scope: Scope, symbols: tuple[Expr, ...], body: Expr, longest: int) -> Formula | None:
    if has_nameless(scope, body):
        return None
    for notation in (_whole, written_entry):
        with suppress(NotWritableError, NoFormulaError):
            text, latex = notation(scope, symbols, body)
            return Formula(text, latex) if len(text) <= longest else None
    return None


def _whole(scope: Scope, symbols: tuple[Expr, ...], body: Expr) -> tuple[str, str]:
    shown = TensorNotation(scope, symbols).whole(body)
    return shown.text, shown.latex
