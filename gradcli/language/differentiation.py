"""`backward()` and `torch.autograd.grad(...)` in a program: where its run ends, and what comes after that."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from gradcli.language.expressions import translate
from gradcli.language.gradients import (
    BACKWARD,
    DIFFERENTIATING,
    OF_GRAD,
    arguments_of,
    assigned_in,
    differentiating,
    is_backward,
    is_computed,
    is_grad,
    keeps_graph,
    words_in,
)
from gradcli.language.names import dotted
from gradcli.language.program import Differentiate, Expression
from gradcli.language.source import Source


def find_call(node: ast.AST, source: Source) -> ast.Call | None:
    """Return the first call in a statement that differentiates, in the order in which they would run.

    It is none with whose result the program goes on to compute.
    """
    if not source.mentions(DIFFERENTIATING):
        return None
    calls = [call for call in differentiating(node) if id(call) not in source.session.inner]
    return calls[-1] if calls else None  # the innermost of those inside each other comes last


def in_a_loop(node: ast.stmt, source: Source) -> ast.For | None:
    """Return the loop that a comprehension is which differentiates: `[grad(g[i], x) for i in range(n)]`."""
    for part in ast.walk(node) if source.mentions(DIFFERENTIATING) else ():
        if isinstance(part, (ast.ListComp, ast.GeneratorExp)) and (call := find_call(part.elt, source)) is not None:
            first = part.generators[0]
            body: list[ast.stmt] = [ast.copy_location(ast.Expr(call), call)]
            return ast.copy_location(ast.For(first.target, first.iter, body, []), node)
    return None


def build_differentiate(call: ast.Call, source: Source) -> Differentiate:
    """Return what a call differentiates, with respect to what, and with which upstream gradient."""
    span = source.span(call)
    if is_grad(call) or _is_function(call):
        given = arguments_of(call, OF_GRAD if is_grad(call) else ("tensors", "grad_tensors", *BACKWARD[1:]), source)
        output = given.get("outputs") or given.get("tensors")
        upstream = given.get("grad_outputs") or given.get("grad_tensors")
    else:
        assert isinstance(call.func, ast.Attribute)  # noqa: S101 (it is a method)
        given = arguments_of(call, BACKWARD, source)
        output, upstream = call.func.value, given.get("gradient")
    if output is None:
        raise source.error("what is differentiated is missing", call, "write `loss.backward()`")
    unused = given.get("allow_unused")
    if any(word.arg == "is_grads_batched" for word in call.keywords):
        source.session.command, upstream = source.session.command or "jacobian", None
    return Differentiate(
        _one(output, source),
        None if upstream is None else _one(upstream, source),
        _translated(given.get("inputs"), source),
        span,
        allow_unused=isinstance(unused, ast.Constant) and unused.value is True,
    )


def _is_function(call: ast.Call) -> bool:
    return dotted(call.func) in (("torch", "autograd", "backward"), ("autograd", "backward"))


def _one(node: ast.expr, source: Source) -> Expression:
    """Return a tensor's expression: a list of one is that one; of several, gradcli differentiates one at a time."""
    if isinstance(node, (ast.List, ast.Tuple)):
        if len(node.elts) != 1:
            hint = "add them up: the gradient of a sum is the sum of the gradients"
            raise source.error("several outputs are differentiated at once", node, hint)
        node = node.elts[0]
    return translate(node, source)


def _translated(node: ast.expr | None, source: Source) -> Expression | None:
    return None if node is None else translate(node, source)


def note_what_follows(first: ast.stmt, rest: Sequence[ast.stmt], source: Source) -> None:
    """Look at the statements after the first that differentiates, which are not read: do they differentiate again?"""
    call = find_call(first, source)
    if call is None:
        return
    nested = [inner for inner in differentiating(first) if inner is not call]
    tainted = {"grad"} if keeps_graph(call) and is_backward(call) else set()
    tainted |= assigned_in(first) if keeps_graph(call) and is_grad(call) else set()
    if nested and keeps_graph(call):
        _note_further(nested[0], source)
        return
    for statement in rest:
        again = next(differentiating(statement), None)
        if again is not None and tainted & words_in(statement):
            _note_further(again, source)
            return
        if again is not None:
            _note_again(call, source)
            return
        if tainted & words_in(statement):
            tainted |= assigned_in(statement)
    if rest and tainted & words_in(rest[-1]) and is_computed(rest[-1]):
        _note_uncomputed(call, rest[-1], source)


def _note_further(call: ast.Call, source: Source) -> None:
    if source.session.further is None:
        source.session.further = source.span(call)


def _note_uncomputed(call: ast.Call, node: ast.stmt, source: Source) -> None:
    written, last = (source.quoted(source.span(part)) for part in (call, node))
    note = (
        f"the run ends with `{written}`, and these are its gradients: `{last}` after it is not computed; "
        "`.backward()` of it differentiates that"
    )
    source.session.notes.append(note)


def _note_again(call: ast.Call, source: Source) -> None:
    written = source.quoted(source.span(call))
    note = (
        f"the program differentiates more than once; these are the gradients of the first, `{written}`: "
        "`gradcli double-backward` shows what a second backward does, `gradcli accumulate` what adds up in .grad"
    )
    if note not in source.session.notes:
        source.session.notes.append(note)
