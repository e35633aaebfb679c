"""What code of PyTorch computes, recorded call by call as ops of the table: the trace of which derivatives are taken.

The code runs as it is, without autograd, and may change tensors in place. Beside it every call runs again under
autograd, as a function of values that never change; `no_grad` and `detach` in the code are passed over. So autograd's
gradient of the recorded calls is that of what the code computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.overrides import TorchFunctionMode

from gradcli.execution.forward import tree
from gradcli.execution.forward.aliasing import AliasError, Aliases, Patch, assigned, is_basic
from gradcli.execution.forward.call_kinds import (
    ASSIGNMENTS,
    CONVERSIONS,
    COPYING,
    DIFFERENTIATING,
    IDENTITIES,
    LEAVING,
    SET_DATA,
)
from gradcli.execution.forward.calls import MadeCall, text_of
from gradcli.execution.forward.composites import is_python, unasked
from gradcli.execution.forward.equivalents import AFFINE, conversion, definition_of, entry, equivalent, is_random
from gradcli.execution.forward.kinds import dense, kind_of
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.overlapping import SAME_MEMORY, clashes, reads_what_it_assigns
from gradcli.execution.forward.sparse import PLACES, Form, dense_form, is_storing
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor, invocation, traced_in, wrapped
from gradcli.execution.forward.twins import (
    RandomState,
    apart,
    changed,
    eps_of,
    has_drawn,
    is_same,
    made_by,
    random_numbers,
    random_state,
    twin_of,
    versions,
)
from gradcli.ops.record import Op

UNDEFINED = "forward calls {}, which has no symbolic definition here"
OUT_OF_SIGHT = "forward takes numbers out of PyTorch by {}"
DIFFERENT = "the calls that forward makes do not give what it returns: something writes past PyTorch"
Entry = tuple[Op, BoundCall]


class Recorder(TorchFunctionMode):
    """Sees every call of PyTorch that the body makes."""

    def __init__(self, leaves: Sequence[TracedTensor]) -> None:
        super().__init__()
        self.trace = Trace(list(leaves))
        self.aliases = Aliases(self._patched, self._gathered)
        self.unknown: Callable[[Tensor], TracedTensor] = _constant
        """What a tensor holds that was made before the body ran."""
        self.gap: str | None = None
        self.left: str | None = None
        self.draws = False
        """Whether a call without a definition draws random numbers."""
        self.precision: torch.dtype | None = None
        self._entered = set(leaves)
        self._rounding = max((eps_of(leaf.tensor) for leaf in leaves), default=0.0)

    def traced(self, tensor: Tensor) -> TracedTensor:
        """Return what a tensor is in the trace; one that was made before the body ran is a constant."""
        try:
            value = self.aliases.read(tensor)
        except AliasError as error:
            self._lose(f"forward writes into {error}")
            value = None
        if value is None:
            value = self.unknown(tensor)
            self._entered |= {value} if value.tensor.requires_grad else set()
            self.aliases.know(tensor, value)
        return value

    def result(self, output: Tensor) -> TracedTensor:
        """Return the body's output, the last tensor of the trace."""
        traced = self.traced(output)
        if not is_same(output.detach(), traced.tensor.detach()):
            self._lose(DIFFERENT)
        self._use([traced])
        self.trace.output = traced if self.gap is None else None
        return traced

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call of the body, and record it."""
        call = MadeCall(func, tuple(args), dict(kwargs or {}))
        if call.first is not None and (call.name in IDENTITIES or call.name == SET_DATA or is_storing(call)):
            return self._identity(call, call.first)
        if any(map(is_functorch_wrapped_tensor, call.tensors)):
            self._lose("forward calls a transform of torch.func, inside of which it cannot be followed")
            return call.run()
        if call.short == "__setitem__" and call.first is not None and is_basic(call.args[1]):
            return self._store(call, call.first, *call.args[1:])
        given = [self.traced(tensor) for tensor in call.tensors]
        carries = any(traced.tensor.requires_grad for traced in given)
        if not carries or call.short in PLACES:
            return self._constants(call)
        if (form := dense_form(call)) is not None:
            return self._sparse(call, form)
        if call.short in LEAVING | COPYING | DIFFERENTIATING:
            self._lose(OUT_OF_SIGHT.format(f"{call.short}()"))
            return self._constants(call)
        if call.short in ASSIGNMENTS and call.first is not None:
            return self._assign(call, call.first)
        result = self._follow(call, dict(zip(map(id, call.tensors), given, strict=True)))
        self._clash(call, is_so=clashes(call, call.targets))
        return result

    def _identity(self, call: MadeCall, first: Tensor) -> Any:
        value = self.traced(call.args[1] if call.name == SET_DATA else first)
        result = call.run()
        self.aliases.know(first if call.name == SET_DATA else result, value)
        return result

    def _sparse(self, call: MadeCall, form: Form) -> Any:
        """Run a call that makes a sparse tensor: its value in the trace is the dense one."""
        result = call.run()
        with self:
            made = form(*call.args, **call.keywords)
        self.aliases.know(result, self.traced(made))
        return result

    def _constants(self, call: MadeCall) -> Any:
        """Run a call whose results no gradient passes through."""
        before = versions(call.tensors)
        result = call.run()
        self._settle(call, result, changed(call.tensors, before))
        return result

    def _settle(self, call: MadeCall, result: Any, written: Sequence[Tensor]) -> None:
        """Note what a call has made and written as constants."""
        for tensor in written:
            self.aliases.write(tensor, _constant(tensor))
        for tensor in made_by(call, result):
            self.aliases.know(tensor, _constant(tensor))

    def _assign(self, call: MadeCall, target: Tensor) -> Any:
        """Run a call that writes a value into entries of a tensor."""
        old, value = self.traced(target), call.args[-1] if len(call.args) > 1 else 0
        index = call.args[1] if call.short == "__setitem__" else ...
        value = call.args[1] if call.short == "copy_" else value
        shape = tuple(value.shape) if isinstance(value, Tensor) else ()
        before = tree.map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, index)
        new = self.traced(value) if isinstance(value, Tensor) else _constant(torch.as_tensor(value, dtype=target.dtype))
        result = call.run()
        patch = assigned(target, before, shape if isinstance(value, Tensor) else tuple(new.tensor.shape))
        self._clash(call, is_so=isinstance(value, Tensor) and reads_what_it_assigns(target, patch, value))
        self.aliases.write(target, self._patched(old, self._cast(new, target.dtype), patch))
        return result

    def _store(self, call: MadeCall, target: Tensor, index: Any, value: Any) -> Any:
        """Run a call that writes a value into a view of a tensor, which is read when the tensor is."""
        if not self.aliases.is_known(target):
            self.traced(target)
        is_tensor = isinstance(value, Tensor)
        new = self.traced(value) if is_tensor else _constant(torch.as_tensor(value, dtype=target.dtype))
        result = call.run()
        with torch._C.DisableTorchFunction():  # noqa: SLF001 (it is no call of the body's)
            view = target[index]
        patch = assigned(view, ..., tuple(new.tensor.shape))
        self._clash(call, is_so=is_tensor and reads_what_it_assigns(view, patch, value))
        self.aliases.store(view, self._patched(None, self._cast(new, target.dtype), patch))
        return result

    def _gathered(self, pieces: Sequence[tuple[TracedTensor, Tensor]], source: Tensor) -> TracedTensor:
        """Return a value that is put together of entries of others."""
        parts = [self._apply("take", value, _constant(entries.to(value.tensor.device))) for value, entries in pieces]
        together = self._apply("cat", parts) if len(parts) > 1 else parts[0]
        return self._apply("take", together, _constant(source.to(together.tensor.device)))

    def _patched(self, old: TracedTensor | None, new: TracedTensor, patch: Patch) -> TracedTensor:
        """Return a value with some of its entries overwritten."""
        if patch.is_empty and old is not None:
            return old
        if patch.is_copy:
            return new
        taken = self._apply("take", new, _constant(patch.source.to(new.tensor.device)))
        if patch.is_whole or old is None:
            return taken
        return self._apply("where", _constant(patch.mask.to(old.tensor.device)), taken, old)

    def _apply(self, name: str, *values: TracedTensor | Sequence[TracedTensor]) -> TracedTensor:
        """Return the result of an op of the table, and record it."""
        op, call = entry(name, *values)
        with apart():
            result = TracedTensor(invocation(op, call, lambda traced: traced.tensor)(), None, text_of(op, call))
        if result.tensor.requires_grad:
            self._enter((op, call), result, name)
        return result

    def _follow(self, call: MadeCall, given: Mapping[int, TracedTensor]) -> Any:
        """Run a call that a gradient passes through, and its functional twin."""
        entered = None if self.gap or is_random(call) else call.of_table(self.traced)
        definition = definition_of(call) if entered is None else None
        if definition is not None:
            with self:
                made = definition(*call.args, **call.keywords)
                return call.first.copy_(made) if call.is_in_place and call.first is not None else made
        if entered is None and is_python(call.func) and call.short not in AFFINE:
            with unasked(call.func), self:
                return call.run()
        before, random = versions(call.tensors), random_state()
        result = call.run()
        written = call.outs or changed(call.tensors, before)
        if written or made_by(call, result):
            try:
                with apart(), random_numbers(random):
                    made, twins = twin_of(call, given, result, written, self.trace.leaves)
            except (RuntimeError, TypeError, ValueError):
                self._lose(f"autograd cannot follow forward through {call.short}()")
                self._settle(call, result, written)
            else:
                if made_by(call, result) and not call.outs:  # statistics that a call keeps beside its result
                    self._settle(call, None, written)
                entered = entered or self._equivalent(call, given, random)
                self.draws = self.draws or (entered is None and has_drawn(random))
                self._note(call, entered, made, twins)
        return result

    def _equivalent(self, call: MadeCall, given: Mapping[int, TracedTensor], random: RandomState) -> Entry | None:
        """Return a call that the table does not have as one that it has."""
        first = None if call.first is None else given.get(id(call.first))
        return None if first is None else equivalent(call, first, random)

    def _note(self, call: MadeCall, entered: Entry | None, made: Any, twins: Any) -> None:
        """Note what tensors hold now: those that a call has made, or those that it has written."""
        values = wrapped(twins, text_of(*entered) if entered else f"{call.short}(...)")
        if call.short in CONVERSIONS and call.first is not None:
            entered = conversion(self.traced(call.first), traced_in(values)[0])
        if any(value.tensor.requires_grad for value in traced_in(values)):
            self._enter(entered, values, call.short)
        given = set(map(id, call.tensors))
        for tensor, value in zip(tree.tensors(made), traced_in(values), strict=True):
            if id(tensor) in given:
                self.aliases.write(tensor, self._cast(value, tensor.dtype))
            else:
                self.aliases.know(tensor, value)

    def _cast(self, value: TracedTensor, dtype: torch.dtype) -> TracedTensor:
        """Return a value in a different dtype."""
        if value.tensor.dtype == dtype:
            return value
        with apart():
            converted = TracedTensor(value.tensor.to(dtype), None, value.text)
        if converted.tensor.requires_grad:
            self._enter(conversion(value, converted), converted, "to")
        return converted

    def _enter(self, entered: Entry | None, values: Any, short: str) -> None:
        """Put a call into the trace; one that the table does not have is a gap."""
        made = traced_in(values)
        for value in made:
            if eps_of(value.tensor) > self._rounding:
                self._rounding, self.precision = eps_of(value.tensor), value.tensor.dtype
        if entered is None or any(kind_of(value.tensor) is not None for value in made):
            self._miss(UNDEFINED.format(f"{short}()"))
            return
        call = TracedCall(*entered, values)
        if any(value.tensor.requires_grad and value not in self._entered for value in call.inputs):
            self._miss(f"forward gives {short}() what a call without a symbolic definition here has changed")
            return
        self._use(call.inputs)
        self._entered.update(made)
        self.trace.calls.append(call)

    def _use(self, values: Sequence[TracedTensor]) -> None:
        """Make leaves of the constants among the values that a call of the trace is given."""
        for value in values:
            if value not in self._entered and not value.tensor.requires_grad:
                value.is_leaf = True
                self.trace.leaves.append(value)
                self._entered.add(value)

    def _clash(self, call: MadeCall, *, is_so: bool) -> None:
        if is_so:
            self._lose(SAME_MEMORY.format(f"forward calls {call.short}(), which"))

    def _miss(self, reason: str) -> None:
        self.gap = self.gap or reason

    def _lose(self, reason: str) -> None:
        self.left = self.left or reason


def _constant(tensor: Tensor) -> TracedTensor:
    return TracedTensor(dense(tensor).clone(), None, "constant", is_leaf=True)
