"""Recurrent networks by their definition, as in PyTorch's documentation of RNN, LSTM and GRU and of their cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Cell = Callable[..., tuple[Tensor, ...]]
GATED, RESET = 4, 3


def _plain(activation: Callable[[Tensor], Tensor]) -> Cell:
    def cell(x: Tensor, state: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return (activation(_linear(x, weights[0], weights[2:3]) + _linear(state[0], weights[1], weights[3:4])),)

    return cell


def _lstm(x: Tensor, state: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    hidden, memory = state
    biases, projection = _split(weights)
    gates = _linear(x, weights[0], biases[:1]) + _linear(hidden, weights[1], biases[1:])
    enter, forget, new, out = gates.chunk(GATED, -1)
    memory = forget.sigmoid() * memory + enter.sigmoid() * new.tanh()
    hidden = out.sigmoid() * memory.tanh()
    return (hidden if projection is None else hidden @ projection.t()), memory


def _gru(x: Tensor, state: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    own = _linear(x, weights[0], weights[2:3]).chunk(RESET, -1)
    old = _linear(state[0], weights[1], weights[3:4]).chunk(RESET, -1)
    reset, update = (own[0] + old[0]).sigmoid(), (own[1] + old[1]).sigmoid()
    new = (own[2] + reset * old[2]).tanh()
    return ((1 - update) * new + update * state[0],)


def _split(weights: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor | None]:
    """Return the biases and the projection among an LSTM's weights: matrices of input and state come before them."""
    rest = weights[2:]
    return [weight for weight in rest if weight.ndim == 1], next((weight for weight in rest if weight.ndim > 1), None)


def _linear(x: Tensor, weight: Tensor, bias: Sequence[Tensor]) -> Tensor:
    product = x @ weight.t()
    return product + bias[0] if bias else product


def _network(cell: Cell, states: int) -> Callable[..., tuple[Tensor, ...]]:
    """Return a whole network: `torch.lstm` and its kin, of padded sequences or of packed ones."""

    def network(*args: Any) -> tuple[Tensor, ...]:
        if isinstance(args[3], bool):
            return _padded(cell, states, *args)
        return _packed(cell, states, *args)

    return network


def _padded(  # noqa: PLR0917 (as PyTorch's own)
    cell: Cell,
    states: int,
    x: Tensor,
    state: Any,
    weights: Sequence[Tensor],
    _: bool,  # noqa: FBT001 (whether there are biases: there are as many weights)
    layers: int,
    dropout: float,
    train: bool,  # noqa: FBT001
    bidirectional: bool,  # noqa: FBT001
    batch_first: bool = False,  # noqa: FBT001, FBT002
) -> tuple[Tensor, ...]:
    x = x.transpose(0, 1) if batch_first else x
    steps = [x.shape[1]] * x.shape[0]
    rows, last = _layers(
        cell, list(x.unbind(0)), _states(state, states), weights, steps, layers, dropout, train, bidirectional
    )
    out = torch.stack(rows)
    return (out.transpose(0, 1) if batch_first else out, *last)


def _packed(  # noqa: PLR0917 (as PyTorch's own)
    cell: Cell,
    states: int,
    data: Tensor,
    sizes: Tensor,
    state: Any,
    weights: Sequence[Tensor],
    _: bool,  # noqa: FBT001 (whether there are biases: there are as many weights)
    layers: int,
    dropout: float,
    train: bool,  # noqa: FBT001
    bidirectional: bool,  # noqa: FBT001
) -> tuple[Tensor, ...]:
    counts = sizes.tolist()
    rows, last = _layers(
        cell, list(data.split(counts)), _states(state, states), weights, counts, layers, dropout, train, bidirectional
    )
    return (torch.cat(rows), *last)


def _states(state: Any, states: int) -> list[Tensor]:
    return list(state) if states > 1 else [state]


def _layers(  # noqa: PLR0917 (a network's parts)
    cell: Cell,
    rows: list[Tensor],
    state: Sequence[Tensor],
    weights: Sequence[Tensor],
    counts: Sequence[int],
    layers: int,
    dropout: float,
    train: bool,  # noqa: FBT001
    bidirectional: bool,  # noqa: FBT001
) -> tuple[list[Tensor], list[Tensor]]:
    directions = 2 if bidirectional else 1
    each, last = len(weights) // (layers * directions), list[Sequence[Tensor]]()
    for layer in range(layers):
        found = []
        for direction in range(directions):
            place = layer * directions + direction
            own = weights[place * each : (place + 1) * each]
            out, end = _along(cell, rows, [part[place] for part in state], own, counts, backwards=direction == 1)
            found.append(out)
            last.append(end)
        rows = [torch.cat(pair, -1) for pair in zip(*found, strict=True)] if directions > 1 else found[0]
        if dropout and train and layer + 1 < layers:
            rows = _dropped(rows, dropout)
    return rows, [torch.stack([end[part] for end in last]) for part in range(len(state))]


def _dropped(rows: list[Tensor], dropout: float) -> list[Tensor]:
    """Return a layer's output with entries dropped: all at once, as PyTorch draws them."""
    sizes = [len(row) for row in rows]
    if len(set(sizes)) == 1:
        return list(torch.dropout(torch.stack(rows), dropout, train=True).unbind(0))
    return list(torch.dropout(torch.cat(rows), dropout, train=True).split(sizes))


def _along(
    cell: Cell,
    rows: Sequence[Tensor],
    state: Sequence[Tensor],
    weights: Sequence[Tensor],
    counts: Sequence[int],
    *,
    backwards: bool,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return one direction of a layer: its outputs, and the last state of each sequence, the longest first."""
    now, out = list(state), dict[int, Tensor]()
    order = range(len(rows) - 1, -1, -1) if backwards else range(len(rows))
    for time in order:
        count = counts[time]
        moved = cell(rows[time], [part[:count] for part in now], weights)
        now = [new if count == len(old) else torch.cat([new, old[count:]]) for new, old in zip(moved, now, strict=True)]
        out[time] = moved[0]
    return [out[time] for time in range(len(rows))], now


def _cell(cell: Cell, states: int) -> Callable[..., Any]:
    """Return one step: `torch.lstm_cell` and its kin."""

    def step(x: Tensor, state: Any, *weights: Tensor | None) -> Any:
        given = [weight for weight in weights if weight is not None]
        found = cell(x, _states(state, states), given)
        return found if states > 1 else found[0]

    return step


def _pack(x: Tensor, lengths: Tensor, batch_first: bool) -> Tensor:  # noqa: FBT001 (as PyTorch's own)
    """Return the rows of sequences, the longest first, without those behind their ends: step after step."""
    x, ends = x.transpose(0, 1) if batch_first else x, lengths.tolist()
    return torch.cat([x[time, : sum(end > time for end in ends)] for time in range(max(ends))])


def _pad(
    data: Tensor,
    sizes: Tensor,
    batch_first: bool,  # noqa: FBT001
    value: float,
    total_length: int,
) -> Tensor:
    """Return packed rows as sequences of one length, filled up with a value."""
    counts = sizes.tolist()
    rows = [_filled(row, counts[0], value) for row in data.split(counts)]
    rows += [torch.full_like(rows[0].detach(), value)] * (total_length - len(rows))
    out = torch.stack(rows)
    return out.transpose(0, 1) if batch_first else out


def _filled(row: Tensor, count: int, value: float) -> Tensor:
    rest = torch.full((count - len(row), *row.shape[1:]), value, dtype=row.dtype)
    return torch.cat([row, rest]) if len(rest) else row


NETWORKS: Mapping[str, Callable[..., Any]] = {
    "rnn_tanh": _network(_plain(torch.tanh), 1),
    "rnn_relu": _network(_plain(torch.relu), 1),
    "lstm": _network(_lstm, 2),
    "gru": _network(_gru, 1),
    "rnn_tanh_cell": _cell(_plain(torch.tanh), 1),
    "rnn_relu_cell": _cell(_plain(torch.relu), 1),
    "lstm_cell": _cell(_lstm, 2),
    "gru_cell": _cell(_gru, 1),
    "_pack_padded_sequence": _pack,
    "_pad_packed_sequence": _pad,
}
