"""Follows a script from one point of it on: what was made before is not known, and leaves have the script's names."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from gradcli.execution.code.follower import Follower
from gradcli.execution.code.places import Modules, user_frame
from gradcli.execution.code.script.history import History
from gradcli.execution.code.script.names import Names
from gradcli.execution.code.steps import Steps, gap
from gradcli.execution.code.values import value_of
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.followed import Followed, edge_of
from gradcli.execution.forward.graph import age, reachable

SECOND = "it was made by a backward with create_graph=True, which is not followed"
SHARED = "what was made of it before the script was followed is not known: `--backward all` follows all of it"
# The most hooks and numbers that are remembered from one backward to the next.
MOST_KEPT = 100


class ScriptSteps(Steps):
    """What is known of a script's tensors."""

    def __init__(self, modules: Modules, names: Names) -> None:
        super().__init__(modules)
        self.names = names
        self.begun = age(torch.zeros((), requires_grad=True).clone().grad_fn)
        """When that was, as autograd counts."""
        self.unseen: weakref.WeakSet[Followed] = weakref.WeakSet()
        """Values that were made before the script was followed."""

    def _leaf(self, tensor: Tensor) -> Followed:
        leaf = super()._leaf(tensor)
        leaf.name = self.names.of(tensor, self.frame or user_frame())
        leaf.text = leaf.name or leaf.text
        return leaf

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
            self.note([gap(SHARED, shared, unseen)], [unseen])
        return bool(shared)

    def renew_leaves(self) -> None:
        """Forget what leaves hold, unless something still rests on it: an optimizer is about to write to them."""
        for tensor, value in self.values.holders():
            if value.step is None and tensor.is_leaf:
                self.values.lose(tensor)


class ScriptFollower(Follower):
    """Sees every call of PyTorch that a script makes."""

    def __init__(self, names: Names) -> None:
        super().__init__()
        self.steps: ScriptSteps = ScriptSteps(Modules(None), names)
        self.history = History()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call of the script, follow it, and note what it wrote and what it cut off."""
        is_paused = self._is_paused
        result = super().__torch_function__(func, types, args, kwargs)
        if not is_paused:
            self.history.note(MadeCall(func, tuple(args), dict(kwargs or {})), result)
        return result

    def forget(self) -> None:
        """Forget what the next backward has no use for."""
        self.steps.renew_leaves()
        self.hooked[:] = [(value, place) for value, place in self.hooked if value.step is None][-MOST_KEPT:]
        del self.leaving[:-MOST_KEPT]
