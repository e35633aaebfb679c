"""Whole numbers that options give to code: they are floats, unless PyTorch takes them only as integers there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.forward.refused_calls import is_whole
from gradcli.execution.forward.value_files import read_values
from gradcli.settings import Settings

Found = TypeVar("Found")
WANTED = re.compile(r"\b(?:long|int|int32|int64|integers?|index|indices)\b", re.IGNORECASE)
READ = "read as integers, and so a constant: {}"


def with_integers(
    settings: Settings, leaves: Mapping[str, Tensor], run: Callable[[Mapping[str, Tensor]], Found]
) -> tuple[Found, dict[str, str]]:
    """Return what code gives on these leaves, and why one had to hold integers; raises what it raises otherwise."""
    try:
        return run(leaves), {}
    except ExecutionError as error:
        for name in _candidates(settings, leaves) if WANTED.search(error.text) else ():
            whole = {**leaves, name: leaves[name].detach().to(torch.int64)}
            try:
                return run(whole), {name: READ.format(error.text)}
            except ExecutionError as other:
                if other.text != error.text:  # it was wanted here, and PyTorch goes on to what it wants of another
                    found, others = with_integers(settings, whole, run)
                    return found, {name: READ.format(error.text)} | others
        raise


def _candidates(settings: Settings, leaves: Mapping[str, Tensor]) -> list[str]:
    """Return the leaves that options give whole numbers, and whose gradients are not asked for."""
    given = {*read_values(settings.values_file), *settings.values}
    floats = [name for name, leaf in leaves.items() if name in given and leaf.is_floating_point()]
    return [name for name in floats if name not in (settings.wrt or ()) and is_whole(leaves[name])]
