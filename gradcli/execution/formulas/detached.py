"""Leaves that a program only reads detached: to a Function of it they are constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.formulas.points import Point, finite_point


def without_detached(here: Point, given: Mapping[str, Any]) -> Point | None:
    """Return a point at which the leaves that the program only reads detached are constants; None if there are none."""
    leaves = [traced for traced in here.wanted if traced.is_leaf]
    output, upstream = here.output.tensor, here.cotangent
    found: Sequence[Tensor | None] = torch.autograd.grad(
        output, [leaf.tensor for leaf in leaves], upstream, retain_graph=True, allow_unused=True
    )
    names = [leaf.name or leaf.text for leaf, value in zip(leaves, found, strict=True) if value is None]
    if not names or len(names) == len(here.wanted):
        return None
    settings = replace(here.settings, constants=(*here.settings.constants, *names))
    return finite_point(here.program, settings, given, here.settings.seed)
