"""Formulas for a report: asked for early, collected late, and never waited for longer than a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from gradcli.derivation.derivations import Derivations, PostedFormulas
from gradcli.derivation.formulas import Formula
from gradcli.execution.formulas.chain_rule import chain_rule
from gradcli.execution.formulas.readable import readable
from gradcli.execution.formulas.request import gradients_request
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import Decomposition


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the formulas of all runs that come to the same ops, and have the same upstream gradient."""

    upstream: float | None
    posted: PostedFormulas
    """What was asked for, with the answer."""
    formulas: Mapping[str, Formula] | None = None
    """What the answer comes to, by name of tensor, if it is one for all of them."""


@dataclass(frozen=True, slots=True)
class Formulas:
    """The formulas of one program, on their way."""

    derivations: Derivations
    """Where they were asked for."""
    decomposition: Decomposition
    """The program."""
    names: Mapping[TracedTensor, str]
    """What its tensors are called."""
    upstream: float | None
    """What every entry of the upstream gradient is; None if it is a tensor."""
    posted: PostedFormulas | None
    """What was asked for; None if the program is too large, or complex."""
    known: Mapping[str, Formula] | None = None
    """What the answer came to in a run before this one, by name of tensor."""

    @staticmethod
    def ask(
        derivations: Derivations, decomposition: Decomposition, names: Mapping[TracedTensor, str], cotangent: Tensor
    ) -> Formulas:
        """Have the worker write formulas, while the caller does something else."""
        upstream = _upstream(cotangent)
        kept = decomposition.kept
        known: Known | None = None if kept is None else kept.get(Known)
        if known is not None and known.upstream == upstream:
            return Formulas(derivations, decomposition, names, upstream, known.posted, known.formulas)
        is_plain = all(group.call.inner is None for group in decomposition.calls)
        request = gradients_request(decomposition, names, upstream) if is_plain else None
        posted = None if request is None else derivations.post_formulas(request)
        if kept is not None and posted is not None and posted.known is not None:
            kept[Known] = Known(upstream, posted)
        return Formulas(derivations, decomposition, names, upstream, posted)

    def collect(self) -> dict[TracedTensor, Formula]:
        """Return a formula for every tensor, the chain rule's last step where there is none in terms of the leaves."""
        if self.known is not None:
            return {traced: self.known[name] for traced, name in self.names.items()}
        # What leads through a gradient inside of the program has none that is sure to say all.
        if any(group.call.inner is not None for group in self.decomposition.calls):
            return {}
        written = {} if self.posted is None else self.derivations.collect_formulas(self.posted)
        is_complete = all(map(written.get, self.names.values()))
        steps = {} if is_complete else chain_rule(self.decomposition, self.names, self.upstream)
        formulas = {traced: written.get(name) or steps.get(traced) for traced, name in self.names.items()}
        trace = self.decomposition.trace
        found = readable(trace, {traced: formula for traced, formula in formulas.items() if formula is not None})
        kept = self.decomposition.kept
        known: Known | None = None if kept is None else kept.get(Known)
        if kept is not None and is_complete and known is not None and known.posted is self.posted:
            by_name = {self.names[traced]: formula for traced, formula in found.items()}
            kept[Known] = replace(known, formulas=by_name)
        return found


def _upstream(cotangent: Tensor) -> float | None:
    """Return the number that every entry of the upstream gradient is, or None."""
    if cotangent.is_complex() or cotangent.numel() == 0:
        return None
    first, last = (float(cotangent[(end,) * cotangent.dim()]) for end in (0, -1))
    return first if first == last and bool((cotangent == first).all()) else None
