"""What only `eval` reports: the hooks that fired, where `--hooks` asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.report.records import optional


@dataclass(frozen=True, slots=True)
class HookCall:
    """One hook that fired: its kind, the tensor or node that it is registered on, and the gradients that it was given.

    A node's pre-hook is given the gradients of its results, its hook those of its inputs.
    """

    hook: str
    of: str
    gradients: tuple[Any | None, ...]


@dataclass(frozen=True, slots=True)
class EvalDetails:
    """What `eval` adds to the report."""

    hooks: tuple[HookCall, ...] | None = optional()
    """In the order in which they fired; None without `--hooks`."""
