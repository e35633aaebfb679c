"""What autograd takes for a constant though it depends on what requires grad: numbers, and gradients without a graph.

A gradient that `torch.autograd.grad` returns without `create_graph=True`, or that `backward` adds to `.grad`, requires
no grad; nor does what is made of it. Where it meets what does, the output may depend on it. `.detach()` says that a
constant is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from gradcli.execution.forward import tree
from gradcli.execution.forward.call_kinds import LEAVING, may_write
from gradcli.execution.forward.calls import MadeCall
from gradcli.execution.forward.followed import Constant
from gradcli.report.custom import SourcePlace

# With braces where the place belongs.
NUMBER = "a number leaves PyTorch by {}(){{}}, from {}"
OF_TENSOR, OF_GRADIENT = "a tensor that requires grad", "a gradient without a graph"
ASKED = "the code computes{} with a gradient that `torch.autograd.grad` returned without `create_graph=True`"
ADDED = "the code computes{} with a `.grad` that its own backward() has filled"


class Constants:
    """The constants that code has made of what requires grad and computed with, in the order in which it did."""

    def __init__(self) -> None:
        self.found: list[Constant] = []
        self._made_of: WeakIdKeyDictionary = WeakIdKeyDictionary()
        """What was said of gradients without a graph, and of what is made of them."""
        self._has_filled = False

    def differentiated(self, call: MadeCall, result: Any) -> None:
        """Note what autograd itself has returned, or added to leaves."""
        self._has_filled |= call.short == "backward"
        self._mark(ASKED, result)

    def ask(self, call: MadeCall) -> Any:
        """Run a call that asks what a tensor has, and note a `.grad` that was filled."""
        result = call.run()
        if self._has_filled and call.name.endswith(".grad.__get__"):
            self._mark(ADDED, result)
        return result

    def pass_on(self, call: MadeCall) -> Any:
        """Run a call that no gradient passes through, and note what it makes of gradients."""
        words, result = self._words(call), call.run()
        if words is not None and call.short != "detach":
            self._mark(words, [result, may_write(call)])
        return result

    def meet(self, call: MadeCall, wanted: list[Tensor], place: Callable[[], SourcePlace | None]) -> None:
        """Note what a call takes for a constant; `wanted` are those of its operands that require grad."""
        words = self._words(call)
        if call.short in LEAVING and (wanted or words is not None):
            source = OF_TENSOR if words is None else OF_GRADIENT
            self.found.append(Constant(NUMBER.format(call.short, source), place()))
        elif wanted and words is not None:
            self.found.append(Constant(words, place()))

    def _words(self, call: MadeCall) -> str | None:
        """Return what was said of the first operand that is a gradient, or is made of one."""
        known = (self._made_of.get(tensor) for tensor in call.tensors) if len(self._made_of) else ()
        return next((words for words in known if words is not None), None)

    def _mark(self, words: str, made: Any) -> None:
        for tensor in tree.tensors(made):
            if not tensor.requires_grad:
                self._made_of[tensor] = words
