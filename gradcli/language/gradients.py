"""Calls of `backward()` and of `torch.autograd.grad(...)`, and the gradients that a program computes with."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradcli.language.built import Built
from gradcli.language.names import dotted
from gradcli.language.notebook import GROWING, LEAVING, SHOWING
from gradcli.language.program import Gradient
from gradcli.language.source import Source

# The words without which nothing in a text differentiates.
DIFFERENTIATING = frozenset({"backward", "grad"})
_GRAD = (("torch", "autograd", "grad"), ("autograd", "grad"), ("grad",))
# The arguments of `backward` and of `grad` in their order, those that name tensors first.
BACKWARD = ("gradient", "retain_graph", "create_graph", "inputs")
OF_GRAD = ("outputs", "inputs", "grad_outputs", "retain_graph", "create_graph", "only_inputs", "allow_unused")


def is_backward(call: ast.Call) -> bool:
    """Tell whether a call is `loss.backward()`, or `torch.autograd.backward(loss)`."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "backward"


def is_grad(call: ast.Call) -> bool:
    """Tell whether a call is of `torch.autograd.grad`; `torch.func.grad` has only the function."""
    return dotted(call.func) in _GRAD and len(call.args) + len(call.keywords) > 1


def arguments_of(call: ast.Call, names: Sequence[str], source: Source) -> dict[str, ast.expr]:
    """Return the arguments of a call by name; ProgramError for one that it does not have."""
    if len(call.args) > len(names):
        raise source.error("too many arguments", call.args[len(names)])
    given = dict(zip(names, call.args, strict=False))
    for keyword in call.keywords:
        known = {*names, "is_grads_batched", "materialize_grads"}
        if keyword.arg not in known:
            raise source.error(f"there is no argument '{keyword.arg}'", keyword, f"there are {', '.join(names)}")
        given[keyword.arg or ""] = keyword.value
    return given


def differentiating(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls in a statement that differentiate."""
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Call) and (is_backward(inner) or is_grad(inner)))


def keeps_graph(call: ast.Call) -> bool:
    """Tell whether a gradient has a graph of its own: `create_graph=True`."""
    place = OF_GRAD.index("create_graph") if is_grad(call) else BACKWARD.index("create_graph")
    given = [keyword.value for keyword in call.keywords if keyword.arg == "create_graph"] or call.args[
        place : place + 1
    ]
    return any(not (isinstance(value, ast.Constant) and not value.value) for value in given)


def assigned_in(node: ast.AST) -> set[str]:
    """Return the names that a statement assigns."""
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)}


def words_in(node: ast.AST) -> set[str]:
    """Return the names and attributes that a statement reads."""
    names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)}
    return names | {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}


def as_gradients(body: list[ast.stmt], place: int) -> list[ast.stmt] | None:
    """Return what follows `y.backward(create_graph=True)` with `grad(y, x)` in the place of `x.grad`.

    None for another statement, where nothing is computed with `.grad`, and where it is changed in place.
    """
    node = body[place]
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or not is_backward(call) or not keeps_graph(call):
        return None
    rest = body[place + 1 :]
    changes = [one for one in rest if {"zero_", "grad"} <= words_in(one)]
    output = last_computed(rest)
    goes_on = output is not None and "grad" in words_in(output)
    if changes or not (goes_on or any(next(differentiating(one), None) for one in rest)):
        return None
    return [one if only_shows(one) else _Kept(call).visit(one) for one in rest]


def only_shows(node: ast.stmt) -> bool:
    """Tell whether a statement is a call of `print` or its like."""
    shown = node.value if isinstance(node, ast.Expr) else None
    return isinstance(shown, ast.Call) and isinstance(shown.func, ast.Name) and shown.func.id in SHOWING


class _Kept(ast.NodeTransformer):
    """Puts the gradient in the place where it is read."""

    def __init__(self, call: ast.Call) -> None:
        self.call = call

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Return `grad(y, x, create_graph=True)[0]` for `x.grad`."""
        if node.attr != "grad" or not isinstance(node.ctx, ast.Load) or (dotted(node) or ("",))[-2:-1] == ("autograd",):
            self.generic_visit(node)
            return node
        assert isinstance(self.call.func, ast.Attribute)  # noqa: S101 (it is a method)
        upstream = self.call.args[:1] or [one.value for one in self.call.keywords if one.arg == "gradient"]
        keep = ast.keyword("create_graph", ast.Constant(value=True))
        function = ast.Attribute(
            ast.Attribute(ast.Name("torch", ast.Load()), "autograd", ast.Load()), "grad", ast.Load()
        )
        made = ast.Subscript(
            ast.Call(function, [self.call.func.value, node.value, *upstream], [keep]), ast.Constant(0), ast.Load()
        )
        for inner in ast.walk(made):
            if not hasattr(inner, "lineno"):
                ast.copy_location(inner, node)
        return made


def find_inner(body: Sequence[ast.stmt], source: Source, *, is_program: bool = False) -> None:
    """Note the gradients in a block that have a graph, and that the program differentiates or returns further on.

    The last statement of a whole program computes its output. A function or a loop is looked into when its own block is
    read.
    """
    if not source.mentions(DIFFERENTIATING | {"vmap"}):
        return
    output = last_computed(body) if is_program else None
    for node, is_used in _used(body, source, output):
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.With, ast.If, ast.Try)):
            _find_inner(node, source, is_used=is_used, is_output=node is output)


def _find_inner(node: ast.stmt, source: Source, *, is_used: bool, is_output: bool) -> None:
    found = list(differentiating(node))
    if found or is_used or is_output:
        source.session.computed.add(id(node))
    calls = [call for call in found if is_grad(call) and keeps_graph(call)]
    outer = [call for call in found if call not in calls]
    goes_on = is_used or is_output or (source.session.functions and isinstance(node, ast.Return))
    if calls and (outer or len(calls) > 1 or goes_on):
        inner = calls if outer or goes_on else calls[1:]
        source.session.inner.update(map(id, inner))


def last_computed(body: Sequence[ast.stmt]) -> ast.stmt | None:
    """Return a program's last statement where it computes with tensors, and does not only show or compare them."""
    last = next((node for node in reversed(body) if not only_shows(node)), None)
    return last if last is not None and is_computed(last) else None


def is_computed(node: ast.stmt) -> bool:
    """Tell whether a statement computes a tensor, be it with gradients; one that shows or compares it does not."""
    value = node.value if isinstance(node, (ast.Expr, ast.Assign)) else None
    is_transformed = isinstance(value, ast.Call) and isinstance(value.func, ast.Call)  # grad(f)(x)
    if not isinstance(value, (ast.BinOp, ast.Call)) or is_transformed or only_shows(node):
        return False
    return words_in(node).isdisjoint(LEAVING) and all(
        call is not value and is_grad(call) and keeps_graph(call) for call in differentiating(node)
    )


def _used(body: Sequence[ast.stmt], source: Source, output: ast.stmt | None) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield each statement, the last first, and whether the program differentiates or returns what it assigns."""
    wanted: set[str] = set()
    for node in reversed(body):
        assigned = assigned_in(node)
        yield node, not wanted.isdisjoint(assigned)
        is_returned = source.session.functions and any(isinstance(one, ast.Return) for one in ast.walk(node))
        is_end = is_returned or node is output or next(differentiating(node), None) is not None
        if is_end or not wanted.isdisjoint(assigned | _appended(node)):
            wanted |= words_in(node)


def _appended(node: ast.AST) -> set[str]:
    """Return the names of lists that a statement appends to."""
    return {
        call.func.value.id
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in GROWING
        and isinstance(call.func.value, ast.Name)
    }


def build_gradient(call: ast.Call, built: Built) -> Gradient:
    """Return a gradient with which the program computes."""
    source = built.source
    given = arguments_of(call, OF_GRAD, source)
    if "outputs" not in given or "inputs" not in given:
        raise source.error("what is differentiated is missing", call, "write `torch.autograd.grad(y, x)`")
    upstream, unused = given.get("grad_outputs"), given.get("allow_unused")
    return Gradient(
        built.argument(given["outputs"]),
        built.argument(given["inputs"]),
        None if upstream is None else built.argument(upstream),
        isinstance(unused, ast.Constant) and unused.value is True,
        source.span(call),
    )


def gradient_children(call: ast.Call) -> list[ast.expr]:
    """Return what is translated before a gradient."""
    named = [keyword.value for keyword in call.keywords if keyword.arg in ("outputs", "inputs", "grad_outputs")]
    return [*call.args[:3], *named]
