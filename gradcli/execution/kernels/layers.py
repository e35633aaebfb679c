"""Constants that layers and losses need: masks, bags, shapes; and norms that leave their statistics alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import NotSupportedError


def refuse(reason: str) -> None:
    """Say that a definition does not cover an option."""
    raise NotSupportedError(reason)


def grouped_shape(shape: Sequence[int], groups: int) -> tuple[int, ...]:
    """Return (N, groups, everything of a group)."""
    return (shape[0], groups, -1)


def later_axes(rank: int, first: int) -> tuple[int, ...]:
    """Return the axes from `first` on; for first = 0 without the axis of the channels."""
    return tuple(range(first, rank)) if first else (0, *range(2, rank))


def over_channels(rank: int) -> tuple[int, ...]:
    """Return the shape in which a vector over channels broadcasts against a tensor (N, C, …)."""
    return (1, -1, *[1] * (rank - 2))


def batch_norm(
    tensor: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,  # noqa: FBT002 (PyTorch's signature)
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """Return `torch.nn.functional.batch_norm`, and leave the running statistics as they are."""
    mean, var = _copied(running_mean, training), _copied(running_var, training)
    return torch.nn.functional.batch_norm(tensor, mean, var, weight, bias, training, momentum, eps)


def instance_norm(
    tensor: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,  # noqa: FBT002 (PyTorch's signature)
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """Return `torch.nn.functional.instance_norm`, and leave the running statistics as they are."""
    mean, var = _copied(running_mean, use_input_stats), _copied(running_var, use_input_stats)
    return torch.nn.functional.instance_norm(tensor, mean, var, weight, bias, use_input_stats, momentum, eps)


def native_batch_norm(
    tensor: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return `torch.native_batch_norm`, and leave the running statistics as they are."""
    mean, var = _copied(running_mean, training), _copied(running_var, training)
    return torch.native_batch_norm(tensor, weight, bias, mean, var, training, momentum, eps)


def native_dropout_backward(grad_output: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Return ATen's call of that name, which `torch` does not have."""
    return torch.ops.aten.native_dropout_backward(grad_output, mask, scale)


def _copied(statistics: Tensor | None, updated: bool) -> Tensor | None:
    """Return running statistics as they may be written to: they are a by-product of training, and no operand of it."""
    return statistics if statistics is None or not updated else statistics.detach().clone()


def causal(rows: int, columns: int) -> Tensor:
    """Return which positions each position may attend to: none that come after it."""
    return torch.ones(rows, columns, dtype=torch.bool).tril()


def is_mask(value: Any) -> bool:
    """Return whether a mask holds truth values (else numbers that are added)."""
    return isinstance(value, Tensor) and value.dtype == torch.bool


def is_floating(value: Any) -> bool:
    """Return whether a value is a tensor of real numbers."""
    return isinstance(value, Tensor) and value.is_floating_point()


def row_mask(rows: int, index: int) -> Tensor:
    """Return a column that is true at one row."""
    return (torch.arange(rows) == index % rows).unsqueeze(-1)


def bags(
    indices: Tensor, offsets: Tensor | None, include_last_offset: bool, padding_idx: int | None, rows: int
) -> Tensor:
    """Return which entries of the flat indices each bag counts, as a matrix (bags, entries) of truth values."""
    flat = indices.reshape(-1)
    starts = torch.arange(0, flat.numel(), indices.shape[-1]) if offsets is None else offsets.to(torch.int64)
    ends = torch.cat([starts[1:], starts.new_tensor([flat.numel()])])
    if include_last_offset:
        starts, ends = starts[:-1], starts[1:]
    places = torch.arange(flat.numel())
    inside = (places >= starts.unsqueeze(-1)) & (places < ends.unsqueeze(-1))
    kept = torch.ones_like(flat, dtype=torch.bool) if padding_idx is None else flat != padding_idx % rows
    return inside & kept


def bagged(entries: Tensor, membership: Tensor) -> Tensor:
    """Return each bag's entries in the last axis, (bags, width, most); -inf where a bag has fewer."""
    most = max(int(membership.sum(-1).max()), 1) if membership.numel() else 1
    filled = torch.cat([entries, torch.full_like(entries[:1], -math.inf)])
    index = torch.full((membership.shape[0], most), entries.shape[0])
    for bag, row in enumerate(membership):
        (places,) = torch.nonzero(row, as_tuple=True)
        index[bag, : places.numel()] = places
    return filled[index].transpose(-1, -2)


def label_pairs(target: Tensor, classes: int) -> Tensor:
    """Return how often (…, a, b) counts in the multi-label margin loss: a is a target, b is none; -1 ends a list."""
    lists = target.reshape(-1, classes)
    counts = torch.zeros(lists.shape)
    for row, labels in enumerate(lists.tolist()):
        for label in labels[: labels.index(-1)] if -1 in labels else labels:
            counts[row, label] += 1
    pairs = counts.unsqueeze(-1) * (counts == 0).unsqueeze(-2)
    return pairs.reshape(*target.shape, classes)


def upper_pairs(count: int) -> Tensor:
    """Return all pairs of rows, (2, pairs): the first index before the second, in order."""
    return torch.triu_indices(count, count, 1)


def lengths(value: Any) -> Tensor:
    """Return lengths, given as a tensor or as a list, as a tensor."""
    return value.to(torch.int64) if isinstance(value, Tensor) else torch.tensor(value).reshape(-1)


def extended_targets(targets: Tensor, lengths: Tensor, blank: int) -> Tensor:
    """Return the label lists of a CTC loss with a blank before, between and after: (N, 2·longest + 1)."""
    rows = targets if targets.ndim > 1 else _rows(targets, lengths)
    longest = int(lengths.max()) if lengths.numel() else 0
    found = torch.full((lengths.numel(), 2 * longest + 1), blank)
    found[:, 1::2] = rows[:, :longest]
    return found


def _rows(targets: Tensor, lengths: Tensor) -> Tensor:
    """Return concatenated label lists as rows, filled up with zeros."""
    longest = max(int(lengths.max()), 1)
    parts = targets.split(lengths.tolist())
    return torch.stack([torch.nn.functional.pad(part, (0, longest - part.numel())) for part in parts])


def may_skip(extended: Tensor, blank: int) -> Tensor:
    """Return which states of a CTC loss can be reached from two before: labels that differ from the one before."""
    skips = torch.zeros_like(extended, dtype=torch.bool)
    skips[:, 2:] = (extended[:, 2:] != blank) & (extended[:, 2:] != extended[:, :-2])
    return skips


def shifted(tensor: Tensor, steps: int, fill: float) -> Tensor:
    """Return a tensor whose last axis is shifted to the right; `fill` comes in."""
    return torch.nn.functional.pad(tensor, (steps, 0), value=fill)[..., : tensor.shape[-1]]


def states_before(alpha: Tensor, skips: Tensor, fill: float) -> tuple[Tensor, Tensor]:
    """Return the states one before each, and two before each that can be reached from there; `fill` for the others."""
    return shifted(alpha, 1, fill), torch.where(skips, shifted(alpha, 2, fill), fill)


def largest(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Return the largest of three numbers, entry by entry; 0 where all are -inf."""
    found = torch.maximum(torch.maximum(first, second), third)
    return torch.where(found == -math.inf, 0, found)


def none_of(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Return where three numbers are all -inf: the logarithms of chances of what cannot be."""
    return torch.maximum(torch.maximum(first, second), third) == -math.inf


def any_of(first: Tensor, second: Tensor, third: Tensor, largest: Tensor, never: Tensor) -> Tensor:
    """Return the logarithm of the probability that one of three events happens that exclude each other.

    It is the same whatever number near the `largest` of their logarithms is used; 0 where none ever does.
    """
    chances = torch.exp(first - largest) + torch.exp(second - largest) + torch.exp(third - largest)
    return largest + (chances + never).log()


def least(lengths: Tensor) -> int:
    """Return the least of some lengths; 0 if there are none."""
    return int(lengths.min()) if lengths.numel() else 0


def greatest(lengths: Tensor) -> int:
    """Return the greatest of some lengths; 0 if there are none."""
    return int(lengths.max()) if lengths.numel() else 0


def ends(extended: Tensor, lengths: Tensor) -> Tensor:
    """Return the states in which a list of labels is complete: its last label, and the blank after it."""
    places = torch.arange(extended.shape[1])
    last = 2 * lengths.unsqueeze(-1)
    return (places == last) | ((places == last - 1) & (last > 0))


def at_label(index: Tensor, classes: int) -> Tensor:
    """Return where each row's own class stands."""
    return torch.arange(classes) == index


def class_axes(rows: Sequence[int], weight: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of scores: rows, classes, and the further axes of a weight (classes, …, features)."""
    return (*rows[:-1], *weight[:-1])


def slopes_of(x: Tensor, lower: float, upper: float) -> Tensor:
    """Return the slopes that `rrelu` draws for entries that are not positive; 1 for the others."""
    with torch._C.DisableTorchFunction():  # noqa: SLF001 (the slopes are constants)
        slopes = torch.empty_like(x, requires_grad=False)
        torch.ops.aten.rrelu_with_noise(x.detach(), slopes, lower, upper, True)  # noqa: FBT003
    return slopes
