"""Calls of PyTorch that are followed in a way of their own, by the kinds of what they do."""

from __future__ import annotations

from torch import Tensor

from gradcli.execution.forward.calls import MadeCall

# What changes nothing of a value: here a gradient passes through.
IDENTITIES = frozenset({"torch.Tensor.detach", "torch.detach", "torch.Tensor.data.__get__"})
SET_DATA = "torch.Tensor.data.__set__"
# What takes numbers out of PyTorch, so that no gradient can follow them.
LEAVING = frozenset({"item", "tolist", "numpy", "__float__", "__int__", "__array__", "__complex__", "__index__"})
# What makes a new tensor of numbers that other tensors hold.
COPYING = frozenset({"tensor", "new_tensor", "scalar_tensor"})
# What runs autograd itself, whose results are not a function of values that a call is given.
DIFFERENTIATING = frozenset({"grad", "backward"})
CONVERSIONS = frozenset({"to", "cpu", "cuda", "double", "type", "type_as", "float", "half", "bfloat16"})
# What writes a value into entries of its first argument: `copy_` and the like write into all of them.
ASSIGNMENTS = frozenset({"__setitem__", "copy_", "fill_", "zero_"})
# What may change a gradient on its way.
HOOKING = frozenset({"register_hook"})
# What writes to its arguments, though its name does not say so.
WRITING = frozenset({"batch_norm", "instance_norm", "__setitem__"})
# Attributes that are made of a tensor; all others tell what it is like, or are what was there before, as `.grad` is.
TENSORS = frozenset({"T", "mT", "H", "mH", "real", "imag", "data"})
# What writes a tensor.
TEXTS = frozenset({"__repr__", "__format__"})
# What a module asks of its parameters when it moves them, be it to the meta device, where no gradient is known.
QUESTIONS = frozenset({"_has_compatible_shallow_copy_type", "is_complex", "is_floating_point"})
# What PyTorch sets after a Function has written to a view, while it holds the view's lock: whoever asks for the view's
# grad_fn then waits for ever.
LOCKED = frozenset({"torch.Tensor._backward_hooks.__set__"})
# What decides by values: their results are truth values of Python's, of tensors that need not require grad.
DECIDING = frozenset({"__bool__", "is_nonzero", "equal", "allclose"})
# Those that ask whether a number is 0.
TRUTH = frozenset({"__bool__", "is_nonzero"})
# What compares numbers with others, as a whole, and entry by entry.
WHOLE = frozenset({"equal"})
COMPARING = (
    TRUTH
    | WHOLE
    | {
        f"{pre}{name}{post}"
        for name in ("gt", "ge", "lt", "le", "eq", "ne")
        for pre, post in (("", ""), ("", "_"), ("__", "__"))
    }
    | {"greater", "greater_equal", "less", "less_equal", "not_equal"}
)


def is_question(call: MadeCall) -> bool:
    """Return whether a call only asks what a tensor is like, or has, or for its text, or may not be asked about.

    PyTorch writes a tensor with functorch switched off until the frame that does so is freed: an error inside, of a
    call that a program may not make, would keep that frame, and every later Jacobian would be 0.
    """
    if call.name in LOCKED or call.short in TEXTS | QUESTIONS:
        return True
    return call.short == "__get__" and call.name.split(".")[-2] not in TENSORS


def may_write(call: MadeCall) -> list[Tensor]:
    """Return the tensors that a call may write to."""
    in_place = call.is_in_place or call.name == SET_DATA or call.keywords.get("inplace") is True
    if call.short in WRITING or "out" in call.keywords or any(argument is True for argument in call.args):
        return call.tensors
    return call.tensors[:1] if in_place else []
