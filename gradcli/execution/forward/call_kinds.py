"""Calls of PyTorch that are followed in a way of their own, by the kinds of what they do."""

from __future__ import annotations

# What changes nothing of a value: here a gradient passes through.
IDENTITIES = frozenset({"torch.Tensor.detach", "torch.detach", "torch.Tensor.data.__get__"})
SET_DATA = "torch.Tensor.data.__set__"
# What takes numbers out of PyTorch, so that no gradient can follow them.
LEAVING = frozenset({"item", "tolist", "numpy", "__float__", "__int__", "__array__", "__complex__", "__index__"})
# What makes a new tensor of numbers that other tensors hold.
COPYING = frozenset({"tensor", "new_tensor", "scalar_tensor"})
# What runs autograd itself, whose results are not a function of values that a call is given.
DIFFERENTIATING = frozenset({"grad", "backward"})
CONVERSIONS = frozenset({"to", "double", "type", "type_as", "float", "half", "bfloat16"})
# What writes a value into entries of its first argument: `copy_` and the like write into all of them.
ASSIGNMENTS = frozenset({"__setitem__", "copy_", "fill_", "zero_"})
