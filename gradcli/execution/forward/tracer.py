"""The user's program run by PyTorch under autograd, recorded call by call.

The trace is the straight line that define-by-run leaves: conditions are decided, loops unrolled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, GradcliError, LimitError, first_line
from gradcli.execution.forward import tree
from gradcli.execution.forward.callables import target_of
from gradcli.execution.forward.in_place import check_overwrite
from gradcli.execution.forward.interpreter import Differentiated, Interpreter
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.memory import Memory, check_items
from gradcli.execution.forward.refusals import REFUSALS, advice, refused
from gradcli.language.parser import parse
from gradcli.language.program import Call, Expression, Program
from gradcli.limits import Limits
from gradcli.ops.record import Kind, Op
from gradcli.ops.signature import defaults
from gradcli.phrases import show_shape
from gradcli.progress import begin

SIGNATURES = ", but expected one of:"
NO_DERIVATIVE = re.compile(r"is not differentiable with respect to argument '(\w+)'")


FLOATS_ONLY = "only Tensors of floating point and complex dtype can require gradients"
WITH_FLOATS = "write floats: `torch.tensor([1., 2.], requires_grad=True)`"

# What gives the tensor of a leaf, by its name and the numbers that it holds.
MakeLeaf = Callable[[str, Tensor], Tensor]


@dataclass(slots=True, eq=False)
class TracedTensor:
    """A tensor of the trace and what the program calls it."""

    tensor: Tensor
    name: str | None
    text: str
    """The source that made it."""
    is_leaf: bool = False


@dataclass(frozen=True)
class TracedCall:
    """One call: the op, its arguments as traced values, and its results; without slots, to keep what is asked often."""

    op: Op
    arguments: BoundCall
    result: Any

    @cached_property
    def inputs(self) -> list[TracedTensor]:
        """Return the tensors among the arguments, each once."""
        return list(dict.fromkeys(traced_in([self.arguments.positional, self.arguments.keywords])))

    @cached_property
    def outputs(self) -> list[TracedTensor]:
        """Return the tensors that it made: those among the results that it was not given."""
        given = set(self.inputs)
        return [traced for traced in traced_in(self.result) if traced not in given]

    def run(self, values: Mapping[TracedTensor, Tensor]) -> dict[TracedTensor, Tensor]:
        """Run the call again on other values of its inputs; return its results by the tensors that they stand for."""
        results = invocation(self.op, self.arguments, values.__getitem__)()
        return dict(zip(traced_in(self.result), tree.tensors(results), strict=True))


@dataclass(slots=True)
class Trace:
    """What happened when a program ran."""

    leaves: list[TracedTensor]
    calls: list[TracedCall] = field(default_factory=list)
    """In the order in which they ran."""
    output: Any = None
    """A traced tensor, unless the program's last statement is something else."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Why a leaf had to be a constant, by the leaf's name."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """What the program's names stand for at its end: traced tensors, numbers, shapes."""
    differentiated: Differentiated | None = None
    """What the program itself differentiates, if it says so."""

    @property
    def tensors(self) -> list[TracedTensor]:
        """Return leaves, then every tensor that a gradient passes through, in forward order."""
        made = [output for call in self.calls for output in call.outputs if output.tensor.requires_grad]
        return [*self.leaves, *made]

    @property
    def of_interest(self) -> list[TracedTensor]:
        """Return those of `tensors`, each once, that a reader asks about: not what only a condition has read."""
        behind = set(traced_in(self.output))
        for call in reversed(self.calls):
            behind.update(call.inputs if behind.intersection(call.outputs) else ())
        return [traced for traced in dict.fromkeys(self.tensors) if traced.is_leaf or traced.name or traced in behind]

    @property
    def numbers(self) -> dict[str, Any]:
        """Return the variables that hold no tensor, such as n after `n = X.shape[0]`."""
        return {name: value for name, value in self.variables.items() if not traced_in(value)}


class Tracer:
    """The machine that runs ops in PyTorch and records them."""

    def __init__(self, program: Program, trace: Trace, limits: Limits, make: MakeLeaf | None = None) -> None:
        self.program = program
        self.trace = trace
        self.limits = limits
        self.make = make
        self.seed = 0
        self.most_rounds = limits.operations
        self.largest_exponent = limits.exponent
        self.memory = Memory(limits, [leaf.tensor for leaf in trace.leaves])

    def tensor(self, value: Any) -> Tensor | None:
        """Return the tensor behind a traced value."""
        return value.tensor if isinstance(value, TracedTensor) else None

    def check_items(self, count: int) -> None:
        """Refuse a list of so many items."""
        check_items(count, self.limits)

    def named(self, value: Any, name: str) -> None:
        """Give a tensor the first name that the program assigns it to; a leaf keeps its own."""
        if isinstance(value, TracedTensor) and value.name is None:
            value.name = name

    def leaf(self, value: Any, name: str) -> Any:
        """Return a leaf that the program makes, in the run's type."""
        if self.make is None:
            raise ExecutionError("no leaf is made here", hint="leave out `requires_grad`")
        if not (value.tensor.is_floating_point() or value.tensor.is_complex()):
            raise ExecutionError(f"'{name}' holds {value.tensor.dtype}; PyTorch says: {FLOATS_ONLY}", hint=WITH_FLOATS)
        leaf = TracedTensor(self.make(name, value.tensor), name, name, is_leaf=True)
        self.trace.leaves.append(leaf)
        self.memory.add([leaf.tensor])
        return leaf

    def overwrites(self, value: Any, call: BoundCall, others: Mapping[str, Any]) -> None:
        """Refuse a call in place that PyTorch would refuse, or that other names would see.

        The tensor's version is raised, so that PyTorch refuses backward where an earlier op has saved it.
        """
        seen = {name: other.tensor for name, other in others.items() if isinstance(other, TracedTensor)}
        operands = [item.tensor if isinstance(item, TracedTensor) else item for item in call.positional[1:]]
        check_overwrite(value.name or value.text, value.tensor, call.node.operator or "", operands, seen)
        with torch.no_grad():
            value.tensor.detach().mul_(1)

    def check_elements(self, count: int, node: Expression) -> None:
        """Refuse a tensor of more entries than are allowed."""
        if count > self.limits.elements:
            message = (
                f"'{self.program.text(node)}' has {count:,} elements, more than the limit of {self.limits.elements:,}"
            )
            raise LimitError(
                message, span=node.span, source=self.program.source, hint="`--max-elements` raises the limit"
            )

    def apply(self, op: Op, call: BoundCall) -> Any:
        """Run one op and record it."""
        if len(self.trace.calls) >= self.limits.operations:
            msg = f"the program runs more than {self.limits.operations} operations"
            raise LimitError(msg, hint="`--max-operations` raises the limit")
        self._refuse_crash(op, call)
        ready = invocation(op, call, lambda traced: traced.tensor)
        self.memory.check(ready, pointwise=op.kind is Kind.POINTWISE)
        begin(f"'{self._text(call.node)}'")
        result = self._wrap(self._run(op, call, ready), call.node, traced_in(call.positional))
        self.memory.add([traced.tensor for traced in traced_in(result)])
        self.trace.calls.append(TracedCall(op, call, result))
        return result

    def _run(self, op: Op, call: BoundCall, ready: partial[Any]) -> Any:
        """Return what PyTorch gives; IntegerError where it refuses floats in place of integers."""
        try:
            return ready()
        except REFUSALS as error:
            found = integer_leaf(op, call, self.trace)
            if found is not None and is_whole(found[1].tensor):
                raise IntegerError(op, *found) from None
            refusal = _refused(op, call, error)
            if found is not None:
                name = found[1].text
                refusal.hint = f"'{name}' holds floats: labels and indices are integers, such as `--value {name}=[0,1]`"
            raise refusal from None

    def _refuse_crash(self, op: Op, call: BoundCall) -> None:
        """Refuse a call that would end the process, by the op's own record."""
        if op.crashes is None:
            return
        bound = {**defaults(op.signature), **call.bound}
        try:
            crashes = Interpreter(parse(op.crashes, definition=True), self, bound).run()
        except GradcliError:  # such as an axis that is not there: PyTorch has words for it
            return
        if crashes:
            message = f"{op.name} of tensors of these shapes makes PyTorch itself crash, so it is not run"
            raise ExecutionError(message, hint=_shapes(call))

    def _text(self, node: Call) -> str:
        """Return the source text of a call; one that an option put around it is written out."""
        text = self.program.text(node)
        added = node.function == "detach" and node.function_span == node.span
        return f"detach({text})" if added else text

    def _wrap(self, result: Any, node: Call, given: Sequence[TracedTensor]) -> Any:
        """Return a result as traced values; `conj` of a real tensor, say, is the very tensor that it was given."""
        known = {id(traced.tensor): traced for traced in given}
        text = self._text(node)

        def traced(path: tree.Path, leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            return known.get(id(leaf)) or TracedTensor(leaf, None, text + tree.subscripts(path))

        return tree.map_with_path(traced, result)


def run(
    program: Program,
    leaves: dict[str, Tensor],
    limits: Limits,
    make: MakeLeaf | None = None,
    seed: int = 0,
    *,
    numbers: Mapping[str, Any] | None = None,
) -> Trace:
    """Return the trace of a program; errors point at the node that PyTorch refused.

    `make` gives the tensor of a leaf that the program makes itself; without it none may be made. `numbers` are the
    names that it reads and that are not tensors.
    """
    traced = {name: TracedTensor(tensor, name, name, is_leaf=True) for name, tensor in leaves.items()}
    trace = Trace(list(traced.values()))
    machine = Tracer(program, trace, limits, make)
    machine.seed = seed
    interpreter = Interpreter(program, machine, {**traced, **(numbers or {})})
    trace.output = interpreter.run()
    trace.variables = interpreter.variables
    trace.differentiated = interpreter.differentiated
    if program.made:
        places = {leaf.name: leaf.span.start for leaf in (*program.leaves, *program.made)}
        trace.leaves.sort(key=lambda leaf: places.get(leaf.text, len(program.source)))
    return trace


class ConstantError(ExecutionError):
    """PyTorch has no derivative by an argument, which is a leaf: as a constant it would do."""

    leaf: str
    argument: str


def is_whole(tensor: Tensor) -> bool:
    """Return whether every entry is a whole number."""
    return bool((tensor == tensor.round()).all())


class IntegerError(ExecutionError):
    """PyTorch takes an argument only as integers, and a leaf of whole numbers is one: as integers they would do."""

    def __init__(self, op: Op, parameter: str, leaf: TracedTensor) -> None:
        super().__init__(f"PyTorch takes '{parameter}' of {op.name} only as integers")
        self.op = op
        self.parameter = parameter
        self.leaf = leaf.text


def integer_leaf(op: Op, call: BoundCall, trace: Trace) -> tuple[str, TracedTensor] | None:
    """Return a parameter that takes integers, and the leaf of floats in its place; None if there is none."""
    made = {output: known for known in trace.calls for output in known.outputs}
    for parameter in op.integers:
        for traced in traced_in(call.bound.get(parameter)):
            while traced in made and made[traced].op.kind is Kind.MOVEMENT and len(made[traced].inputs) == 1:
                traced = made[traced].inputs[0]  # noqa: PLW2901 (t.view(-1) holds the same numbers)
            if traced.is_leaf and traced.tensor.is_floating_point():
                return parameter, traced
    return None


def invocation(op: Op, call: BoundCall, value: Callable[[TracedTensor], Tensor]) -> partial[Any]:
    """Return what PyTorch runs for a call, ready to run: every traced tensor among the arguments has its value.

    Nothing else runs a recorded call, so that whatever replaces `target_of` here replaces PyTorch everywhere.
    """
    positional, keywords = replaced(call.positional, value), replaced(call.keywords, value)
    return partial(target_of(op, call), *positional, **keywords)


def _refused(op: Op, call: BoundCall, error: BaseException) -> GradcliError:
    """Return what PyTorch refuses; an argument that it has no derivative by is named as the user names it."""
    message = first_line(error)
    found = NO_DERIVATIVE.search(message)
    argument = call.bound.get(found[1]) if found else None
    if not isinstance(argument, TracedTensor):
        dtypes = [traced.tensor.dtype for traced in traced_in([call.positional, call.keywords])]
        hint = f"it is called as {op.signature}" if SIGNATURES in message else advice(message, dtypes) or _shapes(call)
        return refused(op.name, error, hint)
    name = argument.name or argument.text
    constant = ConstantError(f"PyTorch refuses {op.name}: {message}", hint=f"write `detach({name})`")
    constant.leaf, constant.argument = (name if argument.is_leaf else ""), f"{op.name} by '{found[1] if found else ''}'"
    return constant


def _shapes(call: BoundCall) -> str | None:
    """Return what shapes a call was given, by the names that the user gave: PyTorch says a and b, mat1 and vec."""
    tensors = list(dict.fromkeys(traced_in([call.positional, call.keywords])))
    return ", ".join(f"'{t.name or t.text}' is {_shown(t.tensor)}" for t in tensors) or None


def _shown(tensor: Tensor) -> str:
    return show_shape(tuple(tensor.shape)) if tensor.ndim else "a scalar"


def traced_in(value: Any) -> list[TracedTensor]:
    """Return the traced tensors among nested arguments or results, in order."""
    return [leaf for leaf in tree.leaves(value) if isinstance(leaf, TracedTensor)]


def replaced(value: Any, change: Callable[[TracedTensor], Any]) -> Any:
    """Return nested arguments or results with every traced tensor changed."""
    return tree.map(lambda leaf: change(leaf) if isinstance(leaf, TracedTensor) else leaf, value)
