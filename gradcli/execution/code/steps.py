"""The steps of running code: which calls of the table made which values, in the order in which they ran."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from gradcli.execution.code.names import Names
from gradcli.execution.code.places import Modules, place_of, user_frame
from gradcli.execution.code.values import Values, value_of
from gradcli.execution.forward import tree
from gradcli.execution.forward.aliasing import Patch, StorageView, overlap
from gradcli.execution.forward.calls import NOWHERE, text_of
from gradcli.execution.forward.equivalents import entry
from gradcli.execution.forward.followed import Followed, Step, edge_of
from gradcli.execution.forward.graph import age, edges_behind
from gradcli.execution.forward.kinds import dense
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.shared import shared
from gradcli.execution.forward.trace import TracedCall, TracedTensor, invocation
from gradcli.language.program import Call
from gradcli.ops.record import Kind, Op

Entry = tuple[Op, BoundCall]
DRAWS = "it draws random numbers, of which no difference quotients can be taken, for at other values it draws others"
UNSEEN = "what made a tensor here was not seen"
EARLIER = "the code reads a tensor that was computed before it ran, which difference quotients take for a constant"


class Steps:
    """What is known of the code's tensors so far."""

    def __init__(self, root: nn.Module | None = None, names: Names | None = None) -> None:
        self.values = Values()
        self.names = names or Names()
        self.modules = Modules(root, self.names)
        self.frame: FrameType | None = None
        """Where the code is."""
        self.number = 0
        """Of the last step."""
        self._begun = _now()
        """The age of what autograd notes when the code begins."""
        self._read: weakref.WeakSet[Followed] = weakref.WeakSet()
        """What steps have read."""

    def begin(self, tensor: Tensor, name: str) -> Followed:
        """Return a leaf that the code is given."""
        leaf = Followed(value_of(tensor), name, name, is_leaf=True, edge=_edge(tensor))
        self.values.know(tensor, leaf)
        return leaf

    def traced(self, tensor: Tensor) -> Followed:
        """Return what a tensor holds now."""
        if not tensor.requires_grad:
            return self.constant(tensor)
        edge = edge_of(tensor)
        known = self.values.fresh(tensor, edge)
        return self._found(tensor, edge) if known is None else known

    def constant(self, tensor: Tensor, like: Followed | None = None) -> Followed:
        """Return a value that no gradient passes through, on the device of another one."""
        tensor = tensor if like is None else tensor.to(like.tensor.device)
        found = Followed(dense(tensor), None, "constant", is_leaf=True)
        self.values.hold(found)
        return found

    def supersede(self, made: Iterable[Followed], begun: int) -> None:
        """Let the results of a call take the place of what was noted of them while it ran, after that many steps."""
        for value in made:
            inner = None if value.edge is None else self.values.at(value.edge.node, value.edge.output_nr)
            if inner is not None and inner is not value and inner.step is not None and inner.step.number > begun:
                inner.edge = None
                self.values.hold(value)

    def _found(self, tensor: Tensor, edge: GradientEdge) -> Followed:
        """Return the value of a tensor of which it is not known, or no longer."""
        known = self.values.stale(tensor) or self.values.at(edge.node, edge.output_nr)
        if known is not None and known.edge is not None and known.edge.node is edge.node:
            return self._changed(tensor, known)
        if tensor.is_leaf:
            return self._leaf(tensor)
        base = base_of(tensor)
        if base is not None and base.requires_grad:
            return self._viewed(tensor, base)
        return self._unseen(tensor, edge)

    def _leaf(self, tensor: Tensor) -> Followed:
        """Return a leaf that the code has made, or found elsewhere."""
        leaf = self.begin(tensor, "")
        self.names.give(leaf, tensor, self.frame or user_frame())
        leaf.text = leaf.name or "a leaf"
        return leaf

    def _changed(self, tensor: Tensor, known: Followed) -> Followed:
        """Return a value that was written to without autograd: the old one, and a constant.

        A leaf that the code makes is first what it is when it is first read.
        """
        if self.values.is_unchanged(tensor, known):
            return known
        if not self._is_begun(known):
            known.tensor = value_of(tensor)  # before it had what memory happens to hold, which may be of any size
            self.values.know(tensor, known)
            return known
        shift = self.constant((dense(tensor) - known.tensor.detach()).clone())
        new = self.settle(tensor, self.apply("add", known, shift))
        new.is_ambiguous = True  # where it is, autograd has the gradient of the old one
        return new

    def is_begun(self, tensor: Tensor) -> bool:
        """Return whether a tensor has a value for autograd: it is no leaf that the code makes, and has yet to read."""
        known = self.values.stale(tensor)
        return not tensor.is_leaf if known is None else self._is_begun(known)

    def _is_begun(self, value: Followed) -> bool:
        return not value.is_leaf or value.real is not None or value in self._read

    def _viewed(self, tensor: Tensor, base: Tensor) -> Followed:
        """Return a view's value as entries of its base's."""
        whole = self.traced(base)
        patch = overlap(StorageView.of(tensor), StorageView.of(base))
        return self.settle(tensor, self.taken(whole, patch))

    def _unseen(self, tensor: Tensor, edge: GradientEdge) -> Followed:
        """Return a value of which only autograd's graph says what it was made of."""
        found = Followed(value_of(tensor), None, "(...)", edge=edge)
        is_earlier = age(edge.node) < self._begun
        missing = gap(EARLIER if is_earlier else UNSEEN, self._behind(edge.node), found)
        self.note([dataclasses.replace(missing, draws=is_earlier)], [found])
        self.values.know(tensor, found)
        return found

    def _behind(self, start: Any) -> list[Followed]:
        """Return the known values nearest to a node of autograd's graph, on all ways to the leaves."""
        found = list[Followed]()
        for node, _, known in edges_behind([start], self.values.at):
            if known is not None:
                found.append(known)
            elif hasattr(node, "variable"):
                found.append(self._leaf(node.variable))
        return list(dict.fromkeys(found))

    def settle(self, tensor: Tensor, value: Followed) -> Followed:
        """Note that a tensor holds a value that was just made, and where autograd knows it."""
        value.edge = _edge(tensor)
        self.values.know(tensor, value)
        return value

    def settle_transform(self, made_up: Iterable[Tensor], before: Iterable[Tensor]) -> None:
        """Let what was made up to follow a transform be no leaf.

        How much of a gradient arrives at what it returned `before` depends on whether a backward reads it, as tanh's.
        """
        for value in filter(None, map(self.values.stale, made_up)):
            value.edge = None
        for value in filter(None, map(self.values.stale, before)):
            value.is_ambiguous = True

    def taken(self, whole: Followed, patch: Patch) -> Followed:
        """Return entries of a value."""
        return whole if patch.is_copy else self.apply("take", whole, self.constant(patch.source, whole))

    def through(self, view: Tensor, base: Followed) -> Followed:
        """Return what a view holds before a write through it, which autograd reads of the view's base."""
        whole = base_of(view)
        assert whole is not None  # noqa: S101 (it is a view)
        return self.taken(base, overlap(StorageView.of(view), StorageView.of(whole)))

    def patched(self, old: Followed, new: Followed, patch: Patch) -> Followed:
        """Return a value with some of its entries overwritten."""
        if patch.is_empty:
            return old
        taken = self.taken(new, patch)
        return taken if patch.is_whole else self.apply("where", self.constant(patch.mask, old), taken, old)

    def apply(self, name: str, *values: Followed) -> Followed:
        """Return the result of an op of the table."""
        op, call = entry(name, *values)
        with torch.no_grad():
            result = invocation(op, call, lambda traced: traced.tensor.detach())()
        made = self.made(result, text_of(op, call), requires_grad=any(value.tensor.requires_grad for value in values))
        self.note([TracedCall(op, call, made)], [made])
        return made

    def cast(self, value: Followed, dtype: torch.dtype) -> Followed:
        """Return a value in a dtype."""
        if value.tensor.dtype == dtype:
            return value
        op, call = entry("clone", value)
        made = self.made(value.tensor.detach().to(dtype), value.text, requires_grad=value.tensor.requires_grad)
        self.note([TracedCall(op, call, made)], [made])
        return made

    def made(self, result: Tensor, text: str, *, requires_grad: bool) -> Followed:
        """Return a value that no tensor of the code holds yet."""
        value = result.detach()
        found = Followed(value.requires_grad_() if requires_grad else value, None, text)
        self.values.hold(found)
        return found

    def note(
        self,
        calls: Sequence[TracedCall],
        made: Iterable[Followed],
        function: type | None = None,
    ) -> Step:
        """Return the step of some calls that have just run, which the values that they made remember."""
        inputs = (value for call in calls for value in call.inputs)
        known = tuple(dict.fromkeys(value for value in inputs if isinstance(value, Followed)))
        self._read.update(known)
        self.number += 1
        step = Step(self.number, tuple(calls), known, place_of(self.frame), self.modules.path(self.frame), function)
        made = list(made)
        for value in made:
            value.step = step
        for value in shared([(value, value.edge) for value in made if value.edge is not None], self.values.at):
            value.is_ambiguous = True
        return step


def _now() -> int:
    """Return the age of a node that autograd notes now."""
    with torch._C.DisableTorchFunction(), torch.enable_grad():  # noqa: SLF001 (it is no call of the code's)
        return age(torch.zeros((), requires_grad=True).clone().grad_fn)


def gap(reason: str, inputs: Sequence[TracedTensor], result: Any, *, draws: bool = False) -> TracedCall:
    """Return a call that has no definition; the reason says why, and `draws` whether it draws random numbers."""
    op = Op(f"{tree_text(result)}(*inputs)", "torch.clone", Kind.CONSTANT, reason, "code")
    node = Call(op.name, (), (), NOWHERE, NOWHERE)
    reason = f"{reason}; {DRAWS}" if draws else reason
    return TracedCall(op, BoundCall(node, list(inputs), {}, {"inputs": list(inputs)}), result, gap=reason, draws=draws)


def tree_text(result: Any) -> str:
    """Return what the first of some values is called."""
    return next((leaf.text for leaf in tree.leaves(result) if isinstance(leaf, Followed)), "call").partition("(")[0]


def base_of(tensor: Tensor) -> Tensor | None:
    """Return the tensor that another is a view of."""
    return tensor._base if tensor._is_view() else None  # noqa: SLF001 (there is no public way)


def _edge(tensor: Tensor) -> GradientEdge | None:
    return edge_of(tensor) if tensor.requires_grad else None
