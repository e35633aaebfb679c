"""Formulas for a report: asked for early, collected late, and never waited for longer than a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradcli.derivation.client import Derivations
from gradcli.execution.formulas.request import chain_rule, sketch
from gradcli.execution.forward.tracer import TracedTensor
from gradcli.execution.reference.decomposition import Decomposition

if TYPE_CHECKING:
    from torch import Tensor

SECONDS = 1.0  # for all formulas of a program, in the worker
GRACE = 1.0  # seconds more until a worker that does not answer is killed


@dataclass(frozen=True, slots=True)
class Formula:
    """One formula: as PyTorch's text, and as LaTeX."""

    text: str
    latex: str


@dataclass(frozen=True, slots=True)
class Formulas:
    """The formulas of one program, on their way."""

    derivations: Derivations
    decomposition: Decomposition
    names: Mapping[TracedTensor, str]
    upstream: float | None
    key: str | None

    @staticmethod
    def ask(
        derivations: Derivations, decomposition: Decomposition, names: Mapping[TracedTensor, str], cotangent: Tensor
    ) -> Formulas:
        """Have the worker write formulas, while the caller does something else."""
        upstream = _upstream(cotangent)
        drawn = sketch(decomposition, names, upstream)
        key = None if drawn is None else derivations.post_formulas(drawn, SECONDS)
        return Formulas(derivations, decomposition, names, upstream, key)

    def collect(self) -> dict[TracedTensor, Formula]:
        """Return a formula for every tensor, the chain rule's last step where there is none in terms of the leaves."""
        found = {} if self.key is None else self.derivations.collect_formulas(self.key, SECONDS + GRACE)
        steps = chain_rule(self.decomposition, self.names, self.upstream)
        formulas = {}
        for traced, name in self.names.items():
            if name in found:
                formulas[traced] = Formula(found[name]["formula"], found[name]["latex"])
            elif traced in steps:
                formulas[traced] = Formula(*steps[traced])
        return formulas


def _upstream(cotangent: Tensor) -> float | None:
    """Return the number that every entry of the upstream gradient is, or None."""
    if cotangent.is_complex() or cotangent.numel() == 0:
        return None
    first = float(cotangent.reshape(-1)[0])
    return first if bool((cotangent == first).all()) else None
