"""Which results of one call autograd computes of one another, or has as tensors that were there before.

Of the gradients of `(w*x + b)**2`, that by w is that by b times x. A call is known as a function of its inputs, so that
the gradient of such a result is what comes of later uses. What arrives there is more, and how much more is a matter of
how PyTorch computes the others. At all that is before the call, both come to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from torch.autograd.graph import GradientEdge

from gradcli.execution.forward.graph import edges_behind
from gradcli.execution.forward.trace import TracedTensor

Traced = TypeVar("Traced", bound=TracedTensor)
# Returns the first value whose gradient arrives at an input of a node of autograd's graph; None where there is none.
At = Callable[[Any, int], Traced | None]
Made = Sequence[tuple[Traced, GradientEdge]]


def passed(starts: Iterable[Any], at: At[Traced]) -> Iterator[Traced]:
    """Yield the values nearest to some nodes of autograd's graph, on all ways to the leaves."""
    return (value for _, _, value in edges_behind(starts, at) if value is not None)


def shared(made: Made[Traced], at: At[Traced]) -> set[Traced]:
    """Return those results of a call, with their edges, that are also others, make others, or were there before it."""
    results = {traced for traced, _ in made}
    firsts = [(traced, at(edge.node, edge.output_nr)) for traced, edge in made]
    found = {one for pair in firsts if None not in pair and pair[0] is not pair[1] for one in pair}
    behind = passed([edge.node for _, edge in made], at) if len(made) > 1 else ()
    return results & {*found, *behind}
