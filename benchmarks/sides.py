"""The two sides of a comparison with `torch.autograd.gradcheck`: the same program at the same point."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradcli.execution.drawing import run_at_a_point
from gradcli.execution.run import default_dtype, trace_of
from gradcli.session import read
from gradcli.settings import Settings

SETTINGS = Settings(command="check", grad_output="ones")


def point(source: str, shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Return the point at which `gradcli check` looks at a program."""
    settings = Settings(command="check", shapes=dict(shapes), seed=seed)
    with default_dtype(settings):
        trace = run_at_a_point(read(source, settings), settings, {})
    return {leaf.text: leaf.tensor.detach() for leaf in trace.leaves}


def gradcheck(source: str, leaves: dict[str, Tensor], **options: Any) -> bool:
    """Return what `torch.autograd.gradcheck` says of a program, every entry of its Jacobian looked at."""
    program = read(source, SETTINGS)
    names = list(leaves)
    inputs = [leaf.clone().requires_grad_(leaf.is_floating_point()) for leaf in leaves.values()]

    def function(*tensors: Tensor) -> Tensor:
        found: Tensor = trace_of(program, SETTINGS, dict(zip(names, tensors, strict=True))).output.tensor
        return found

    with default_dtype(SETTINGS):
        return torch.autograd.gradcheck(function, inputs, **{"raise_exception": False, **options})
