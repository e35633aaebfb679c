"""Code as a pure function of its leaves: what `torch.func` transforms, run as it stands and followed by nobody.

What forward mode computes of code is not what it computes of the calls in it: a Function has a `jvp` of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from gradcli.execution.code.borrowed import Borrowed
from gradcli.execution.code.compiled import as_written
from gradcli.execution.code.outputs import output_of
from gradcli.execution.code.target import Target
from gradcli.execution.forward.followed import is_given
from gradcli.execution.forward.run import reduction_of
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.settings import Settings


class Callee(Protocol):
    """Code that is called."""

    @property
    def target(self) -> Target:
        """Return what is called."""

    @property
    def borrowed(self) -> Borrowed:
        """Return what is to be as it was before every run."""

    def with_call(self, call: Callable[..., Any]) -> Callee:
        """Return the same with another way to call it."""

    def call(self, leaves: Mapping[str, Tensor], settings: Settings) -> Any:
        """Return what the code returns."""


def pure(code: Callee, settings: Settings, trace: Trace, leaves: Sequence[TracedTensor]) -> Callable[..., Tensor]:
    """Return the code's output as a function of some leaves that it is given.

    A module's buffers are as they were before its first run; those of a graph that waits for backward are not touched.
    """
    given = {leaf.text: leaf.tensor.detach() for leaf in trace.leaves if is_given(leaf)}

    def program(*tensors: Tensor) -> Tensor:
        values = {**given, **{leaf.text: tensor for leaf, tensor in zip(leaves, tensors, strict=True)}}
        code.borrowed.begin()
        with as_written():
            returned = _holding(code, values).call(values, settings)
        output = output_of(returned, trace.ran.path)[1]
        return output if settings.reduce == "none" else reduction_of(settings)(output)

    return program


def _holding(code: Callee, values: Mapping[str, Tensor]) -> Callee:
    """Return code whose module has parameters of these values, and buffers that it may write to."""
    module = code.target.module
    if module is None:
        return code
    own = {name: values[name] for name, _ in module.named_parameters() if name in values}
    own |= {name: buffer.clone() for name, buffer in code.borrowed.buffers_of(module).items()}

    def call(*args: Any, **keywords: Any) -> Any:
        return torch.func.functional_call(module, own, args, keywords)

    return code.with_call(call)
