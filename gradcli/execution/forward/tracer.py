"""The user's program run by PyTorch under autograd, recorded call by call.

The trace is the straight line that define-by-run leaves: conditions are decided, loops unrolled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from gradcli.errors import ExecutionError, GradcliError, LimitError
from gradcli.execution.forward import tree
from gradcli.execution.forward.followed import edge_of
from gradcli.execution.forward.in_place import check_overwrite
from gradcli.execution.forward.inner import between, call_of, gradients
from gradcli.execution.forward.interpreter import Interpreter
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.memory import Memory, check_items
from gradcli.execution.forward.refusals import REFUSALS, refusals
from gradcli.execution.forward.refused_calls import (
    IntegerError,
    LabelError,
    integer_leaf,
    is_whole,
    mask_leaf,
    refused_call,
    shapes_of,
)
from gradcli.execution.forward.shared import shared
from gradcli.execution.forward.trace import InnerGradient, Trace, TracedCall, TracedTensor, invocation, traced_in
from gradcli.language.parser import parse
from gradcli.language.program import Call, Expression, Program
from gradcli.limits import Limits
from gradcli.ops.record import Op
from gradcli.ops.signature import defaults
from gradcli.progress import begin

FLOATS_ONLY = "only Tensors of floating point and complex dtype can require gradients"
WITH_FLOATS = "write floats: `torch.tensor([1., 2.], requires_grad=True)`"

# What gives the tensor of a leaf, by its name and the numbers that it holds.
MakeLeaf = Callable[[str, Tensor], Tensor]


class Tracer:
    """The machine that runs ops in PyTorch and records them."""

    def __init__(self, program: Program, trace: Trace, limits: Limits, make: MakeLeaf | None = None) -> None:
        self.program = program
        self.trace = trace
        self.limits = limits
        self.make = make
        self.seed = 0
        self.memo: dict[Any, Any] = {}
        self.most_rounds = limits.operations
        self.largest_exponent = limits.exponent
        self.memory = Memory(limits, [leaf.tensor for leaf in trace.leaves])

    def tensor(self, value: Any) -> Tensor | None:
        """Return the tensor behind a traced value."""
        return value.tensor if isinstance(value, TracedTensor) else None

    def decides(self, tensor: Tensor) -> None:
        """A program with conditions has no plan."""

    def begin_loop(self, rounds: int) -> None:
        """A loop may end before its last round, where the program differentiates."""

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

    def unmade(self, numbers: Tensor) -> TracedTensor:
        """Return the numbers of a leaf that is about to be made, which no call has made."""
        return TracedTensor(numbers, None, "numbers")

    def hide(self, values: Sequence[Any]) -> None:
        """Leave out of what is shown what PyTorch's own code has made inside of a call."""
        self.trace.hidden |= {value for value in values if isinstance(value, TracedTensor)}

    def gradient(
        self, call: Call, outputs: Sequence[Any], inputs: Sequence[Any], upstream: Sequence[Any], *, allow_unused: bool
    ) -> tuple[Any, ...]:
        """Return the gradients of outputs by inputs that PyTorch gives, and record them as one call."""
        given = [None if one is None else one.tensor for one in upstream]
        with refusals("torch.autograd.grad"):
            found = gradients(
                [one.tensor for one in outputs], [one.tensor for one in inputs], given, allow_unused=allow_unused
            )
        made = [None if one is None else TracedTensor(one, None, call_text(self.program, call)) for one in found]
        used = [(of, one) for of, one in zip(inputs, made, strict=True) if one is not None]
        inner = InnerGradient(tuple(outputs), tuple(of for of, _ in used), tuple(upstream))
        self.trace.calls.append(call_of(inner, call, [one for _, one in used]))
        self.trace.hidden |= between(self.trace.calls[-1], self.trace.calls) | self._shared([one for _, one in used])
        return tuple(made)

    def _shared(self, made: Sequence[TracedTensor]) -> set[TracedTensor]:
        """Return those gradients of a call of which autograd computes others, or which it has had before."""
        known: dict[tuple[Any, int], TracedTensor] = {}
        for traced in (*self.trace.leaves, *(one for call in self.trace.calls for one in call.outputs)):
            if traced.tensor.requires_grad:
                edge = _edge(traced)
                known.setdefault((edge.node, edge.output_nr), traced)
        edges = [(traced, _edge(traced)) for traced in made if traced.tensor.requires_grad]
        return shared(edges, lambda *place: known.get(place))

    def refill(self, value: Any, numbers: Tensor) -> None:
        """Give a leaf other numbers; refused where they would not be those that it was used with."""
        if any(value in call.inputs and call.outputs for call in self.trace.calls):  # its sizes alone do not count
            hint = "give it its numbers before it is used"
            raise ExecutionError(f"'{value.text}' is changed in place after it was used", hint=hint)
        with torch.no_grad():
            value.tensor.copy_(numbers)

    def overwrites(self, value: Any, call: BoundCall, others: Mapping[str, Any]) -> None:
        """Refuse a call in place that PyTorch would refuse, or that other names would see.

        The tensor's version is raised, so that PyTorch refuses backward where an earlier op has saved it.
        """
        seen = {name: other.tensor for name, other in others.items() if isinstance(other, TracedTensor)}
        operands = [item.tensor if isinstance(item, TracedTensor) else item for item in call.positional[1:]]
        check_overwrite(value.name or value.text, value.tensor, call, operands, seen)
        self._keep_views(value)
        with torch.no_grad():
            value.tensor.detach().mul_(1)

    def _keep_views(self, written: TracedTensor) -> None:
        """Keep the other views of a tensor, and where autograd knows them, as they are before a write to it.

        After it PyTorch makes autograd's node of a view anew, which is not the one that what is written has read, and
        crashes where it looks for that of some.
        """
        for call in self.trace.calls:
            for traced in call.outputs:
                view = traced.tensor
                is_changed = traced.edge is None and view.requires_grad and _is_view(view)
                if is_changed and traced is not written and _shares(view, written.tensor):
                    traced.edge = get_gradient_edge(view)
                    with torch.enable_grad():
                        traced.tensor = view.clone()

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
        self.memory.check(ready, pointwise=op.is_entrywise)
        begin(f"'{call_text(self.program, call.node)}'")
        result = self._wrap(self._run(op, call, ready), call.node, traced_in(call.positional))
        self.memory.add([traced.tensor for traced in traced_in(result)])
        self.trace.calls.append(TracedCall(op, call, result))
        return result

    def _run(self, op: Op, call: BoundCall, ready: partial[Any]) -> Any:
        """Return what PyTorch gives; IntegerError or LabelError where it refuses floats in place of integers."""
        try:
            return ready()
        except REFUSALS as error:
            found = integer_leaf(op, call, self.trace)
            if found is not None and is_whole(found[1].tensor):
                raise IntegerError(op, *found) from None
            refusal = refused_call(op, call, error)
            if found is not None:
                name = found[1].text
                refusal.hint = f"'{name}' holds floats: labels and indices are integers, such as `--value {name}=[0,1]`"
                if found[0] in op.below:
                    refusal = LabelError.of(refusal, found[1], self._asked(op.below[found[0]], op, call))
            elif (mask := mask_leaf(op, call, self.trace)) is not None:
                refusal = LabelError.of(refusal, mask[1], None)
            raise refusal from None

    def _asked(self, program: str, op: Op, call: BoundCall) -> Any:
        """Return what a program of an op's record says of a call."""
        bound = {**defaults(op.signature), **call.bound}
        return Interpreter(parse(program, definition=True), self, bound).run()

    def _refuse_crash(self, op: Op, call: BoundCall) -> None:
        """Refuse a call that would end the process, by the op's own record."""
        if op.crashes is None:
            return
        try:
            crashes = self._asked(op.crashes, op, call)
        except GradcliError:  # such as an axis that is not there: PyTorch has words for it
            return
        if crashes:
            message = f"{op.name} of tensors of these shapes makes PyTorch itself crash, so it is not run"
            raise ExecutionError(message, hint=shapes_of(call))

    def _wrap(self, result: Any, node: Call, given: Sequence[TracedTensor]) -> Any:
        """Return a result as traced values; `conj` of a real tensor, say, is the very tensor that it was given."""
        known = {id(traced.tensor): traced for traced in given}
        text = call_text(self.program, node)

        def traced(path: tree.Path, leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            return known.get(id(leaf)) or TracedTensor(leaf, None, text + tree.subscripts(path))

        return tree.map_with_path(traced, result)


def call_text(program: Program, node: Call) -> str:
    """Return the source text of a call; one that an option put around it is written out."""
    text = program.text(node)
    added = node.function == "detach" and node.function_span == node.span
    return f"detach({text})" if added else text


def _edge(traced: TracedTensor) -> GradientEdge:
    return traced.edge or edge_of(traced.tensor)


def _is_view(tensor: Tensor) -> bool:
    return tensor._is_view()  # noqa: SLF001 (there is no public way)


def _shares(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


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
