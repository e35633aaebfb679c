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

from gradcli.execution.code.compiled import as_written
from gradcli.execution.code.constants import Constants
from gradcli.execution.code.decided import Decided
from gradcli.execution.code.differentiated import note_gradients, refuse_kept_graph
from gradcli.execution.code.guarded import Guarded, Own
from gradcli.execution.code.higher_order import HigherOrder, higher_order_seen
from gradcli.execution.code.hooking import checkpoint_seen, hooked, hooks_seen
from gradcli.execution.code.inner import Inside, functions_seen
from gradcli.execution.code.mapped import Mapped, vmaps_seen
from gradcli.execution.code.places import name_values, place_of, user_frame
from gradcli.execution.code.retraced import checkpointed, note_copies, with_these_numbers
from gradcli.execution.code.steps import Entry, Steps, gap
from gradcli.execution.code.texts import text_of_call
from gradcli.execution.code.transforms import Derived, transforms_seen
from gradcli.execution.code.values import value_of
from gradcli.execution.code.writing import assign, bases_of, miscomputed, miswritten, write_base
from gradcli.execution.forward import tree
from gradcli.execution.forward.call_kinds import (
    ASSIGNMENTS,
    CONVERSIONS,
    DIFFERENTIATING,
    HOOKING,
    SET_DATA,
    is_question,
    may_write,
)
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.composites import is_python, unasked
from gradcli.execution.forward.equivalents import definition_of, entry, equivalent, is_random
from gradcli.execution.forward.followed import Followed
from gradcli.execution.forward.kinds import dense, kind_of
from gradcli.execution.forward.observed import Observer
from gradcli.execution.forward.overwriting import Writes
from gradcli.execution.forward.trace import Autocast, TracedCall
from gradcli.execution.forward.twins import RandomState, has_drawn, made_by, overwritten, random_state, versions

Known = dict[int, Followed]  # by the identity of the tensors
UNDEFINED = "{}() has no symbolic definition here"
OF_A_KIND = "{}() has no symbolic definition here for a {} tensor that requires grad"


class Follower(Guarded):
    """Sees every call of PyTorch that the code makes, and follows it."""

    def __init__(self, root: nn.Module | None = None) -> None:
        super().__init__()
        self.steps = Steps(root)
        self.constants = Constants()
        self.observer = Observer()
        self.writes = Writes()
        self.decided = Decided()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow what runs meanwhile."""
        with self.seeing(), self:
            yield

    @contextmanager
    def seeing(self) -> Iterator[None]:
        """See meanwhile what is no call of PyTorch's: Functions, and what is mapped."""
        functions, operators = functions_seen(self._function), higher_order_seen(self._higher_order)
        vmaps, transforms = vmaps_seen(self._mapped), transforms_seen(self._derived)
        hooks = hooks_seen(self.observer, lambda: self.is_paused)
        with as_written(), functions, operators, vmaps, transforms, hooks:
            yield

    def _seen(self, call: MadeCall) -> Any:
        """Run one call of the code, follow it, and note what it has written to."""
        result = self._followed(call)
        self.writes.note(call, result, lambda: place_of(user_frame()), self.steps.is_begun)
        return result

    def _followed(self, call: MadeCall) -> Any:
        if is_question(call):
            return self.constants.ask(call)
        if call.short in DIFFERENTIATING or any(map(is_functorch_wrapped_tensor, call.tensors)):
            return self._differentiated(call)
        wanted = [tensor for tensor in call.tensors if tensor.requires_grad]
        self.steps.frame = user_frame() if wanted else None
        self._name(wanted)
        self.constants.meet(call, wanted, lambda: place_of(self.steps.frame or user_frame()))
        self.decided.meet(call, wanted, lambda: place_of(self.steps.frame or user_frame()))
        if wanted and call.short in HOOKING:
            with self.paused():
                return hooked(self.observer, self.steps.traced(wanted[0]), call.run())
        if not wanted or not torch.is_grad_enabled() or call.name == SET_DATA:
            self.steps.values.keep(may_write(call))
            return self.constants.pass_on(call)
        return self._follow(call)

    def _differentiated(self, call: MadeCall) -> Any:
        """Run a call that differentiates, and note the gradients that `torch.autograd.grad` has returned."""
        refuse_kept_graph(call, place_of(user_frame()))
        with self.paused():
            result = call.run()
            self.constants.differentiated(call, result)
            if call.short == "grad" and not any(map(is_functorch_wrapped_tensor, call.tensors)):
                self.steps.frame = user_frame()
                self._name([tensor for tensor in call.tensors if tensor.requires_grad])
                note_gradients(self.steps, call, result)
        return result

    def _name(self, tensors: Sequence[Tensor]) -> None:
        """Give values the names of the variables that hold them."""
        values = ((tensor, self.steps.values.stale(tensor)) for tensor in tensors)
        name_values(self.steps.frame, ((tensor, value) for tensor, value in values if value is not None))

    def _follow(self, call: MadeCall) -> Any:
        """Run a call that a gradient may pass through, and note it as a step."""
        if call.short in ASSIGNMENTS and call.first is not None:
            return assign(self.steps, call, call.first)
        given = {id(tensor): self.steps.traced(tensor) for tensor in call.tensors}
        kind = _kind(call.tensors)
        entered = self._entered(call, given) if kind is None else None
        definition = definition_of(call) if entered is None and kind is None else None
        if entered is None and definition is None and is_python(call.func):
            with unasked(call.func), self:
                return call.run()
        drawn = random_state() if entered is None else None  # a call of the table draws nothing
        before = versions(call.tensors)
        bases, begun = bases_of(self.steps, may_write(call)), self.steps.number
        result = call.run()
        kind = kind or _kind(made_by(call, result))
        written = overwritten(call, before)
        if written:
            given |= {id(tensor): self.steps.through(tensor, base) for tensor, base in bases if tensor is call.first}
            entered = None if entered is None else self._entered(call, given)
        faces = self._faces(call, result, written)
        self.steps.supersede(faces.values(), begun)
        if not faces:
            return result
        reason = miswritten(self.steps, call, written) if kind is None else OF_A_KIND.format(call.short, kind)
        if reason is not None:
            self._note(call, None, given, result, faces, reason=reason)
        elif definition is not None and drawn is not None:
            self._inside(definition, call, given, faces, drawn)
        else:
            entered = self._other(call, given, drawn) if drawn is not None else entered
            reason = miscomputed(self.steps, call, entered, written, faces)
            entered = None if reason else entered
            draws = drawn is not None and has_drawn(drawn)
            self._note(call, entered, given, result, faces, reason=reason, draws=draws)
        for tensor, base in bases:
            write_base(self.steps, tensor, base, faces)
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
        known = {id(tensor): tensor for tensor in (*made, *written)}
        text = f"{call.shown}(...)"
        return {key: self.steps.settle(one, Followed(value_of(one), None, text)) for key, one in known.items()}

    def _note(
        self,
        call: MadeCall,
        entered: Entry | None,
        given: Known,
        result: Any,
        faces: Known,
        *,
        reason: str | None = None,
        draws: bool = False,
    ) -> None:
        """Note a call of the table, or one that has no definition."""
        text = text_of_call(call, entered, given)

        def value(path: tree.Path, leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor):
                return leaf
            face = faces.get(id(leaf)) or Followed(dense(leaf), None, text)
            face.text = text + tree.subscripts(path)
            return face

        values = tree.map_with_path(value, result)
        if not any(isinstance(leaf, Followed) and leaf in faces.values() for leaf in tree.leaves(values)):
            values = tuple(faces.values()) if len(faces) > 1 else next(iter(faces.values()))
        if entered is None:
            traced = gap(reason or UNDEFINED.format(call.shown), list(given.values()), values, draws=draws)
        else:
            device = next((face.tensor.device.type for face in faces.values()), "cpu")
            traced = TracedCall(*entered, values, autocast=Autocast.now(device))
        self.steps.note([traced], faces.values())

    def _inside(self, definition: Any, call: MadeCall, given: Known, faces: Known, drawn: RandomState) -> None:
        """Note a call by what its definition, which is code too, computes."""
        outputs = list(faces.values())
        with self.paused():
            inside = Inside.of_definition(self.steps, definition, call, given, drawn)
        self.steps.note(inside.calls(outputs), outputs)

    def _function(self, function: type, args: tuple[Any, ...], apply: Any) -> Any:
        """Apply an autograd.Function, and note it by what its forward computes."""
        if self.is_paused or not torch.is_grad_enabled():
            return apply(*args)
        body = checkpointed(function, args)
        if body is not None:
            return self._retraced("checkpoint", lambda: apply(*checkpoint_seen(self.observer, args)), body)
        if not any(isinstance(arg, torch.Tensor) and arg.requires_grad for arg in args):
            return apply(*args)
        own = Own(lambda: apply(*args))
        return self._guarded(lambda: f"{function.__name__}.apply", own, lambda: self._applied(function, args, own))

    def _applied(self, function: type, args: tuple[Any, ...], apply: Callable[..., Any]) -> Any:
        wanted = [arg for arg in args if isinstance(arg, torch.Tensor) and arg.requires_grad]
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
        if self.is_paused or not torch.is_grad_enabled() or any(map(is_functorch_wrapped_tensor, mapped.tensors)):
            return mapped.run()
        return self._retraced("vmap", mapped.run, mapped.one_by_one)

    def _derived(self, derived: Derived) -> Any:
        """Run a call of a transform that differentiates, and note it by what autograd computes in its place."""
        if self.is_paused or not torch.is_grad_enabled() or any(map(is_functorch_wrapped_tensor, derived.tensors)):
            return derived.run()
        outputs = self._retraced(derived.name, derived.run, derived.by_autograd)
        self.steps.settle_transform(derived.made_up, derived.before)
        return outputs

    def _higher_order(self, called: HigherOrder) -> Any:
        """Run an operator that is given functions, and note it by what it computes, where that is known."""
        if self.is_paused or not torch.is_grad_enabled():
            return called.run()
        if called.body is not None:
            return self._retraced(called.name, called.run, called.body)
        own = Own(called.run)
        return self._guarded(lambda: called.name, own, lambda: self._opaque(called, own))

    def _opaque(self, called: HigherOrder, run: Callable[[], Any]) -> Any:
        self.steps.frame = user_frame()
        given = [self.steps.traced(tensor) for tensor in called.tensors if tensor.requires_grad]
        with self.paused():
            outputs = run()
        made = [tensor for tensor in tree.tensors(outputs) if tensor.requires_grad]
        faces = [self.steps.settle(t, Followed(value_of(t), None, f"{called.name}(...)")) for t in made]
        if faces:
            self.steps.note([gap(UNDEFINED.format(called.name), given, tuple(faces))], faces)
        return outputs

    def _retraced(self, name: str, run: Callable[[], Any], again: Callable[[], Any]) -> Any:
        """Run what cannot be followed, and then follow what computes the same."""
        own = Own(run)
        return self._guarded(lambda: name, own, lambda: self._computed_again(name, own, again))

    def _computed_again(self, name: str, run: Callable[[], Any], again: Callable[[], Any]) -> Any:
        self.steps.frame, again = user_frame(), with_these_numbers(again)
        with self.paused():
            outputs = run()
        results, begun = tree.tensors(outputs), self.steps.number
        if any(tensor.requires_grad for tensor in results):
            copies = tree.tensors(again())
            with self.paused():
                note_copies(self.steps, name, results, copies, begun)
        return outputs


def _kind(tensors: Sequence[Tensor]) -> str | None:
    """Return the kind of the first tensor that requires grad and is not a dense one."""
    return next((kind for tensor in tensors if tensor.requires_grad and (kind := kind_of(tensor))), None)
