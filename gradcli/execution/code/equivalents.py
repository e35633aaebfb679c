"""Calls that the table does not have, as ones that it has: random numbers that were drawn, cells written out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.code.recurrent import DEFINITIONS
from gradcli.execution.code.steps import Entry, Steps, entry
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.followed import Followed
from gradcli.execution.forward.twins import random_numbers

# What is affine in each entry of its first operand, for the numbers that it draws and at the places that it fills.
DROPPING = ("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", "native_dropout")
FILLING = ("fill_diagonal_", "normal_", "uniform_", "bernoulli_", "exponential_", "log_normal_", "random_", "zero_")
AFFINE = frozenset({*DROPPING, *FILLING, *(f"{name}_" for name in DROPPING)})


def definition_of(call: MadeCall) -> Callable[..., Any] | None:
    """Return the definition of a call as code, if it has one."""
    return DEFINITIONS.get(call.short)


def equivalent(call: MadeCall, given: Mapping[int, Followed], drawn: Tensor, steps: Steps) -> Entry | None:
    """Return a call that has just run as one of the table's for these operands; None if there is none."""
    if call.short in AFFINE and call.first is not None:
        return _affine(call, given[id(call.first)], drawn, steps)
    return None


def _affine(call: MadeCall, operand: Followed, drawn: Tensor, steps: Steps) -> Entry:
    """Return a factor times the operand, plus a shift, where the call draws both and looks at nothing else."""

    def at(value: Tensor) -> Tensor:
        with torch.no_grad(), random_numbers(drawn):
            found = call.func(value, *call.args[1:], **call.keywords)
        return found[0] if isinstance(found, tuple) else found

    like = operand.tensor.detach()
    shift = at(torch.zeros_like(like))
    ones = at(torch.ones_like(like))
    factor = torch.where(ones == shift, 0.0, ones - shift)
    constants = [steps.constant(factor), steps.constant(shift)]
    if not bool(shift.any()):
        return entry("mul", operand, constants[0])
    return entry("addcmul", constants[1], operand, constants[0])
