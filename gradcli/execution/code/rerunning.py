"""What runs while code is run again: each call, with the constants among its results as they were the first time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from gradcli.execution.code.aliases import Aliases, shares_memory
from gradcli.execution.code.compiled import as_written
from gradcli.execution.code.higher_order import HigherOrder, higher_order_seen
from gradcli.execution.code.inner import functions_seen
from gradcli.execution.code.retraced import checkpointed
from gradcli.execution.forward import tree
from gradcli.execution.forward.again import Perturb, RefusedError
from gradcli.execution.forward.aliasing import is_graph_leaf, storage_of
from gradcli.execution.forward.call_kinds import IDENTITIES, LOCKED
from gradcli.execution.forward.calls import NOWHERE, MadeCall
from gradcli.execution.forward.composites import is_python, unasked
from gradcli.execution.forward.twins import changed, made_by, versions

COMPOSITES = frozenset({"torch.functional", "torch.nn.functional"})
DETACHING = frozenset({"detach", "detach_"})


class Replay(TorchFunctionMode):
    """Sees every call of the code; `kept` are the constants that it made when it ran at its own point."""

    def __init__(self, kept: list[list[Tensor]] | None = None, perturb: Perturb | None = None) -> None:
        super().__init__()
        self.given: set[int] = set()
        """The leaves that the code has from elsewhere, by their identity."""
        self.made: list[list[Tensor]] = []
        self.decisions: list[Any] = []
        self.read: dict[int, Tensor] = {}
        """The leaves that calls read, by their identity."""
        self._kept = kept
        self._perturb = perturb
        self._depth = self._count = 0
        self._aliases = Aliases()
        self._constants: WeakIdKeyDictionary = WeakIdKeyDictionary()
        """What was made without autograd."""

    @contextmanager
    def seeing(self) -> Iterator[None]:
        """See what runs meanwhile."""
        with as_written(), functions_seen(self._function), higher_order_seen(self._higher_order), self:
            yield

    def _function(self, function: type, args: tuple[Any, ...], apply: Callable[..., Any]) -> Any:
        """Run a Function, whose forward is computed without autograd, and is no constant for it."""
        body = checkpointed(function, args)
        if body is not None:
            return body()
        self._see(tree.tensors(args))
        self._depth += 1
        try:
            return apply(*args)
        finally:
            self._depth -= 1

    def _higher_order(self, called: HigherOrder) -> Any:
        """Run what an operator computes that is given functions, each call of it seen."""
        if called.body is not None:
            return called.body()
        result = called.run()
        made = tree.tensors(result)
        if any(tensor.requires_grad for tensor in made):
            raise RefusedError(f"{called.name}() is given functions, and what it makes of them is not seen")
        return self._constant(result, made, [])

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call."""
        call = MadeCall(func, tuple(args), dict(kwargs or {}))
        if call.name in LOCKED:
            return call.run()
        if any(map(is_functorch_wrapped_tensor, call.tensors)):
            return self._transformed(call)
        if (
            is_python(call.func) and call.func.__module__ in COMPOSITES and not call.is_known
        ):  # which may make constants inside
            with unasked(call.func), self:
                return call.run()
        is_constant = call.name in IDENTITIES or call.short in DETACHING or not torch.is_grad_enabled()
        begun = self._begun(call)
        if not is_constant:
            self._see(call.tensors)
        before = versions(call.tensors)
        result = call.run()
        made, written = made_by(call, result), changed(call.tensors, before)
        self._note(result, made)
        if not made and not written:
            return result
        if is_constant and self._depth == 0:
            return self._fixed(call, result, made, written, begun)
        self._aliases.follow(call, made, written)
        return result if self._perturb is None or not made else self._moved(call, result)

    def _begun(self, call: MadeCall) -> set[int]:
        """Return the leaves that a call is given, and that the code makes and has not read yet."""
        leaves = map(id, filter(is_graph_leaf, call.tensors))
        return {leaf for leaf in leaves if leaf not in self.read and leaf not in self.given}

    def _fixed(self, call: MadeCall, result: Any, made: list[Tensor], written: list[Tensor], begun: set[int]) -> Any:
        """Return what a call without autograd has made, as constants; what it has written to stays a function of them.

        But for a leaf that the code makes, of which that is the first value.
        """
        first = [one for one in written if one in self._constants or not one.requires_grad or id(one) in begun]
        fixed = self._constant(result, made, first)
        self._constants.update((tensor, True) for tensor in made_by(call, fixed))
        is_view = shares_memory(call)
        for tensor, copy in zip(made, made_by(call, fixed), strict=False):
            if copy is not tensor and is_view(tensor):
                self._aliases.know(copy, tensor, is_first=bool(begun))
        self._aliases.follow(call, made_by(call, fixed), written)
        return fixed

    def _see(self, tensors: Sequence[Tensor]) -> None:
        self.read.update((id(tensor), tensor) for tensor in filter(is_graph_leaf, tensors))

    def _transformed(self, call: MadeCall) -> Any:
        """Run a call inside of a transform of torch.func, whose values mean nothing outside of it."""
        if call.name in IDENTITIES or call.short in DETACHING:
            raise RefusedError("a constant is made inside of a transform of torch.func, and is not known outside of it")
        return call.run()

    def _note(self, result: Any, made: list[Tensor]) -> None:
        """Note a decision: a truth value, an integer."""
        if isinstance(result, bool | int | float):
            self.decisions.append(result)
        self.decisions += [tensor.clone() for tensor in made if not (tensor.is_floating_point() or tensor.is_complex())]

    def _constant(self, result: Any, made: list[Tensor], written: list[Tensor]) -> Any:
        """Return constants as they were at the code's own point."""
        place = len(self.made)
        self.made.append([tensor.clone() for tensor in (*made, *written)])
        if self._kept is None:
            return result
        kept = self._kept[place] if place < len(self._kept) else []
        if [tensor.shape for tensor in kept] != [tensor.shape for tensor in self.made[-1]]:
            raise RefusedError("the code makes other constants here")
        with torch.no_grad():
            for tensor, old in zip(written, kept[len(made) :], strict=True):
                tensor.copy_(old)
        values = {id(tensor): old.clone() for tensor, old in zip(made, kept, strict=False)}
        return tree.map(lambda leaf: values.get(id(leaf), leaf), result)

    def _moved(self, call: MadeCall, result: Any) -> Any:
        """Return a result with its numbers perturbed; a view rounds nothing, and is written through."""
        perturb, self._count = self._perturb, self._count + 1
        assert perturb is not None  # noqa: S101 (asked before)
        key, held = (call.short, NOWHERE, self._count), set(map(storage_of, call.tensors))

        def moved(leaf: Any) -> Any:
            return perturb(key, leaf) if isinstance(leaf, Tensor) and storage_of(leaf) not in held else leaf

        return tree.map(moved, result)
