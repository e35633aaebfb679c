"""What a Function cannot be written of, whatever its gradients are."""

from __future__ import annotations

import torch

from gradcli.errors import InputError, NotSupportedError
from gradcli.execution.formulas.points import Point

BRANCH = "the program branches on values: the formulas are those of one branch, and a Function would be wrong on others"


def check(here: Point) -> None:
    """Raise InputError, or NotSupportedError, where a program cannot be a Function."""
    leaves = set(here.trace.leaves)
    for traced in here.wanted:
        if traced not in leaves:
            raise InputError(
                f"a Function is differentiated by what it is given, and '{traced.name or traced.text}' is no leaf",
                option="--wrt",
            )
    if here.settings.grad_output is not None:
        raise InputError("a Function is given its upstream gradient by PyTorch", option="--grad-output")
    if here.trace.ran is not None and here.trace.ran.decides:
        raise NotSupportedError(f"there is no Function: {BRANCH}")
    used = {traced for call in here.trace.calls for traced in call.inputs}
    for call in here.trace.calls:
        for output in call.outputs:
            if output.tensor.dtype is torch.bool and output not in used and output is not here.output:
                raise NotSupportedError(f"there is no Function: {BRANCH}")
