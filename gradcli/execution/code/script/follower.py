"""Follows a script from one point of it on: what was made before is not known, and leaves have the script's names."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from gradcli.execution.code.decided import Decided
from gradcli.execution.code.differentiated import note
from gradcli.execution.code.follower import Follower
from gradcli.execution.code.names import Names, variables
from gradcli.execution.code.places import user_frame
from gradcli.execution.code.script.calls import BackwardCall, listed
from gradcli.execution.code.script.history import History
from gradcli.execution.code.steps import Steps, entry, gap
from gradcli.execution.code.values import value_of
from gradcli.execution.forward import tree
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.followed import Followed, edge_of
from gradcli.execution.forward.graph import age, reachable
from gradcli.execution.forward.trace import TracedCall

SECOND = "it was made by a backward with create_graph=True, which is not followed"
SHARED = "what was made of it before the script was followed is not known: `--backward all` follows all of it"
# The most constants that are remembered from one backward to the next.
MOST_KEPT = 100


class ScriptSteps(Steps):
    """What is known of a script's tensors."""

    def __init__(self, names: Names) -> None:
        super().__init__(names=names)
        self.begun = age(torch.zeros((), requires_grad=True).clone().grad_fn)
        """When that was, as autograd counts."""
        self.unseen: weakref.WeakSet[Followed] = weakref.WeakSet()
        """Values that were made before the script was followed."""

    def _unseen(self, tensor: Tensor, edge: GradientEdge) -> Followed:
        """Return a value that begins here, for nothing is known of what it was made of before."""
        if age(edge.node) > self.begun:
            return super()._unseen(tensor, edge)
        found = Followed(value_of(tensor), None, "(...)", edge=edge)
        found.text = self.names.of(tensor, self.frame or user_frame()) or found.text
        self.unseen.add(found)
        self.values.know(tensor, found)
        return found

    def differentiated(self, tensor: Tensor) -> None:
        """Note a gradient that has a graph itself, of which no more is known than what it rests on."""
        edge = edge_of(tensor)
        if self.values.fresh(tensor, edge) is not None:
            return
        found = Followed(value_of(tensor), None, "(...)", edge=edge)
        self.note([gap(SECOND, self._behind(edge.node), found)], [found])
        self.values.know(tensor, found)

    def join(self, unseen: Followed, leaves: list[Followed]) -> bool:
        """Let a value that begins here rest on those of some leaves that autograd has behind it; tell if there are any.

        What is compared with the gradient of such a leaf would be a part of it only.
        """
        behind = set() if unseen.edge is None else set(reachable([unseen.edge.node]))
        shared = [leaf for leaf in leaves if leaf.edge is not None and leaf is not unseen and leaf.edge.node in behind]
        if shared:
            self._precede(gap(SHARED, shared, unseen), unseen)
        return bool(shared)

    def _precede(self, call: TracedCall, leaf: Followed) -> None:
        """Note what a leaf is made of, ahead of all that has been made of it already."""
        step = self.note([call], [leaf])
        leaf.step, leaf.is_leaf = replace(step, number=0), False

    def _changed(self, tensor: Tensor, known: Followed) -> Followed:
        """Return what a tensor holds after a write without autograd: a leaf, which optimizers write to, begins anew."""
        if not tensor.is_leaf or known.step is not None:
            return super()._changed(tensor, known)
        if self.values.is_unchanged(tensor, known):
            return known
        return self._leaf(tensor)

    def merge(self, leaves: Sequence[Followed]) -> bool:
        """Let leaves that are one to autograd, at several values, rest on the first of them; tell if there are any.

        What arrives at each is a part of the gradient that autograd has of all.
        """
        first, merged = dict[Any, Followed](), False
        for leaf in leaves:
            node = None if leaf.edge is None else leaf.edge.node
            one = first.setdefault(node, leaf)
            if node is not None and one is not leaf:
                shift = self.constant((leaf.tensor - one.tensor).detach())
                self._precede(TracedCall(*entry("add", one, shift), leaf), leaf)
                leaf.edge, merged = None, True
        return merged

    def constant(self, tensor: Tensor, like: Followed | None = None) -> Followed:
        """Return a value that no gradient passes through, called by the variable that holds it."""
        found = super().constant(tensor, like)
        held = () if self.frame is None else variables(self.frame)
        found.text = next((name for name, value in held if value is tensor), found.text)
        return found


class ScriptFollower(Follower):
    """Sees every call of PyTorch that a script makes."""

    def __init__(self, names: Names) -> None:
        super().__init__()
        self.steps: ScriptSteps = ScriptSteps(names)
        self.history = History()

    def _seen(self, call: MadeCall) -> Any:
        """Run one call of the script, follow it, and note what it wrote and what it cut off."""
        result = super()._seen(call)
        self.history.note(call, result)
        return result

    def _name(self, tensors: Sequence[Tensor]) -> None:
        """Give values their names: leaves those of outer variables, which may have come after them."""
        for tensor in tensors:
            value = self.steps.values.stale(tensor) if tensor.is_leaf else None
            if value is not None and value.name is None:
                self.steps.names.give(value, tensor, self.steps.frame)
        super()._name(tensors)

    def note_second(self, call: BackwardCall, result: Any) -> None:
        """Note the gradients that a call with create_graph=True has made: what `torch.autograd.grad` has returned."""
        self.steps.frame = call.frame
        found, given = tree.tensors(result), listed(result)
        if call.unusual is None and call.inputs is not None and len(given) == len(call.inputs):
            note(self.steps, call.outputs, call.inputs, call.upstream, given)
            return
        leaves = [tensor for tensor, _ in self.steps.values.holders() if tensor.is_leaf]
        for tensor in found or [leaf.grad for leaf in leaves if leaf.grad is not None]:
            if tensor.requires_grad and tensor.grad_fn is not None:
                self.steps.differentiated(tensor)

    def forget(self) -> None:
        """Forget what the next backward has no use for."""
        self.steps.values.prune()
        self.decided = Decided()
        del self.constants.found[:-MOST_KEPT]
