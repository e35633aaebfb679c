"""The user's program run by PyTorch under autograd, recorded call by call.

The trace is the straight line that define-by-run leaves: conditions are decided, loops unrolled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from torch import Tensor

from gradcli.errors import ExecutionError, GradcliError, LimitError, first_line
from gradcli.execution.forward import tree
from gradcli.execution.forward.callables import target_of
from gradcli.execution.forward.interpreter import Interpreter
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.memory import Memory
from gradcli.execution.forward.refusals import REFUSALS, refused
from gradcli.language.program import Call, Program
from gradcli.limits import Limits
from gradcli.ops.record import Op
from gradcli.phrases import show_shape
from gradcli.progress import begin

NO_DERIVATIVE = re.compile(r"is not differentiable with respect to argument '(\w+)'")


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

    def __init__(self, program: Program, trace: Trace, limits: Limits) -> None:
        self.program = program
        self.trace = trace
        self.limits = limits
        self.most_rounds = limits.operations
        self.largest_exponent = limits.exponent
        self.memory = Memory(limits, [leaf.tensor for leaf in trace.leaves])

    def tensor(self, value: Any) -> Tensor | None:
        """Return the tensor behind a traced value."""
        return value.tensor if isinstance(value, TracedTensor) else None

    def named(self, value: Any, name: str) -> None:
        """Give a tensor the first name that the program assigns it to; a leaf keeps its own."""
        if isinstance(value, TracedTensor) and value.name is None:
            value.name = name

    def apply(self, op: Op, call: BoundCall) -> Any:
        """Run one op and record it."""
        if len(self.trace.calls) >= self.limits.operations:
            msg = f"the program runs more than {self.limits.operations} operations"
            raise LimitError(msg, hint="`--max-operations` raises the limit")
        ready = invocation(op, call, lambda traced: traced.tensor)
        self.memory.check(ready)
        begin(f"'{self._text(call.node)}'")
        result = self._wrap(_run(op, call, ready), call.node, traced_in(call.positional))
        self.memory.add([traced.tensor for traced in traced_in(result)])
        self.trace.calls.append(TracedCall(op, call, result))
        return result

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


def run(program: Program, leaves: dict[str, Tensor], limits: Limits, numbers: Mapping[str, Any] | None = None) -> Trace:
    """Return the trace of a program; errors point at the node that PyTorch refused.

    `numbers` are the names that it reads and that are not tensors.
    """
    traced = {name: TracedTensor(tensor, name, name, is_leaf=True) for name, tensor in leaves.items()}
    trace = Trace(list(traced.values()))
    interpreter = Interpreter(program, Tracer(program, trace, limits), {**traced, **(numbers or {})})
    trace.output = interpreter.run()
    trace.variables = interpreter.variables
    return trace


class ConstantError(ExecutionError):
    """PyTorch has no derivative by an argument, which is a leaf: as a constant it would do."""

    leaf: str
    argument: str


def invocation(op: Op, call: BoundCall, value: Callable[[TracedTensor], Tensor]) -> partial[Any]:
    """Return what PyTorch runs for a call, ready to run: every traced tensor among the arguments has its value.

    Nothing else runs a recorded call, so that whatever replaces `target_of` here replaces PyTorch everywhere.
    """
    positional, keywords = replaced(call.positional, value), replaced(call.keywords, value)
    return partial(target_of(op, call), *positional, **keywords)


def _run(op: Op, call: BoundCall, ready: partial[Any]) -> Any:
    try:
        return ready()
    except REFUSALS as error:
        raise _refused(op, call, error) from None


def _refused(op: Op, call: BoundCall, error: BaseException) -> GradcliError:
    """Return what PyTorch refuses; an argument that it has no derivative by is named as the user names it."""
    message = first_line(error)
    found = NO_DERIVATIVE.search(message)
    argument = call.bound.get(found[1]) if found else None
    if not isinstance(argument, TracedTensor):
        return refused(op.name, error, _shapes(call))
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
