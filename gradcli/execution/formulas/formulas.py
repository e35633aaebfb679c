"""Formulas for a report: asked for early, collected late, and never waited for longer than a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from gradcli.derivation.derivations import Derivations, PostedFormulas
from gradcli.derivation.formulas import Formula
from gradcli.execution.formulas.chain_rule import chain_rule
from gradcli.execution.formulas.readable import UPSTREAM, readable
from gradcli.execution.formulas.request import gradients_request
from gradcli.execution.formulas.same_numbers import with_same_numbers
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
    cotangent: Tensor
    """The upstream gradient."""
    upstream: float | None
    """What every entry of it is; None if it is a tensor."""
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
            return Formulas(derivations, decomposition, names, cotangent, upstream, known.posted, known.formulas)
        is_plain = all(group.call.inner is None for group in decomposition.calls)
        request = gradients_request(decomposition, names, upstream) if is_plain else None
        posted = None if request is None else derivations.post_formulas(request)
        if kept is not None and posted is not None and posted.known is not None:
            kept[Known] = Known(upstream, posted)
        return Formulas(derivations, decomposition, names, cotangent, upstream, posted)

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
        values = self._values() if any(formula.raw for formula in written.values()) else {}
        written = {
            name: with_same_numbers(written[name], of, values) for of, name in self.names.items() if name in written
        }
        formulas = {traced: written.get(name) or steps.get(traced) for traced, name in self.names.items()}
        trace = self.decomposition.trace
        found = readable(trace, {traced: formula for traced, formula in formulas.items() if formula is not None})
        if all(value.is_floating_point() for value in values.values()):
            self._keep(found)
        return found

    def _keep(self, found: Mapping[TracedTensor, Formula]) -> None:
        """Keep formulas for the next run that comes to the same ops, be it on other numbers."""
        kept = self.decomposition.kept
        known: Known | None = None if kept is None else kept.get(Known)
        if kept is not None and known is not None and known.posted is self.posted:
            kept[Known] = replace(known, formulas={self.names[traced]: formula for traced, formula in found.items()})

    def _values(self) -> dict[str, Tensor]:
        """Return what formulas may name at the run's own values, in double precision."""
        named = {name: traced.tensor.detach() for traced, name in self.names.items() if name.isidentifier()}
        output = self.decomposition.trace.output.tensor.detach()
        several = {**named, UPSTREAM: self.cotangent.expand_as(output)}
        return {name: one.double() if one.is_floating_point() else one for name, one in several.items()}


def _upstream(cotangent: Tensor) -> float | None:
    """Return the number that every entry of the upstream gradient is, or None."""
    if cotangent.is_complex() or cotangent.numel() == 0:
        return None
    first, last = (float(cotangent[(end,) * cotangent.dim()]) for end in (0, -1))
    return first if first == last and bool((cotangent == first).all()) else None
