"""The witnesses of a gradient beside the symbolic one: what each is called, and what it is.

There are numerical ones, and the transformations under which code can be run once more. To add one, add its row here
and its class or function in a module of gradcli.execution.witnesses; the options, the settings and the reports read
these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

SYMBOLIC = "symbolic"
DIFFERENCES = "finite-difference"
ADJOINT = "adjoint"


@dataclass(frozen=True, slots=True)
class WitnessRow:
    """A witness as users meet it."""

    name: str
    """The value of `--witness`, and the key in JSON."""
    heading: str
    """The heading of its column."""
    phrase: str
    """What it is called in sentences. A witness with a `max_abs_error` has a plural ("... are off by 2"), one with an
    `order` a singular ("... is of order 1")."""
    agrees: str
    """The verb that goes with that phrase."""
    title: str
    """What it is called as a row of a table: without an article."""
    implementation: str
    """The dotted name of its class: it imports torch, and its name does not."""
    votes: bool = True
    """Whether it says what the function's derivative is; else only whether autograd is consistent with itself."""
    by_default: bool = True
    """Whether `check` asks it where no witness is named."""


_ROWS = (
    WitnessRow(
        DIFFERENCES,
        "differences",
        "finite differences",
        "agree",
        "finite differences",
        "gradcli.execution.witnesses.finite_differences.FiniteDifferences",
    ),
    WitnessRow(
        "taylor",
        "Taylor order",
        "the Taylor remainder",
        "agrees",
        "Taylor remainder",
        "gradcli.execution.witnesses.taylor.Taylor",
    ),
    WitnessRow(
        ADJOINT,
        "adjoint",
        "products of forward mode",
        "agree",
        "adjoint identity",
        "gradcli.execution.witnesses.adjoint.Adjoint",
        votes=False,
    ),
    WitnessRow(
        "second-order",
        "second order",
        "products of the Hessian",
        "agree",
        "second derivatives",
        "gradcli.execution.witnesses.second_order.SecondOrder",
        votes=False,
        by_default=False,
    ),
)
WITNESSES: Mapping[str, WitnessRow] = {row.name: row for row in _ROWS}
BY_DEFAULT = (SYMBOLIC, *(row.name for row in _ROWS if row.by_default))


@dataclass(frozen=True, slots=True)
class TransformationRow:
    """A transformation of code as users meet it."""

    name: str
    """The value of `--under`, and the key in JSON."""
    heading: str
    """The heading of its column."""
    phrase: str
    """What it is called in sentences, after "under"."""
    implementation: str
    """The dotted name of the function that makes it: it imports torch, and its name does not."""


_MADE_IN = "gradcli.execution.witnesses.transformations"
_TRANSFORMATIONS = (
    TransformationRow("eager", "eager", "plain eager mode", f"{_MADE_IN}.eager"),
    TransformationRow("compile", "compile", "torch.compile", f"{_MADE_IN}.compiled"),
    TransformationRow("checkpoint", "checkpoint", "checkpointing", f"{_MADE_IN}.checkpointed"),
    TransformationRow("vmap", "vmap", "torch.vmap", f"{_MADE_IN}.mapped"),
    TransformationRow("autocast", "autocast", "torch.autocast", f"{_MADE_IN}.autocast"),
    TransformationRow("channels_last", "channels_last", "channels_last", f"{_MADE_IN}.channels_last"),
)
TRANSFORMATIONS: Mapping[str, TransformationRow] = {row.name: row for row in _TRANSFORMATIONS}
COLUMNS: Mapping[str, WitnessRow | TransformationRow] = {**WITNESSES, **TRANSFORMATIONS}
"""All that a tensor's report may have in `witnesses`, in the order of its columns."""

if TYPE_CHECKING:
    WitnessName: TypeAlias = str
    TransformationName: TypeAlias = str
else:  # the names are checked where they come in: by the command line, in suites and by the API
    WitnessName = Literal[(SYMBOLIC, *WITNESSES)]
    TransformationName = Literal[(*TRANSFORMATIONS,)]
