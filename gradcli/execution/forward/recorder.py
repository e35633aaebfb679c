"""The body of a forward, recorded call by call as ops of the table: the trace from which the symbolic side starts.

A forward runs without autograd, so that `no_grad` and `detach` in it change nothing of what it computes; here they
are passed over, and the gradient recorded is that of the function which forward computes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from gradcli.errors import GradcliError, Span
from gradcli.execution.forward import tree
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.tracer import Trace, TracedCall, TracedTensor
from gradcli.language.operator_table import METHODS, OPERATOR_OF
from gradcli.language.program import Call, Expression, Literal
from gradcli.language.program import Sequence as SequenceNode
from gradcli.ops.overloads import choose
from gradcli.ops.record import Op
from gradcli.ops.table import find

NOWHERE = Span(0, 0)
# What changes nothing of a value: here a gradient passes through.
IDENTITIES = frozenset({"torch.Tensor.detach", "torch.detach", "torch.Tensor.data.__get__"})
# What takes numbers out of PyTorch, so that no gradient can follow them.
LEAVING = frozenset({"item", "tolist", "numpy", "__float__", "__int__", "__array__", "__complex__", "__index__"})
CONVERSIONS = frozenset({"to", "double", "type", "type_as", "float"})
UNDEFINED = "forward calls {}, which has no symbolic definition here"
LONGEST_TEXT = 48


@dataclass(slots=True)
class Recording:
    """What was recorded: `trace` is whole where `gap` is None; else `gap` says what has no definition here.

    `left` names the call by which numbers left PyTorch: then autograd's gradient of the body is not that of forward.
    """

    leaves: dict[str, Tensor]
    trace: Trace
    output: Tensor
    gap: str | None = None
    left: str | None = None


def record(body: Callable[[Mapping[str, Tensor]], Tensor], point: Mapping[str, Tensor]) -> Recording:
    """Run a body at a point, with autograd and as a trace; the inputs' gradients are those of `leaves`."""
    leaves = {name: value.detach().clone().requires_grad_(value.requires_grad) for name, value in point.items()}
    traced = {name: TracedTensor(tensor, name, name, is_leaf=True) for name, tensor in leaves.items()}
    mode = Recorder(Trace(list(traced.values())))
    given = {}
    for name, leaf in leaves.items():
        given[name] = leaf.clone() if leaf.requires_grad else leaf  # forward may change its input in place
        mode.know(given[name], traced[name])
    with torch.enable_grad(), mode:
        output = body(given)
    mode.trace.output = mode.traced(output) if mode.gap is None else None
    return Recording(leaves, mode.trace, output, mode.gap, mode.left)


class Recorder(TorchFunctionMode):
    """Sees every call of PyTorch that the body makes."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.trace = trace
        self.gap: str | None = None
        self.left: str | None = None
        self._known: dict[int, tuple[Tensor, TracedTensor]] = {}

    def know(self, tensor: Tensor, traced: TracedTensor) -> None:
        """Note what a tensor is in the trace; the tensor is kept, so that no other takes its identity."""
        self._known[id(tensor)] = tensor, traced

    def traced(self, tensor: Tensor) -> TracedTensor:
        """Return what a tensor is in the trace; one that was not recorded is a constant, if no gradient needs it."""
        if id(tensor) in self._known:
            return self._known[id(tensor)][1]
        if tensor.requires_grad:
            self._miss("forward uses a tensor that requires grad and is no input")
        constant = TracedTensor(tensor.detach().clone(), None, "constant", is_leaf=True)
        self.trace.leaves.append(constant)
        self.know(tensor, constant)
        return constant

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call of the body, and record it."""
        name = _name(func)
        if name.endswith("_set_grad_enabled"):
            return None
        if name in IDENTITIES and isinstance(args[0], Tensor):
            return args[0]
        short, keywords = name.rpartition(".")[2], dict(kwargs or {})
        if short in LEAVING and args and isinstance(args[0], Tensor) and args[0].requires_grad:
            self.left = self.left or f"{short}()"
            return func(args[0].detach(), *args[1:], **keywords)
        changed = args[0] if _is_in_place(short) and args else None
        if isinstance(changed, Tensor):
            self._freeze(changed)
        result = func(*args, **keywords)
        if self.gap is None and _needs_gradient(result):
            self._record(func, name, args, keywords, result)
        return result

    def _record(self, func: Any, name: str, args: Any, keywords: dict[str, Any], result: Any) -> None:
        first = args[0] if args else None
        short = name.rpartition(".")[2]
        if isinstance(result, Tensor) and result is first and not _is_in_place(short):
            return self._miss(UNDEFINED.format(f"{short}(inplace=True)")) if keywords.get("inplace") else None
        if short in CONVERSIONS and isinstance(first, Tensor) and isinstance(result, Tensor):
            same = result.dtype == first.dtype
            return (
                self.know(result, self.traced(first)) if same else self._miss(f"forward changes the dtype by {short}()")
            )
        written = self._written(func, name, args, keywords)
        return self._miss(UNDEFINED.format(f"{short}()")) if written is None else self._enter(*written, result)

    def _written(self, func: Any, name: str, args: Any, keywords: dict[str, Any]) -> tuple[Op, BoundCall] | None:
        """Return a call as one of the table's; None if the table has none that it fits."""
        short = name.rpartition(".")[2]
        sign = None
        if short in METHODS:
            written, swapped = METHODS[short]
            short, sign = written.function, written.sign
            args = args[::-1] if swapped else args
        elif short == "__getitem__":
            short, args = "getitem", (args[0], args[1] if isinstance(args[1], tuple) else (args[1],))
        elif short == "__get__":
            short = name.split(".")[-2]
        elif short == "__setitem__" or "out" in keywords:
            return None
        elif _is_in_place(short):
            short = short.removesuffix("_")
        op = find(_table_name(name, short))
        if op is None:
            return None
        positional, named = self._all_traced(list(args)), self._all_traced(_given(func, keywords))
        try:
            return bound(op, positional, named, method=".Tensor." in name, sign=sign)
        except GradcliError:
            return None

    def _enter(self, op: Op, call: BoundCall, result: Any) -> None:
        text = _text(op, call)
        self.trace.calls.append(TracedCall(op, call, self._wrap(result, text)))

    def _wrap(self, result: Any, text: str) -> Any:
        def traced(path: tree.Path, leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            made = TracedTensor(leaf, None, text + tree.subscripts(path))
            self.know(leaf, made)
            return made

        return tree.map_with_path(traced, result)

    def _freeze(self, changed: Tensor) -> None:
        """Keep the value that a tensor has before it is changed in place; a view shares what cannot be followed."""
        shared = changed.untyped_storage().data_ptr()
        others = [t for t, _ in self._known.values() if t is not changed and t.untyped_storage().data_ptr() == shared]
        if others or changed._is_view():  # noqa: SLF001 (PyTorch offers no public question)
            self._miss("forward changes a view in place, or a tensor that has one, which cannot be followed")
        elif id(changed) in self._known:
            traced = self._known[id(changed)][1]
            if not traced.is_leaf:
                traced.tensor = changed.detach().clone().requires_grad_(changed.requires_grad)

    def _all_traced(self, value: Any) -> Any:
        return tree.map(lambda leaf: self.traced(leaf) if isinstance(leaf, Tensor) else leaf, value)

    def _miss(self, reason: str) -> None:
        self.gap = self.gap or reason


def bound(
    op: Op, positional: list[Any], keywords: dict[str, Any], *, method: bool, sign: str | None = None
) -> tuple[Op, BoundCall]:
    """Return the record and the bound arguments of a call that was made, not written: its nodes stand for values."""
    nodes = [_node(value) for value in positional]
    named = {name: _node(value) for name, value in keywords.items()}
    known = {id(node): value for node, value in zip(nodes, positional, strict=True)}
    known |= {id(named[name]): value for name, value in keywords.items()}
    call = Call(op.name, tuple(nodes), tuple(named.items()), NOWHERE, NOWHERE, operator=sign, method=method)
    chosen, values = choose(op, call, lambda part: _value(part, known))
    return chosen, BoundCall(call, positional, keywords, values)


def _node(value: Any) -> Expression:
    if isinstance(value, tuple | list):
        return SequenceNode((), NOWHERE, is_list=isinstance(value, list))
    return Literal(None, NOWHERE)


def _value(part: Any, known: Mapping[int, Any]) -> Any:
    if id(part) in known:
        return known[id(part)]
    return tuple(known[id(item)] for item in part.items)


@cache
def _name(func: Any) -> str:
    return resolve_name(func) or getattr(func, "__name__", "?")


def _table_name(name: str, short: str) -> str:
    """Return the name by which the table is asked: with its module where PyTorch has two functions of one name."""
    qualified = f"{name.removeprefix('torch.').rpartition('.')[0]}.{short}"
    return qualified if name.startswith(("torch.linalg.", "torch.special.")) else short


def _is_in_place(short: str) -> bool:
    return (short.endswith("_") and not short.startswith("_")) or short == "__setitem__"


def _given(func: Callable[..., Any], keywords: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords that say more than the function's own defaults: torch.nn.functional passes all of them on."""
    defaults = _defaults(func)
    return {
        name: value
        for name, value in keywords.items()
        if not name.startswith("_") and not (name in defaults and defaults[name] is value)
    }


@cache
def _defaults(func: Any) -> Mapping[str, Any]:
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {parameter.name: parameter.default for parameter in parameters}


def _needs_gradient(result: Any) -> bool:
    return any(tensor.requires_grad for tensor in tree.tensors(result))


def _text(op: Op, call: BoundCall) -> str:
    """Return a call as it would be written, if that is short."""
    parts = [_part(value) for value in call.positional]
    if op.name in OPERATOR_OF and len(parts) == 2:  # noqa: PLR2004 (operands)
        text = f" {OPERATOR_OF[op.name].sign} ".join(f"({part})" if _is_sum(part) else part for part in parts)
    else:
        parts += [f"{name}={_part(value)}" for name, value in call.keywords.items()]
        text = f"{op.name}({', '.join(parts)})"
    return text if len(text) <= LONGEST_TEXT else f"{op.name}(...)"


def _is_sum(text: str) -> bool:
    """Return whether a text needs brackets as an operand: it has a space outside all brackets."""
    depth = 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == " " and depth == 0:
            return True
    return False


def _part(value: Any) -> str:
    if isinstance(value, TracedTensor):
        return value.name or value.text
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_part, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
