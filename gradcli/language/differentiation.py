"""`backward()` and `torch.autograd.grad(...)` in a program: where its run ends, and what comes after that."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradcli.language.expressions import translate
from gradcli.language.names import dotted
from gradcli.language.program import Differentiate, Expression
from gradcli.language.source import Source

_GRAD = (("torch", "autograd", "grad"), ("autograd", "grad"), ("grad",))
# The arguments of `backward` and of `grad` in their order, those that name tensors first.
_BACKWARD = ("gradient", "retain_graph", "create_graph", "inputs")
_OF_GRAD = ("outputs", "inputs", "grad_outputs", "retain_graph", "create_graph", "only_inputs", "allow_unused")


def find_call(node: ast.AST) -> ast.Call | None:
    """Return the first call in a statement that differentiates, in the order in which they would run."""
    calls = [
        inner for inner in ast.walk(node) if isinstance(inner, ast.Call) and (is_backward(inner) or is_grad(inner))
    ]
    return calls[-1] if calls else None  # the innermost of those inside each other comes last


def is_backward(call: ast.Call) -> bool:
    """Tell whether a call is `loss.backward()`, or `torch.autograd.backward(loss)`."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "backward"


def is_grad(call: ast.Call) -> bool:
    """Tell whether a call is of `torch.autograd.grad`; `torch.func.grad` has only the function."""
    return dotted(call.func) in _GRAD and len(call.args) + len(call.keywords) > 1


def build_differentiate(call: ast.Call, source: Source) -> Differentiate:
    """Return what a call differentiates, with respect to what, and with which upstream gradient."""
    span = source.span(call)
    if is_grad(call) or _is_function(call):
        given = _arguments(call, _OF_GRAD if is_grad(call) else ("tensors", "grad_tensors", *_BACKWARD[1:]), source)
        output = given.get("outputs") or given.get("tensors")
        upstream = given.get("grad_outputs") or given.get("grad_tensors")
    else:
        assert isinstance(call.func, ast.Attribute)  # noqa: S101 (it is a method)
        given = _arguments(call, _BACKWARD, source)
        output, upstream = call.func.value, given.get("gradient")
    if output is None:
        raise source.error("what is differentiated is missing", call, "write `loss.backward()`")
    unused = given.get("allow_unused")
    return Differentiate(
        _one(output, source),
        None if upstream is None else _one(upstream, source),
        _translated(given.get("inputs"), source),
        span,
        allow_unused=isinstance(unused, ast.Constant) and unused.value is True,
    )


def _is_function(call: ast.Call) -> bool:
    return dotted(call.func) in (("torch", "autograd", "backward"), ("autograd", "backward"))


def _arguments(call: ast.Call, names: Sequence[str], source: Source) -> dict[str, ast.expr]:
    if len(call.args) > len(names):
        raise source.error("too many arguments", call.args[len(names)])
    given = dict(zip(names, call.args, strict=False))
    for keyword in call.keywords:
        known = {*names, "is_grads_batched", "materialize_grads"}
        if keyword.arg not in known:
            raise source.error(f"there is no argument '{keyword.arg}'", keyword, f"there are {', '.join(names)}")
        given[keyword.arg or ""] = keyword.value
    return given


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
    call = find_call(first)
    if call is None:
        return
    nested = [inner for inner in _differentiating(first) if inner is not call]
    tainted = {"grad"} if _keeps_graph(call) and is_backward(call) else set()
    tainted |= _assigned(first) if _keeps_graph(call) and is_grad(call) else set()
    if nested and _keeps_graph(call):
        _note_further(nested[0], source)
        return
    for statement in rest:
        again = next(_differentiating(statement), None)
        if again is not None and tainted & _words(statement):
            _note_further(again, source)
            return
        if again is not None:
            _note_again(call, source)
            return
        if tainted & _words(statement):
            tainted |= _assigned(statement)


def _note_further(call: ast.Call, source: Source) -> None:
    if source.session.further is None:
        source.session.further = source.span(call)


def _note_again(call: ast.Call, source: Source) -> None:
    written = source.quoted(source.span(call))
    note = (
        f"the program differentiates more than once; these are the gradients of the first, `{written}`: "
        "`gradcli double-backward` shows what a second backward does, `gradcli accumulate` what adds up in .grad"
    )
    if note not in source.session.notes:
        source.session.notes.append(note)


def _differentiating(node: ast.AST) -> Iterator[ast.Call]:
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Call) and (is_backward(inner) or is_grad(inner)))


def _keeps_graph(call: ast.Call) -> bool:
    """Tell whether a gradient has a graph of its own: `create_graph=True`."""
    place = _OF_GRAD.index("create_graph") if is_grad(call) else _BACKWARD.index("create_graph")
    given = [keyword.value for keyword in call.keywords if keyword.arg == "create_graph"] or call.args[
        place : place + 1
    ]
    return any(not (isinstance(value, ast.Constant) and not value.value) for value in given)


def _assigned(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)}


def _words(node: ast.AST) -> set[str]:
    """Return the names and attributes that a statement reads."""
    names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)}
    return names | {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
