"""Code of PyTorch's own inside a program: its calls are those of the table, and are run by the program's machine.

So a recurrent network, a layer of a transformer or a distribution is read by what PyTorch itself calls for it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradcli.errors import ExecutionError, GradcliError
from gradcli.execution.forward import tree
from gradcli.execution.forward.call_kinds import LEAVING, is_question, may_write
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.composites import is_python, unasked
from gradcli.execution.forward.draws import DROPPING, drawing, dropped
from gradcli.execution.forward.equivalents import definition_of, is_random
from gradcli.execution.forward.machine import BoundCall, Machine
from gradcli.execution.forward.refusals import refusals
from gradcli.execution.forward.trace import TracedTensor, replaced, traced_in
from gradcli.execution.forward.values import Runner
from gradcli.language.program import Call, Literal
from gradcli.ops.record import Op
from gradcli.ops.table import find

RUN = "save the program as FILE.py, and `gradcli run FILE.py` runs it as it stands"
# What draws numbers, into its first argument or by it.
DRAWING = frozenset(
    {"normal", "normal_", "uniform_", "exponential_", "bernoulli", "bernoulli_", "cauchy_", "geometric_", "log_normal_"}
    | {"multinomial", "poisson", "rand", "randn", "rand_like", "randn_like", "_standard_gamma", "_sample_dirichlet"}
)


@dataclass(slots=True)
class Recipe:
    """The calls that code makes of what it is given, which it makes again of other values of the same shapes."""

    given: list[TracedTensor]
    calls: list[tuple[Op, BoundCall, Any]] = field(default_factory=list)
    result: Any = None

    def again(self, machine: Machine, given: list[TracedTensor]) -> Any:
        """Return the result for other values."""
        now = dict(zip(self.given, given, strict=True))

        def known(traced: TracedTensor) -> TracedTensor:
            return now.get(traced, traced)

        for op, call, before in self.calls:
            parts = (replaced(part, known) for part in (call.positional, call.keywords, call.bound))
            made = machine.apply(op, BoundCall(call.node, *parts))
            now |= dict(zip(traced_in(before), traced_in(made), strict=True))
        result = replaced(self.result, known)
        kept = {*given, *traced_in(result)}
        machine.hide([value for value in now.values() if value not in kept])
        return result


class Embedded(TorchFunctionMode):
    """Hands the calls of PyTorch's own code to the machine of a program."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.runner = runner
        self.node: Call | None = None
        """Where the program calls that code."""
        self._known: dict[int, tuple[Tensor, Any]] = {}
        self._made: list[Any] = []
        self._records = True
        self._recipe: Recipe | None = None

    def of_shapes(self, node: Call, function: Callable[..., Any], *given: Any) -> Any:
        """Return what a function gives that decides nothing by values: what it calls is kept, unless it draws."""
        tensors = traced_in(given)
        shapes = tuple((traced.tensor.shape, traced.tensor.dtype) for traced in tensors)
        memo, key = self.runner.machine.memo, (node.span, shapes, str(tree.map(_plain, given)))
        if key in memo:
            return memo[key].again(self.runner.machine, tensors)
        self._recipe = Recipe(tensors)
        try:
            found = self.run(node, function, [*given], {})
            if self._recipe is not None:
                self._recipe.result = found
                memo[key] = self._recipe
        finally:
            self._recipe = None
        return found

    def _applied(self, op: Op, call: BoundCall) -> Any:
        result = self.runner.machine.apply(op, call)
        if self._recipe is not None:
            self._recipe.calls.append((op, call, result))
        return result

    def run(self, node: Call, function: Callable[..., Any], positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return what a function of tensors gives for values of the program."""
        before, self.node = self.node, node
        self._records, self._made = torch.is_grad_enabled(), []
        try:
            with refusals(self.runner.program.text(node)), torch.enable_grad(), self:
                result = function(*self.entered(positional), **self.entered(keywords))
            found = tree.map(lambda leaf: self._value(leaf) if isinstance(leaf, Tensor) else leaf, result)
        except GradcliError as error:
            raise self.runner.located(error, node) from None
        finally:
            self.node = before
        kept = {id(leaf) for leaf in tree.leaves(found)}
        self.runner.machine.hide([value for value in self._made if id(value) not in kept])
        return found

    def entered(self, value: Any) -> Any:
        """Return what stands for values of the program in the code."""
        return tree.map(self._tensor, value)

    def _tensor(self, value: Any) -> Any:
        if hasattr(value, "embedded"):
            return value.embedded
        tensor = self.runner.machine.tensor(value)
        if tensor is None:
            return value
        self._known[id(tensor)] = tensor, value
        return tensor

    def _value(self, tensor: Tensor) -> Any:
        """Return the program's value of a tensor; one that the code has made itself is a constant."""
        if id(tensor) not in self._known:
            op, data = find("tensor"), tensor.detach().tolist()
            assert op is not None  # noqa: S101 (the table has it)
            made = self._applied(op, BoundCall(self._call(), [data], {}, {"data": data}))
            self._known[id(tensor)] = tensor, made
            self._made.append(made)
        return self._known[id(tensor)][1]

    def _call(self, call: Call | None = None, name: str = "tensor") -> Call:
        """Return a call that stands where the program calls the code."""
        assert self.node is not None  # noqa: S101 (it runs)
        call = call or Call(name, (), (), self.node.span, self.node.span)
        return replace(call, span=self.node.span, function_span=self.node.function_span)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call of the code."""
        call = MadeCall(func, tuple(args), dict(kwargs or {}))
        if call.short in DRAWING:
            return self._drawn(call)
        if is_question(call) or not any(id(tensor) in self._known for tensor in call.tensors):
            return call.run()
        if call.short in LEAVING and any(tensor.requires_grad for tensor in call.tensors):
            raise self._refused(f"{call.short}() takes a number out of a tensor that requires grad")
        if call.short in DROPPING:
            return self._dropped(call)
        entered = None if is_random(call) else call.of_table(self._value)
        if entered is None or any(id(tensor) in self._known for tensor in may_write(call)):
            return self._looked_into(call)
        op, bound = entered
        node = self._call(bound.node)
        with torch.set_grad_enabled(self._records):
            result = self._applied(op, BoundCall(node, bound.positional, bound.keywords, bound.bound))
        return tree.map(self._out, result)

    def _out(self, value: Any) -> Any:
        """Return the tensor that the code goes on with; a constant, where it records no gradients."""
        if self.runner.machine.tensor(value) is None:
            return value
        value = value if torch.is_grad_enabled() else self._constant(value)
        if id(self.runner.machine.tensor(value)) not in self._known:  # else it is what the call was given
            self._made.append(value)
        return self._tensor(value)

    def _constant(self, value: Any) -> Any:
        op = find("detach")
        assert op is not None  # noqa: S101 (the table has it)
        node = self._call(Call("detach", (Literal(None, self._call().span),), (), *(self._call().span,) * 2))
        return self._applied(op, BoundCall(node, [value], {}, {"input": value}))

    def _looked_into(self, call: MadeCall) -> Any:
        """Run a call that the table does not have by its definition, or by the calls that it makes itself."""
        definition = definition_of(call)
        if definition is not None:
            with self:
                return definition(*call.args, **call.keywords)
        if is_python(call.func):
            with unasked(call.func), self:
                return call.run()
        if may_write(call):
            raise self._refused(f"{call.short}() writes to a tensor")
        result = call.run()
        if any(tensor.is_floating_point() or tensor.is_complex() for tensor in tree.tensors(result)):
            raise self._refused(f"{call.short}() has no definition in the table")
        return result

    def _dropped(self, call: MadeCall) -> Any:
        self._recipe = None
        first, *rest = call.args
        keywords = {name: value for name, value in call.keywords.items() if name != "inplace"}
        node = self._call(name=call.short)
        return self._out(dropped(self.runner, node, [self._value(first), *rest[:2]], keywords))

    def _drawn(self, call: MadeCall) -> Any:
        """Draw numbers as the notebook would, in its type; they are constants, though they may depend on values."""
        self._recipe, dtype = None, self.runner.draws.dtype

        def lower(leaf: Any) -> Any:
            if leaf is torch.float64:
                return dtype
            return leaf.detach().to(dtype) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf

        args, keywords = tree.map(lower, [list(call.args), call.keywords])
        with drawing(self.runner.draws):
            found = call.func(*args, **keywords)
        like = call.first.dtype if call.first is not None and call.short.endswith("_") else torch.get_default_dtype()
        found = found.to(like) if found.is_floating_point() else found
        return self._tensor(self._constant(self._value(found)))

    def _refused(self, reason: str) -> ExecutionError:
        assert self.node is not None  # noqa: S101 (it runs)
        return self.runner.error(f"`{self.runner.program.text(self.node)}`: {reason}", self.node, RUN)


def _plain(value: Any) -> Any:
    return "" if isinstance(value, TracedTensor) else value


def embedding(runner: Runner) -> Embedded:
    """Return what runs PyTorch's own code in a program's run."""
    if runner.embedded is None:
        runner.embedded = Embedded(runner)
    found: Embedded = runner.embedded
    return found


def in_training(runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return what a layer gives that drops entries inside, by the code that calls `dropout`; None if it drops none."""
    function = getattr(torch.nn.functional, node.function)
    call = MadeCall(function, tuple(positional), keywords)
    if not is_random(call):
        return None
    return embedding(runner).run(node, definition_of(call) or function, positional, keywords)


def with_parameters(module: torch.nn.Module, values: dict[str, Tensor]) -> torch.nn.Module:
    """Return a module that computes with other tensors in the place of its parameters."""
    twin = copy.deepcopy(module)
    for name, value in values.items():
        path, _, own = name.rpartition(".")
        owner = twin.get_submodule(path)
        delattr(owner, own)
        setattr(owner, own, value)
    return twin
