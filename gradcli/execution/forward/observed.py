"""What changes a gradient between the ops: hooks, and values that backward reads and that are not those of forward.

Hooks on tensors and on nodes, pairs of hooks by which tensors are saved, and what a checkpoint computes again are
wrapped. What goes into each is compared with what comes out, bit by bit, when PyTorch calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

from gradcli.execution.forward import tree
from gradcli.execution.forward.graph import reachable
from gradcli.execution.forward.plain import copied, plain

# Where autograd knows a gradient: a node, and which of the node's results it is of.
Place = tuple[Any, int]
Said = Callable[[], str]
# What a wrapped hook has, to be told from the code's own.
MARK = "_gradcli_observes"


@dataclass(frozen=True, slots=True)
class Alteration:
    """What has changed a gradient, or what the gradient is computed of."""

    said: Said
    """Says what it is, as far as is known when it is asked."""
    places: frozenset[Place]
    """Where the gradients are that were changed."""
    by: frozenset[Any] = frozenset()
    """The nodes that do not by themselves compute what they pass on."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What a hook has made of a tensor to be saved, beside the tensor."""

    made: Any
    tensor: Tensor
    version: int


@dataclass(frozen=True, slots=True)
class Observer:
    """Wraps what may change a gradient, and notes what has."""

    found: list[Alteration] = field(default_factory=list)

    def on_tensor(self, hook: Callable[..., Any], said: Said, place: Place | None) -> Callable[..., Any]:
        """Return a hook on a tensor, whose gradient arrives at a place of autograd's, that is observed."""

        @wraps(hook)
        def observed(gradient: Tensor) -> Any:
            before = copied(gradient)
            returned = hook(gradient)
            if _differ(before, gradient if returned is None else returned):
                self._note(said, [(_node(), 0) if place is None else place])
            return returned

        return self._marked(observed)

    def on_node(self, hook: Callable[..., Any], said: Callable[[str], str]) -> Callable[..., Any]:
        """Return a hook of a node that is observed, or a pre-hook, which is given one argument only."""

        @wraps(hook)
        def observed(gradients: Sequence[Tensor | None], *given: Any) -> Any:
            before = list(map(copied, gradients))
            returned = hook(gradients, *given)
            node = _node()
            places = list(node.next_functions) if given else [(node, number) for number in range(len(before))]
            name = node.name().rpartition("::")[2]
            changed = [places[number] for number in _changed(before, gradients, returned)]
            self._note(lambda: said(name), changed, [node] if given else [])
            return returned

        return self._marked(observed)

    def saving(
        self, hooks: tuple[Callable[[Tensor], Any], Callable[[Any], Any]], said: Said
    ) -> tuple[Callable[[Tensor], Packed], Callable[[Packed], Any]]:
        """Return the pair of hooks by which tensors are saved and read again, observed."""
        pack, unpack = hooks

        def packed(tensor: Tensor) -> Packed:
            own = tensor.detach()
            return Packed(pack(tensor), own, _version(own))

        def unpacked(packed: Packed) -> Any:
            found = unpack(packed.made)
            if _version(packed.tensor) == packed.version and _differ(packed.tensor, found):
                self._note(said, _following(), [_node()])
            return found

        return packed, unpacked

    def computed_again(self, run: Callable[..., Any], said: Said) -> Callable[..., Any]:
        """Return what backward runs a second time that is observed."""
        first: list[list[Tensor]] = []

        @wraps(run)
        def observed(*args: Any, **keywords: Any) -> Any:
            made = run(*args, **keywords)
            values = [tensor.detach() for tensor in tree.tensors(made)]
            if not first:
                first.append(values)
            elif len(values) != len(first[0]) or any(map(_differ, first[0], values)):
                self._note(said, _following(), [_node()])
            return made

        return observed

    def has_marked(self, hook: Callable[..., Any]) -> bool:
        """Return whether it observes a hook already."""
        return getattr(hook, MARK, None) is self.found

    def _marked(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        setattr(hook, MARK, self.found)
        return hook

    def _note(self, said: Said, places: Iterable[Place], by: Iterable[Any] = ()) -> None:
        known = frozenset(place for place in places if place[0] is not None)  # a constant has no gradient
        if known:
            self.found.append(Alteration(said, known, frozenset(by)))


def unobserved(hook: Callable[..., Any]) -> Any:
    """Return a hook as the code has registered it."""
    return unobserved(hook.__wrapped__) if hasattr(hook, MARK) else hook  # type: ignore[attr-defined]


def altering(found: Iterable[Alteration]) -> dict[str, Altering]:
    """Return what has changed gradients, by how it is called, in the order in which that happened."""
    places: dict[str, set[Place]] = {}
    for alteration in found:
        places.setdefault(alteration.said(), set()).update(alteration.places)
    return {words: Altering.of(own) for words, own in places.items()}


@dataclass(frozen=True, slots=True)
class Altering:
    """Whose gradients are changed: those at some places, and all that autograd computes of them."""

    places: frozenset[Place]
    nodes: frozenset[Any]

    @staticmethod
    def of(places: Iterable[Place]) -> Altering:
        """Return whose gradients are changed by a change at some places."""
        known = frozenset(places)
        following = [node for begun, _ in known for node, _ in begun.next_functions]
        return Altering(known, frozenset(reachable(following)))

    def reaches(self, place: Place) -> bool:
        """Return whether the gradient at a place is changed, or computed of one that is."""
        return place in self.places or place[0] in self.nodes


def _node() -> Any:
    """Return the node of autograd's graph that runs."""
    return torch._C._current_autograd_node()  # noqa: SLF001 (there is no public name)


def _following() -> list[Place]:
    """Return where the gradients go that the node which runs computes."""
    node = _node()
    return [] if node is None else list(node.next_functions)


def _changed(before: Sequence[Tensor | None], given: Sequence[Tensor | None], returned: Any) -> Iterator[int]:
    """Yield the places of the gradients that a hook has changed: that it was given, or has returned others for."""
    after = given if returned is None else returned if isinstance(returned, tuple | list) else (returned,)
    for place, (one, other) in enumerate(zip(before, after, strict=False)):
        if _differ(one, other):
            yield place


def _differ(one: Tensor | None, other: Any) -> bool:
    if one is None or not isinstance(other, Tensor):
        return one is not other
    if other.is_meta or is_functorch_wrapped_tensor(other):  # it has no numbers to look at
        return False
    own = plain(other)
    if own.shape != one.shape or own.dtype != one.dtype:
        return True
    return not bool(((own == one) | ((own != own) & (one != one))).all())  # noqa: PLR0124 (NaN is NaN)


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was written to; nothing is written to one that was made in inference mode."""
    return 0 if tensor.is_inference() else tensor._version  # noqa: SLF001 (its only name)
