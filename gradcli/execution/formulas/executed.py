"""The code of a derivation, run: what is shown has been executed, whether it is PyTorch's or NumPy's."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.notation.code import NAME


def is_there(library: str) -> bool:
    """Tell whether the library that code is written for is installed."""
    return importlib.util.find_spec(library) is not None


def executed(code: str, to: str, arguments: Mapping[str, Tensor]) -> list[Tensor]:
    """Return what a derivation's code returns for the leaves, and the upstream gradient, in their order.

    The code is of our own words and the names of leaves; nothing of the program's text is in it.
    """
    space: dict[str, Any] = {}
    exec(compile(code, f"<{to} code of a derivation>", "exec"), space)  # noqa: S102 (see above)
    values = [value.detach() for value in arguments.values()]
    found = space[NAME](*(values if to == "torch" else [value.numpy() for value in values]))
    several = found if isinstance(found, tuple) else (found,)
    return [value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64) for value in several]
