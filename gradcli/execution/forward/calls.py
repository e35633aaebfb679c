"""A call of PyTorch as it was made, and as one of the op table's: its name, its arguments, its text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.overrides import resolve_name

from gradcli.errors import GradcliError, Span
from gradcli.execution.forward import tree
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.trace import TracedTensor
from gradcli.language.operator_table import METHODS, OPERATOR_OF
from gradcli.language.program import Call, Expression, Literal
from gradcli.language.program import Sequence as SequenceNode
from gradcli.ops.overloads import choose
from gradcli.ops.record import Op
from gradcli.ops.signature import defaults
from gradcli.ops.table import find, is_whole

NOWHERE = Span(0, 0)
LONGEST_TEXT = 48
# Arguments that say where a result goes; a functional program has no such place.
TARGETS = ("out", "inplace")
# What ends the name of a pooling that also returns the places: with `return_indices=True` PyTorch calls it instead.
INDICES = "_with_indices"
# Products with a sparse matrix, as PyTorch calls `torch.sparse.mm`: they are those with the dense one of its entries.
PRODUCTS = {"_sparse_mm": "torch.mm", "_sparse_addmm": "torch.addmm"}


@dataclass(frozen=True)
class MadeCall:
    """One call: a function of PyTorch or a method, with its arguments."""

    func: Callable[..., Any]
    args: tuple[Any, ...]
    keywords: dict[str, Any]

    @cached_property
    def name(self) -> str:
        """Return the name with its module: `torch.Tensor.add_`."""
        return _name(self.func)

    @cached_property
    def short(self) -> str:
        """Return the last part of the name."""
        return self.name.rpartition(".")[2]

    @property
    def shown(self) -> str:
        """Return what the call is called in messages: an op of `torch.ops` as its schema is, `mylib::cube`."""
        return self.func._schema.name if isinstance(self.func, OpOverload) else self.short  # noqa: SLF001 (public nowhere)

    @cached_property
    def tensors(self) -> list[Tensor]:
        """Return the tensors among the arguments, each once."""
        return list({id(tensor): tensor for tensor in tree.tensors([self.args, self.keywords])}.values())

    @property
    def first(self) -> Tensor | None:
        """Return the first argument, if it is a tensor."""
        return self.args[0] if self.args and isinstance(self.args[0], Tensor) else None

    @property
    def is_in_place(self) -> bool:
        """Return whether the name says that the call writes to its first argument: `add_`, `__iadd__`."""
        short = self.short
        named = short.endswith("_") and not short.endswith("__")
        return named or (short.startswith("__i") and short != "__invert__")

    @property
    def outs(self) -> list[Tensor]:
        """Return the tensors that `out=` names."""
        return tree.tensors(self.keywords.get("out"))

    @property
    def targets(self) -> list[Tensor]:
        """Return the tensors that the call says it writes to."""
        return self.outs or ([self.first] if self.is_in_place and self.first is not None else [])

    def run(self) -> Any:
        """Run the call as it was made."""
        return self.func(*self.args, **self.keywords)

    def run_on(self, values: Mapping[int, Tensor], copies: Mapping[int, Tensor]) -> Any:
        """Run the call on other tensors, by the identity of those that they stand for; `out` is left out.

        `copies` are for what it writes to. A tensor that is both written to and read, as in `y.mul_(y)`, is two.
        """
        targets = set(map(id, tree.tensors(self.args[:1])))
        elsewhere = {name: copy for name, copy in copies.items() if name not in targets}
        kept = {name: value for name, value in self.keywords.items() if name != "out"}
        first = _replaced(self.args[:1], {**values, **copies})
        rest, keywords = _replaced([self.args[1:], kept], {**values, **elsewhere})
        return self.func(*first, *rest, **keywords)

    def of_table(self, traced: Callable[[Tensor], TracedTensor]) -> tuple[Op, BoundCall] | None:
        """Return the call as one of the table's, on traced tensors; None if the table has none that it fits."""
        short, args, sign = self._written()
        op = self._op
        if op is None:
            return None
        own = self.keywords | ({"return_indices": True} if short.endswith(INDICES) else {})
        keywords = {name: value for name, value in own.items() if name not in TARGETS and not _is_precision(value)}
        given = [list(args), _given(self.func, keywords, defaults(op.signature))]
        positional, named = tree.map(lambda leaf: traced(leaf) if isinstance(leaf, Tensor) else leaf, given)
        try:
            return bound(op, positional, named, method=".Tensor." in self.name, sign=sign)
        except GradcliError:
            return None

    @property
    def is_known(self) -> bool:
        """Return whether the table has a function of that name."""
        return self._op is not None

    @property
    def written_as(self) -> str:
        """Return the function's name in a program: `add` for `add_`, `__iadd__`."""
        return self._written()[0]

    @property
    def _op(self) -> Op | None:
        return find(_table_name(self.name, self._written()[0].removesuffix(INDICES)))

    def _written(self) -> tuple[str, tuple[Any, ...], str | None]:
        """Return the function, its arguments and the operator's sign, as a program has them."""
        short, args = self.short, self.args
        operator = short.replace("__i", "__", 1) if short.startswith("__i") else short
        if operator in METHODS:
            written, swapped = METHODS[operator]
            return written.function, args[::-1] if swapped else args, written.sign
        if short == "__getitem__":
            return "getitem", (args[0], args[1] if isinstance(args[1], tuple) else (args[1],)), None
        if short == "__get__":
            return self.name.split(".")[-2], args, None
        return short.removesuffix("_"), args, None


def _is_precision(value: Any) -> bool:
    """Return whether an argument only says how precisely to compute: a definition is computed in double precision."""
    return isinstance(value, torch.dtype) and (value.is_floating_point or value.is_complex)


def _replaced(arguments: Any, values: Mapping[int, Tensor]) -> Any:
    return tree.map(lambda leaf: values.get(id(leaf), leaf), arguments)


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
    own = getattr(func, "__name__", "?")
    name = resolve_name(func) or own
    # PyTorch resolves torch.mm to torch.spmm, another name of the same function.
    return PRODUCTS.get(own) or (f"torch.{own}" if name == "torch.spmm" else name)


def _table_name(name: str, short: str) -> str:
    """Return the name by which the table is asked: with its module where PyTorch has two functions of one name."""
    qualified = f"{name.removeprefix('torch.').rpartition('.')[0]}.{short}"
    is_apart = name.startswith(("torch.linalg.", "torch.special.")) or is_whole(qualified)
    return qualified if is_apart else short


def _given(func: Callable[..., Any], keywords: dict[str, Any], known: Container[str]) -> dict[str, Any]:
    """Return the keywords that say more than the function's own defaults: torch.nn.functional passes all of them on.

    Of PyTorch's private ones, such as `_stacklevel`, only those that the table knows have a meaning.
    """
    usual = _defaults(func)
    return {
        name: value
        for name, value in keywords.items()
        if (name in known or not name.startswith("_")) and not (name in usual and usual[name] is value)
    }


@cache
def _defaults(func: Any) -> Mapping[str, Any]:
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {parameter.name: parameter.default for parameter in parameters}


def text_of(op: Op, call: BoundCall) -> str:
    """Return a call as it would be written, if that is short."""
    parts = [_part(value) for value in call.positional]
    if op.name in OPERATOR_OF and len(parts) == 2:  # noqa: PLR2004 (operands)
        text = f" {OPERATOR_OF[op.name].sign} ".join(f"({part})" if _is_sum(part) else part for part in parts)
    else:
        parts += [f"{name}={_part(value)}" for name, value in call.keywords.items()]
        text = f"{op.name}({', '.join(parts)})"
    return text if len(text) <= LONGEST_TEXT else f"{op.name}(...)"


def as_method(name: str, owner: Any, others: Sequence[Any], keywords: Mapping[str, Any]) -> str:
    """Return a call as it would be written as a method of its first operand, if that is short: `x.to(torch.half)`."""
    first = _part(owner)
    parts = [*map(_part, others), *(f"{key}={_part(value)}" for key, value in keywords.items())]
    text = f"{f'({first})' if _is_sum(first) else first}.{name}({', '.join(parts)})"
    return text if len(text) <= LONGEST_TEXT else f"{name}(...)"


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
