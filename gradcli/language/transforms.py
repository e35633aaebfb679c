"""What differentiates a function: `jacobian(f, x)`, `torch.func.grad(f)(x)`, `gradcheck(f, x)`.

It is read as what the function computes of these inputs, differentiated by them; the command that shows the same is
kept.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gradcli.language.expressions import translate
from gradcli.language.makers import CALL
from gradcli.language.names import dotted
from gradcli.language.program import (
    Assign,
    Call,
    Differentiate,
    Expression,
    GradMode,
    Leaf,
    Name,
    Sequence,
    Starred,
    Statement,
)
from gradcli.language.source import Source


@dataclass(frozen=True, slots=True)
class Transform:
    """The command that shows what a function such as `jacobian` gives, None for each; and how it is called."""

    command: str | None
    is_curried: bool = False
    """Whether it returns a function: `grad(f)(x)`."""


_FUNCTIONAL: Mapping[str, Transform] = {
    "jacobian": Transform("jacobian"),
    "hessian": Transform("hessian"),
    "vjp": Transform(None),
    "jvp": Transform("jvp"),
    "hvp": Transform("hessian"),
    "vhp": Transform("hessian"),
    "gradcheck": Transform("check"),
    "gradgradcheck": Transform("double-backward"),
}
_CURRIED: Mapping[str, Transform] = {
    "grad": Transform(None, is_curried=True),
    "value_and_grad": Transform(None, is_curried=True),
    "grad_and_value": Transform(None, is_curried=True),
    "jacrev": Transform("jacobian", is_curried=True),
    "jacfwd": Transform("jacobian", is_curried=True),
    "hessian": Transform("hessian", is_curried=True),
}
_DIFFERENTIATING = frozenset({*_FUNCTIONAL, *_CURRIED, "vmap"})
_SPACES = frozenset({"torch", "autograd", "functional", "func", "functorch", "gradcheck"})


def find_transform(node: ast.stmt, source: Source) -> tuple[ast.Call, Transform] | None:
    """Return the first call in a statement that differentiates a function."""
    for inner in ast.walk(node) if source.mentions(_DIFFERENTIATING) else ():
        if isinstance(inner, ast.Call):
            found = _transform(inner, source)
            if found is not None:
                return inner, found
    return None


def is_value(call: ast.Call, transform: Transform, node: ast.stmt, source: Source) -> bool:
    """Tell whether a program computes with what `grad(f)(x)` gives, and differentiates that."""
    function = call.func if transform.is_curried else call
    name = (dotted(function.func) or ("",))[-1] if isinstance(function, ast.Call) else ""
    return name in ("grad", "vmap") and id(node) in source.session.computed


def _transform(call: ast.Call, source: Source) -> Transform | None:
    if isinstance(call.func, ast.Call) and _mapped(call.func) is not None and call.args:
        return Transform("jacobian", is_curried=True)
    if isinstance(call.func, ast.Call):
        return _named(call.func, _CURRIED, source) if call.args and call.func.args else None
    return _named(call, _FUNCTIONAL, source) if len(call.args) > 1 else None


def _named(call: ast.Call, known: Mapping[str, Transform], source: Source) -> Transform | None:
    parts = dotted(call.func) or ("",)
    is_ours = set(parts[:-1]) <= _SPACES and parts[-1] not in source.session.assigned
    return known.get(parts[-1]) if is_ours else None


def build_transform(call: ast.Call, transform: Transform, source: Source) -> Statement:
    """Return what the function computes, differentiated by its inputs."""
    span = source.span(call)
    inner = call.func if transform.is_curried else call
    assert isinstance(inner, ast.Call)  # noqa: S101 (it is one)
    function = translate(_mapped(inner) or inner.args[0], source)
    given = call.args if transform.is_curried else _items(call.args[1])
    names, statements = [], []
    for place, node in enumerate(given):
        name = _bound(node, place, len(given), source)
        value: Expression = name if isinstance(node, ast.Name) else translate(node, source)
        statements.append(Assign((name,), Leaf(value, value.span, is_tree=True), span))
        names.append(name)
    arguments = tuple(Starred(name, name.span) if name.name in source.session.tuples else name for name in names)
    upstream = translate(call.args[2], source) if _takes_upstream(call) else None
    output = Call(CALL, (function, *arguments), (), span, span, method=True)
    source.session.command = source.session.command or transform.command
    wrt = Sequence(_wrt(names, inner), span, is_list=False)
    differentiate = Differentiate(output, upstream, wrt, span, allow_unused=True)
    return GradMode(enabled=True, body=(*statements, differentiate), span=span)


def _mapped(call: ast.Call) -> ast.expr | None:
    """Return `vmap(f, ...)` for `vmap(grad(f), ...)`: the gradients of the samples are the rows of its Jacobian."""
    inner = call.args[0] if call.args and (dotted(call.func) or ("",))[-1] == "vmap" else None
    if not isinstance(inner, ast.Call) or (dotted(inner.func) or ("",))[-1] not in ("grad", "jacrev") or not inner.args:
        return None
    return ast.copy_location(ast.Call(call.func, [inner.args[0], *call.args[1:]], call.keywords), call)


def _takes_upstream(call: ast.Call) -> bool:
    return (dotted(call.func) or ("",))[-1] == "vjp" and len(call.args) > 2  # noqa: PLR2004 (f, inputs, v)


def _items(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]


def _bound(node: ast.expr, place: int, count: int, source: Source) -> Name:
    """Return what an input is called: by its own name, else as PyTorch calls its argument."""
    span = source.span(node)
    if isinstance(node, ast.Name):
        return Name(node.id, span)
    return Name("inputs" if count == 1 else f"inputs{place}", span)


def _wrt(names: list[Name], call: ast.Call) -> tuple[Name, ...]:
    """Return the inputs that are differentiated by: those that `argnums` says, of `grad` the first."""
    if _mapped(call) is not None:
        call = call.args[0]  # type: ignore[assignment]  # it is a call
    curried = (dotted(call.func) or ("",))[-1] in _CURRIED and len(call.args) == 1
    given = [keyword.value for keyword in call.keywords if keyword.arg == "argnums"]
    places = list(_places(given[0])) if given else [0] if curried else range(len(names))
    return tuple(names[place] for place in places if place < len(names))


def _places(node: ast.expr) -> Iterator[int]:
    for item in _items(node):
        if isinstance(item, ast.Constant) and isinstance(item.value, int):
            yield item.value
