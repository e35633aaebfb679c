"""The forward run as code of PyTorch's: a statement for each tensor that the program names, expressions for the rest.

Branches and loops are as the run took them.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import NotSupportedError
from gradcli.execution.formulas.inlined import ATTRIBUTES
from gradcli.execution.forward import tree
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor, traced_in
from gradcli.language.operator_table import OPERATOR_OF
from gradcli.python_trees import expression_tree

METHOD = "torch.Tensor."
FUNCTIONAL = "torch.nn.functional."
# What refuses some strides of its input, and is this for all.
ANY_STRIDES = {"torch.Tensor.view": "torch.Tensor.reshape", "torch.Tensor.view_as": "torch.Tensor.reshape_as"}
# What refuses some strides, or reads the memory as it lies, and is this of what is contiguous.
CONTIGUOUS = frozenset({"view_as_complex", "native_group_norm"})
# What runs by a kernel of ours, and is this in PyTorch where it has no state.
OF_KERNELS = {name: f"{FUNCTIONAL}{name}" for name in ("batch_norm", "instance_norm")}
OF_KERNELS |= {"eye": "torch.eye", "arange": "torch.arange", "squeeze": "torch.squeeze"}
OF_KERNELS |= {"native_dropout_backward": "torch.ops.aten.native_dropout_backward"}
RANDOM = frozenset({"dropout", "rand", "randn", "randint", "randperm", "bernoulli", "normal", "multinomial"})
MOST_WRITTEN = 24  # entries of a value that stands in a test as it is
# An operation, whatever it stands in.
ATOM = "({})"


@dataclass(frozen=True, slots=True)
class ForwardSource:
    """The code of a forward run."""

    lines: tuple[str, ...]
    result: str
    """The expression of the output."""
    kept: tuple[str, ...] = ()
    """The names of the tensors that are to be kept."""


def forward_source(
    trace: Trace, names: Mapping[TracedTensor, str], taken: Collection[str], kept: Sequence[TracedTensor] = ()
) -> ForwardSource:
    """Return the code that computes the output from leaves by their `names`; no variable has a name that is `taken`.

    What is to be `kept` has a name.

    Raises NotSupportedError for a call that is not one of PyTorch's own, or draws random numbers.
    """
    written = _Written(trace, dict(names), {*taken, *names.values()}, kept)
    for call in needed(trace):
        written.add(call)
    names_kept = tuple(written.text(one) for one in kept)
    return ForwardSource(tuple(written.lines), _bare(written.text(trace.output)), names_kept)


def needed(trace: Trace) -> list[TracedCall]:
    """Return the calls that the output depends on."""
    wanted, found = set(traced_in(trace.output)), []
    for call in reversed(trace.calls):
        if wanted.intersection(call.outputs):
            wanted.update(call.inputs)
            found.append(call)
    return found[::-1]


@dataclass(slots=True)
class _Written:
    trace: Trace
    texts: dict[TracedTensor, str]
    taken: set[str]
    kept: Sequence[TracedTensor] = ()
    lines: list[str] = field(default_factory=list)

    def text(self, traced: TracedTensor) -> str:
        return self.texts[traced]

    def add(self, call: TracedCall) -> None:
        """Write a call: as a statement if its result has a name or is read more than once."""
        text = self._call(call)
        several = len(call.outputs) != 1 or call.result is not call.outputs[0]
        if several:
            name = self._assigned(_bare(text), None)
            items = tree.leaves(call.result) if isinstance(call.result, tuple | list) else [call.result]
            self.texts |= {one: f"{name}[{place}]" for place, one in enumerate(items) if isinstance(one, TracedTensor)}
            return
        (output,) = call.outputs
        if output is not self.trace.output and (output.name or output in self.kept or self._reads(output) > 1):
            text = self._assigned(_bare(text), output.name)
        self.texts[output] = text

    def _reads(self, output: TracedTensor) -> int:
        return sum(
            traced_in([call.arguments.positional, call.arguments.keywords]).count(output) for call in self.trace.calls
        )

    def _assigned(self, text: str, name: str | None) -> str:
        own = name if name is not None and name.isidentifier() else "t"
        number = 1
        stem = own
        while own in self.taken:
            number += 1
            own = f"{stem}{number}" if not stem[-1].isdigit() else f"{stem}_{number}"
        self.taken.add(own)
        self.lines.append(f"{own} = {text}")
        return own

    def _call(self, call: TracedCall) -> str:
        if call.gap is not None or call.op.name in RANDOM:
            raise NotSupportedError(f"there is no source for the call '{call.op.name}'")
        if call.op.torch == "operator.getitem":
            tensor, index = call.arguments.positional
            return f"{self._argument(tensor)}[{self._index(index)}]"
        arguments = [self._argument(value) for value in call.arguments.positional]
        if call.op.name in CONTIGUOUS:
            arguments[0] += ".contiguous()"
        operator = OPERATOR_OF.get(call.op.name) if call.arguments.node.operator else None
        if operator is not None and len(arguments) in {1, 2}:
            return ATOM.format(
                f" {operator.sign} ".join(arguments) if len(arguments) > 1 else operator.sign + arguments[0]
            )
        return self._special(call, arguments) or self._function(call, arguments)

    def _special(self, call: TracedCall, arguments: list[str]) -> str | None:
        name = call.op.name
        if name in ATTRIBUTES:
            return f"{arguments[0]}.{name}"
        if name == "reshape":
            return f"torch.reshape({_bare(arguments[0])}, {tuple(call.outputs[0].tensor.shape)})"
        return None

    def _index(self, value: Any) -> str:
        if isinstance(value, tuple):
            return ", ".join(map(self._index, value)) + ("," if len(value) == 1 else "")
        if isinstance(value, slice):
            ends = ["" if end is None else str(end) for end in (value.start, value.stop)]
            return ":".join([*ends, *([] if value.step is None else [str(value.step)])])
        return self._argument(value)

    def _function(self, call: TracedCall, arguments: list[str]) -> str:
        words = [f"{name}={_bare(self._argument(value))}" for name, value in call.arguments.keywords.items()]
        dotted = call.op.torch
        dotted = ANY_STRIDES.get(dotted, dotted)
        if dotted.startswith(METHOD):
            return f"{arguments[0]}.{dotted.removeprefix(METHOD)}({', '.join([*map(_bare, arguments[1:]), *words])})"
        if not dotted.startswith("torch."):
            dotted = self._of_a_kernel(call)
        if not call.inputs and call.outputs and call.outputs[0].tensor.is_floating_point() and "dtype" not in words:
            words.append(f"dtype={next(iter(self.texts.values()))}.dtype")
        own = dotted.replace(FUNCTIONAL, "F.")
        return f"{own}({', '.join([*map(_bare, arguments), *words])})"

    def _of_a_kernel(self, call: TracedCall) -> str:
        has_state = call.arguments.bound.get("running_mean") is not None
        if call.op.name not in OF_KERNELS or has_state:
            raise NotSupportedError(f"there is no source for the call '{call.op.name}'")
        return OF_KERNELS[call.op.name]

    def _argument(self, value: Any) -> str:
        if isinstance(value, TracedTensor):
            return self.texts[value]
        if isinstance(value, tuple | list):
            items = [_bare(self._argument(item)) for item in value]
            if isinstance(value, tuple):
                return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
            return f"[{', '.join(items)}]"
        if isinstance(value, float) and not math.isfinite(value):
            return f'float("{value}")'
        if value is None or value is Ellipsis or isinstance(value, bool | int | float | str | torch.dtype):
            text = "..." if value is Ellipsis else repr(value)
            return f"({text})" if text.startswith("-") else text
        raise NotSupportedError(f"there is no source for an argument `{value!r}`")


def _bare(text: str) -> str:
    """Return an expression with no more parentheses than it needs."""
    return ast.unparse(expression_tree(text))


def value_source(tensor: Tensor, *, moves: bool) -> str:
    """Return the expression of a value for a test: its numbers, or random ones of the same kind where it has many."""
    grad = ", requires_grad=True" if moves else ""
    tensor = tensor.detach()
    if tensor.numel() <= MOST_WRITTEN or not tensor.is_floating_point():
        return f"torch.tensor({tensor.tolist()!r}, dtype={tensor.dtype}{grad})"
    low, high, shape = float(tensor.min()), float(tensor.max()), ", ".join(map(str, tensor.shape))
    if low < 0 < high:
        return f"torch.randn({shape}, dtype={tensor.dtype}{grad})"
    text = f"torch.empty({shape}, dtype={tensor.dtype}).uniform_({low:.6g}, {high:.6g})"
    return f"{text}.requires_grad_()" if moves else text
