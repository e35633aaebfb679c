"""What code of PyTorch computes while it runs under autograd, followed call by call as ops of the table.

The code runs as it is. Every call through which a gradient passes becomes a step: its op, its operands, its results,
and where autograd knows these. Values stay as they are: memory that is about to be written to is copied first. A write
is a step whose result is the tensor's new value; one through a view changes the view's base, of which the view is read
again. What is written to the memory without autograd is added as a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.overrides import TorchFunctionMode

from gradcli.execution.code.compiled import as_written
from gradcli.execution.code.constants import Constants
from gradcli.execution.code.differentiated import note_gradients, refuse_kept_graph
from gradcli.execution.code.hooking import checkpoint_seen, hooked, hooks_seen
from gradcli.execution.code.inner import Inside, functions_seen
from gradcli.execution.code.mapped import Mapped, vmaps_seen
from gradcli.execution.code.places import name_values, place_of, user_frame
from gradcli.execution.code.retraced import checkpointed, note_copies, with_these_numbers
from gradcli.execution.code.steps import Entry, Steps, base_of, gap
from gradcli.execution.code.transforms import Derived, transforms_seen
from gradcli.execution.code.values import value_of
from gradcli.execution.forward import tree
from gradcli.execution.forward.aliasing import StorageView, assigned, overlap
from gradcli.execution.forward.call_kinds import (
    ASSIGNMENTS,
    CONVERSIONS,
    DECIDING,
    DIFFERENTIATING,
    HOOKING,
    is_question,
    may_write,
)
from gradcli.execution.forward.calls import MadeCall, text_of
from gradcli.execution.forward.composites import is_python, unasked
from gradcli.execution.forward.equivalents import definition_of, entry, equivalent, is_random
from gradcli.execution.forward.followed import Followed
from gradcli.execution.forward.observed import Observer
from gradcli.execution.forward.overwriting import Writes
from gradcli.execution.forward.trace import Autocast, TracedCall
from gradcli.execution.forward.twins import RandomState, has_drawn, made_by, overwritten, random_state, versions

Known = dict[int, Followed]  # by the identity of the tensors
UNDEFINED = "{}() has no symbolic definition here"


class Follower(TorchFunctionMode):
    """Sees every call of PyTorch that the code makes."""

    def __init__(self, root: nn.Module | None = None) -> None:
        super().__init__()
        self.steps = Steps(root)
        self.constants = Constants()
        self.observer = Observer()
        self.writes = Writes()
        self._is_paused = self.decides = False

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow what runs meanwhile."""
        with self.seeing(), self:
            yield

    @contextmanager
    def seeing(self) -> Iterator[None]:
        """See meanwhile what is no call of PyTorch's: Functions, and what is mapped."""
        functions, vmaps = functions_seen(self._function), vmaps_seen(self._mapped)
        transforms, hooks = transforms_seen(self._derived), hooks_seen(self.observer, lambda: self._is_paused)
        with as_written(), functions, vmaps, transforms, hooks:
            yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Follow nothing meanwhile."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call of the code, follow it, and note what it has written to."""
        call = MadeCall(func, tuple(args), dict(kwargs or {}))
        if self._is_paused:
            return call.run()
        result = self._seen(call)
        self.writes.note(call, result, lambda: place_of(user_frame()))
        return result

    def _seen(self, call: MadeCall) -> Any:
        if is_question(call):
            return self.constants.ask(call)
        if call.short in DIFFERENTIATING or any(map(is_functorch_wrapped_tensor, call.tensors)):
            refuse_kept_graph(call, place_of(user_frame()))
            with self.paused():
                result = call.run()
                self.constants.differentiated(call, result)
                if call.short == "grad" and not any(map(is_functorch_wrapped_tensor, call.tensors)):
                    self.steps.frame = user_frame()
                    note_gradients(self.steps, call, result)
            return result
        wanted = [tensor for tensor in call.tensors if tensor.requires_grad]
        self.steps.frame = user_frame() if wanted else None
        self._name(wanted)
        self.constants.meet(call, wanted, lambda: place_of(self.steps.frame or user_frame()))
        self.decides |= call.short in DECIDING
        if wanted and call.short in HOOKING:
            with self.paused():
                return hooked(self.observer, self.steps.traced(wanted[0]), call.run())
        if not wanted or not torch.is_grad_enabled():
            self.steps.values.keep(may_write(call))
            return self.constants.pass_on(call)
        return self._follow(call)

    def _name(self, tensors: Sequence[Tensor]) -> None:
        """Give values the names of the variables that hold them."""
        values = ((tensor, self.steps.values.stale(tensor)) for tensor in tensors)
        name_values(self.steps.frame, ((tensor, value) for tensor, value in values if value is not None))

    def _follow(self, call: MadeCall) -> Any:
        """Run a call that a gradient may pass through, and note it as a step."""
        if call.short in ASSIGNMENTS and call.first is not None:
            return self._assign(call, call.first)
        given = {id(tensor): self.steps.traced(tensor) for tensor in call.tensors}
        entered = self._entered(call, given)
        definition = definition_of(call) if entered is None else None
        if entered is None and definition is None and is_python(call.func):
            with unasked(call.func), self:
                return call.run()
        drawn = random_state() if entered is None else None  # a call of the table draws nothing
        before = versions(call.tensors)
        bases = self._bases(may_write(call))
        result = call.run()
        written = overwritten(call, before)
        if written:
            given |= {id(tensor): self.steps.through(tensor, base) for tensor, base in bases if tensor is call.first}
            entered = None if entered is None else self._entered(call, given)
        faces = self._faces(call, result, written)
        if not faces:
            return result
        if definition is not None and drawn is not None:
            self._inside(definition, call, given, faces, drawn)
        else:
            entered = self._other(call, given, drawn) if drawn is not None else entered
            self._note(call, entered, given, result, faces, draws=drawn is not None and has_drawn(drawn))
        for tensor, base in bases:
            self._write_base(tensor, base, faces)
        return result

    def _entered(self, call: MadeCall, given: Known) -> Entry | None:
        """Return a call as one of the table's; a change of the dtype is a copy there, where all is in one precision."""
        if call.short in CONVERSIONS and call.first is not None:
            return entry("clone", given[id(call.first)])
        return None if is_random(call) else call.of_table(lambda tensor: given[id(tensor)])

    def _other(self, call: MadeCall, given: Known, drawn: RandomState) -> Entry | None:
        """Return a call that the table does not have as one that it has, for these operands."""
        with self.paused():
            return None if call.first is None else equivalent(call, given[id(call.first)], drawn)

    def _faces(self, call: MadeCall, result: Any, written: Sequence[Tensor]) -> Known:
        """Return the values that autograd knows among what a call made or wrote, by the identity of their tensors."""
        made = [tensor for tensor in made_by(call, result) if tensor.requires_grad]
        faces = {id(tensor): Followed(value_of(tensor), None, f"{call.short}(...)") for tensor in (*made, *written)}
        for tensor in (*made, *written):
            self.steps.settle(tensor, faces[id(tensor)])
        return faces

    def _note(
        self, call: MadeCall, entered: Entry | None, given: Known, result: Any, faces: Known, *, draws: bool
    ) -> None:
        """Note a call of the table, or one that has no definition."""
        text = text_of(*entered) if entered else f"{call.short}(...)"

        def value(path: tree.Path, leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor):
                return leaf
            face = faces.get(id(leaf)) or Followed(leaf.detach(), None, text)
            face.text = text + tree.subscripts(path)
            return face

        values = tree.map_with_path(value, result)
        if not any(isinstance(leaf, Followed) and leaf in faces.values() for leaf in tree.leaves(values)):
            values = tuple(faces.values()) if len(faces) > 1 else next(iter(faces.values()))
        if entered is None:
            traced = gap(UNDEFINED.format(call.short), list(given.values()), values, draws=draws)
        else:
            device = next((face.tensor.device.type for face in faces.values()), "cpu")
            traced = TracedCall(*entered, values, autocast=Autocast.now(device))
        self.steps.note([traced], faces.values())

    def _inside(self, definition: Any, call: MadeCall, given: Known, faces: Known, drawn: RandomState) -> None:
        """Note a call by what its definition, which is code too, computes."""
        outputs = list(faces.values())
        with self.paused():
            inside = Inside.of_definition(self.steps, definition, call, given, drawn)
        inside.obscure(outputs)
        self.steps.note(inside.calls(outputs), outputs)

    def _function(self, function: type, args: tuple[Any, ...], apply: Any) -> Any:
        """Apply an autograd.Function, and note it by what its forward computes."""
        wanted = [arg for arg in args if isinstance(arg, torch.Tensor) and arg.requires_grad]
        if self._is_paused or not torch.is_grad_enabled():
            return apply(*args)
        body = checkpointed(function, args)
        if body is not None:
            return self._retraced("checkpoint", lambda: apply(*checkpoint_seen(self.observer, args)), body)
        if not wanted:
            return apply(*args)
        frame = self.steps.frame = user_frame()
        self._name(wanted)
        with self.paused():
            inside, outputs = Inside.of_function(self.steps, function, args, apply)
            made, text = [t for t in tree.tensors(outputs) if t.requires_grad], f"{function.__name__}.apply(...)"
            faces = [self.steps.settle(tensor, Followed(value_of(tensor), None, text)) for tensor in made]
            if faces:
                calls, self.steps.frame = inside.calls(faces), frame
                self.steps.note(calls, faces, function)
        return outputs

    def _mapped(self, mapped: Mapped) -> Any:
        """Run a call of `torch.vmap`, and note it by what it computes sample by sample."""
        if self._is_paused or not torch.is_grad_enabled() or any(map(is_functorch_wrapped_tensor, mapped.tensors)):
            return mapped.run()
        return self._retraced("vmap", mapped.run, mapped.one_by_one)

    def _derived(self, derived: Derived) -> Any:
        """Run a call of a transform that differentiates, and note it by what autograd computes in its place."""
        if self._is_paused or not torch.is_grad_enabled() or any(map(is_functorch_wrapped_tensor, derived.tensors)):
            return derived.run()
        outputs = self._retraced(derived.name, derived.run, derived.by_autograd)
        self.steps.obscure(tree.tensors(outputs), derived.made_up)
        return outputs

    def _retraced(self, name: str, run: Callable[[], Any], again: Callable[[], Any]) -> Any:
        """Run what cannot be followed, and then follow what computes the same."""
        self.steps.frame = user_frame()
        again = with_these_numbers(again)
        with self.paused():
            outputs = run()
        results, begun = tree.tensors(outputs), self.steps.number
        if any(tensor.requires_grad for tensor in results):
            copies = tree.tensors(again())
            with self.paused():
                note_copies(self.steps, name, results, copies, begun)
        return outputs

    def _assign(self, call: MadeCall, target: Tensor) -> Any:
        """Run a call that writes a value into entries of a tensor."""
        value = call.args[-1] if len(call.args) > 1 else 0
        index = call.args[1] if call.short == "__setitem__" else ...
        value = call.args[1] if call.short == "copy_" else value
        index = tree.map(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, index)
        new = self.steps.traced(
            value if isinstance(value, torch.Tensor) else torch.as_tensor(value, dtype=target.dtype)
        )
        old, bases = self.steps.traced(target), self._bases([target])
        old = self.steps.through(*bases[0]) if bases else old
        result = call.run()
        if not target.requires_grad:
            return result
        patch = assigned(target, index, tuple(new.tensor.shape))
        made = self.steps.patched(old, self.steps.cast(new, target.dtype), patch)
        made = self.steps.apply("clone", made) if made in {old, new} else made
        self.steps.settle(target, made)
        for tensor, base in bases:
            self._write_base(tensor, base, {id(target): made})
        return result

    def _bases(self, written: Sequence[Tensor]) -> list[tuple[Tensor, Followed]]:
        """Return the tensors that a call may write through to what they are views of, with the values of these."""
        pairs = [(tensor, base_of(tensor)) for tensor in written]
        values = [(tensor, self.steps.traced(base)) for tensor, base in pairs if base is not None]
        self.steps.values.keep(written)
        return values

    def _write_base(self, tensor: Tensor, old: Followed, faces: Known) -> None:
        """Note what a write through a view made of the view's base; the view is read from there next time."""
        base, new = base_of(tensor), faces.get(id(tensor))
        if base is None or new is None:
            return
        patch = overlap(StorageView.of(base), StorageView.of(tensor))
        made = self.steps.patched(old, new, patch)
        self.steps.settle(base, self.steps.apply("clone", made) if made in {old, new} else made)
        new.edge = None
        self.steps.values.lose(tensor)
