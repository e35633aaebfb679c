"""What a wrong gradient comes from: who of the code is to blame, or else the call at which the gradients part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from gradcli.execution.autograd.backward import grad_fn_name
from gradcli.execution.comparison.blame import Watch
from gradcli.execution.comparison.failing import is_altered, is_right_for_less
from gradcli.execution.comparison.faults import Faults
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.report.notes import Note, NoteKind, Notes
from gradcli.tolerance import Tolerance

ALTERED = (
    ", whose backward gives another gradient by itself: something has changed the gradient, or what backward reads"
)
LESS = "; PyTorch's backward is right there for a smaller upstream gradient: the larger, the fewer digits"


@dataclass
class Culprits:
    """Who is to blame for the wrong gradients of a run; what is asked of a call is asked once for all tensors."""

    point: Point
    gradients: Mapping[TracedTensor, Tensor | None]
    tolerance: Tolerance
    watch: Watch | None
    divergent: Callable[[], TracedCall | None]
    """Returns the call at which the gradients part."""
    _smaller: dict[int, bool] = field(default_factory=dict)
    _altered: dict[int, bool] = field(default_factory=dict)

    @cached_property
    def faults(self) -> Faults:
        """Return what Functions and hooks are to blame for, of code."""
        return Faults() if self.watch is None else self.watch.faults(self.point.derivations, self.tolerance)

    def of(self, traced: TracedTensor) -> Notes:
        """Return whose fault the wrong gradient of a tensor is, or where the gradients part."""
        blamed = self.faults.of(traced)
        call = None if blamed else self.divergent()
        if call is None:
            return blamed
        text, name = call.outputs[0].text, grad_fn_name(call.outputs[0])
        words = f"the gradients first differ at '{text}'" + ("" if name is None else f" ({name})")
        more = ALTERED if self._is_altered(call) else LESS if self._is_right_for_less(call) else ""
        return (Note(NoteKind.CALL, f"{words}{more}", text),)

    def altered(self, traced: TracedTensor) -> bool:
        """Return whether a wrong gradient was changed between the ops, so that no op's rule is to blame for it."""
        if self.faults.of(traced):
            return self.faults.has_altered(traced)
        call = self.divergent()
        return call is not None and self._is_altered(call)

    def acquits(self, traced: TracedTensor) -> bool:
        """Return whether something else is to blame for a wrong gradient than the op at which the gradients part."""
        return bool(self.faults.of(traced)) or self.altered(traced)

    def _is_altered(self, call: TracedCall) -> bool:
        """Return whether PyTorch's gradient of the call by itself is another one."""
        if id(call) not in self._altered:
            trace = self.point.decomposition.trace
            self._altered[id(call)] = is_altered(trace, call, self.gradients, self.tolerance)
        return self._altered[id(call)]

    def _is_right_for_less(self, call: TracedCall) -> bool:
        """Return whether the call's gradient is right for a smaller upstream gradient."""
        if id(call) not in self._smaller:
            known = self.point.completed(self.gradients)
            self._smaller[id(call)] = is_right_for_less(call, known, self.point.derivations, self.tolerance)
        return self._smaller[id(call)]
