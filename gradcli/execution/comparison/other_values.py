"""A program's definitions again, with other values of what the leaves make: what its own rounding has decided moves."""

from __future__ import annotations

from gradcli.execution.comparison.rounding import Point
from gradcli.execution.forward.addresses import address_of
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.execution.reference.inner_gradient import differentiating
from gradcli.execution.reference.tensor_eval import Perturbation, identity


def with_other_values(
    point: Point, change: Perturbation, leaf: Perturbation = identity, exact: frozenset[TracedTensor] = frozenset()
) -> Decomposition:
    """Return the definitions with every result changed, and each leaf as `leaf` gives it; a cotangent stays as it is.

    So do `exact` results, as far as their operands do. A leaf that is itself brings PyTorch's own results of it: each
    call then begins from these, changed once.
    """
    trace, derivations = point.decomposition.trace, point.derivations
    given = {address_of(own.tensor) for own in trace.leaves}
    again = decompose(
        trace,
        lambda tensor: (leaf if address_of(tensor) in given else change)(tensor),
        inner=differentiating(derivations),
        exact=exact,
    )
    again.tape.perturb = identity
    derivations.request(again.requests())
    return again
