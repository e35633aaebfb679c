"""The user's program run by PyTorch under autograd, recorded call by call.

The trace is the straight line that define-by-run leaves: conditions are decided, loops unrolled.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, LimitError, first_line
from gradcli.execution.forward import tree
from gradcli.execution.forward.callables import target_of
from gradcli.execution.forward.interpreter import Interpreter
from gradcli.execution.forward.machine import BoundCall
from gradcli.language.program import Call, Program
from gradcli.limits import Limits
from gradcli.ops.record import Op

NO_DERIVATIVE = re.compile(r"is not differentiable with respect to argument '(\w+)'")

# Below this bound on the size of a result, measured from sizes and integers alone, no check on the meta device is due.
SURELY_SMALL = 1 << 16


@dataclass(slots=True, eq=False)
class TracedTensor:
    """A tensor of the trace and what the program calls it; `text` is the source that made it."""

    tensor: Tensor
    name: str | None
    text: str
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
    """What happened: leaves, calls in order, and the output; `constants` says which leaves had to be some, and why."""

    leaves: list[TracedTensor]
    calls: list[TracedCall] = field(default_factory=list)
    output: Any = None
    constants: Mapping[str, str] = field(default_factory=dict)

    @property
    def tensors(self) -> list[TracedTensor]:
        """Return leaves, then every tensor that a gradient passes through, in forward order."""
        made = [output for call in self.calls for output in call.outputs if output.tensor.requires_grad]
        return [*self.leaves, *made]


class Tracer:
    """The machine that runs ops in PyTorch and records them."""

    def __init__(self, program: Program, trace: Trace, limits: Limits) -> None:
        self.program = program
        self.trace = trace
        self.limits = limits
        self.most_rounds = limits.operations
        self.largest_exponent = limits.exponent
        self.used = sum(leaf.tensor.numel() * leaf.tensor.element_size() for leaf in trace.leaves)

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
        self._check_size(ready)
        result = self._wrap(_run(op, call, ready), call.node, traced_in(call.positional))
        self.used += self._check_shapes([traced.tensor.shape for traced in traced_in(result)])
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

    def _check_size(self, ready: partial[Any]) -> None:
        """Refuse a result beyond the limits before it takes any memory."""
        if _bound([ready.args, ready.keywords]) > SURELY_SMALL:
            self._check_shapes(_meta(ready))

    def _check_shapes(self, shapes: Sequence[torch.Size]) -> int:
        """Return the bytes of tensors of these shapes, if the limits allow them."""
        for shape in shapes:
            _check_shape(shape, self.limits)
        size = sum(shape.numel() for shape in shapes) * 8
        used, most = (self.used + size) / 2**30, self.limits.memory / 2**30
        if used > most:
            message = f"the graph needs an estimated {used:.1f} GiB, more than {most:g} GiB"
            raise LimitError(message, hint="`--max-memory` raises the limit")
        return size


def run(program: Program, leaves: dict[str, Tensor], limits: Limits) -> Trace:
    """Return the trace of a program; errors point at the node that PyTorch refused."""
    traced = {name: TracedTensor(tensor, name, name, is_leaf=True) for name, tensor in leaves.items()}
    trace = Trace(list(traced.values()))
    machine = Tracer(program, trace, limits)
    trace.output = Interpreter(program, machine, dict(traced)).run()
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
    except (RuntimeError, TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError, AssertionError) as error:
        raise _refused(op, call, first_line(error)) from None


def _refused(op: Op, call: BoundCall, message: str) -> ExecutionError:
    """Return what PyTorch refuses; an argument that it has no derivative by is named as the user names it."""
    found = NO_DERIVATIVE.search(message)
    argument = call.bound.get(found[1]) if found else None
    if not isinstance(argument, TracedTensor):
        return ExecutionError(f"PyTorch refuses {op.name}: {message}")
    name = argument.name or argument.text
    error = ConstantError(f"PyTorch refuses {op.name}: {message}", hint=f"write `detach({name})`")
    error.leaf, error.argument = (name if argument.is_leaf else ""), f"{op.name} by '{found[1] if found else ''}'"
    return error


def _bound(value: Any) -> int:
    """Return a bound on the number of elements of any result: sizes and integers, multiplied."""
    return math.prod(max(_size(leaf), 1) for leaf in tree.leaves(value))


def _size(leaf: Any) -> int:
    if isinstance(leaf, Tensor):
        return leaf.numel()
    return abs(leaf) if isinstance(leaf, int) else 1


def _meta(ready: partial[Any]) -> list[torch.Size]:
    """Return the shapes of an op's results, found without computing them."""
    try:
        with torch.no_grad(), torch.device("meta"):
            result = ready.func(*tree.map(_on_meta, ready.args), **tree.map(_on_meta, ready.keywords))
    except NotImplementedError:
        return []  # the size depends on the data (masked_select): it cannot be larger than its input
    except Exception:  # noqa: BLE001 (the real call says what is wrong, in better words)
        return []
    return [tensor.shape for tensor in tree.tensors(result)]


def _on_meta(leaf: Any) -> Any:
    return leaf.detach().to("meta") if isinstance(leaf, Tensor) else leaf


def _check_shape(shape: torch.Size, limits: Limits) -> None:
    text = "x".join(str(size) for size in shape)
    if len(shape) > limits.rank:
        msg = f"a result of shape {text} has {len(shape)} axes, more than the limit of {limits.rank}"
        raise LimitError(msg, hint="`--max-rank` raises the limit")
    if shape.numel() > limits.elements:
        msg = f"a result of shape {text} has {shape.numel()} elements, more than the limit of {limits.elements}"
        raise LimitError(msg, hint="`--max-elements` raises the limit")


def traced_in(value: Any) -> list[TracedTensor]:
    """Return the traced tensors among nested arguments or results, in order."""
    return [leaf for leaf in tree.leaves(value) if isinstance(leaf, TracedTensor)]


def replaced(value: Any, change: Callable[[TracedTensor], Any]) -> Any:
    """Return nested arguments or results with every traced tensor changed."""
    return tree.map(lambda leaf: change(leaf) if isinstance(leaf, TracedTensor) else leaf, value)
