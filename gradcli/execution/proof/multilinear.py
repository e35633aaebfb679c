"""Kernels without a formula that are linear in some operands: their coefficients are their values at unit vectors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.proof.circuit import Circuit, Entries, UnprovableError
from gradcli.execution.proof.machine import CircuitMachine

# Each product of unit vectors is a run of the kernel.
MOST_RUNS = 20_000


def multilinear(
    target: Any, machine: CircuitMachine, arguments: Sequence[Any], linear: tuple[tuple[int, ...], ...]
) -> Any:
    """Return the results of a kernel; `linear` says of each which operands it is linear in."""
    machine.multilinear.add(target._schema.name.partition("::")[2])  # noqa: SLF001 (the only way to a call's name)
    given = [
        machine.entries(item) if isinstance(item, Tensor) and item.is_floating_point() else item for item in arguments
    ]
    found = [_result(target, machine, given, place, operands) for place, operands in enumerate(linear)]
    return found[0] if len(found) == 1 else found


def _result(
    target: Any, machine: CircuitMachine, given: Sequence[Any], place: int, operands: tuple[int, ...]
) -> Entries | None:
    like = _run(target, given, {})
    like = like if isinstance(like, Tensor) else like[place]
    if like is None:
        return None
    counts = [given[operand].codes.numel() for operand in operands]
    if torch.Size(counts).numel() > MOST_RUNS:
        raise UnprovableError(f"{target} would have to be run for more than {MOST_RUNS:,} pairs of unit vectors")
    nodes = [machine.circuit.decoded(given[operand].codes) for operand in operands]
    terms: list[list[int]] = [[] for _ in range(like.numel())]
    for choice in itertools.product(*map(range, counts)):
        made = _run(target, given, dict(zip(operands, choice, strict=True)))
        made = made if isinstance(made, Tensor) else made[place]
        for entry, coefficient in enumerate(made.reshape(-1).tolist()):
            if coefficient:
                factors = [nodes[k][entry_of] for k, entry_of in enumerate(choice)]
                terms[entry].append(_product(machine.circuit, coefficient, factors))
    return Entries(Circuit.codes([machine.sum(own) for own in terms], like.shape))


def _run(target: Any, given: Sequence[Any], units: dict[int, int]) -> Any:
    """Return what the kernel gives for unit vectors, and zeros in the place of all other entries."""
    values = []
    for place, item in enumerate(given):
        value = item
        if isinstance(item, Entries):
            value = torch.zeros(item.shape, dtype=torch.float64)
            if place in units:
                value.view(-1)[units[place]] = 1.0
        values.append(value)
    return target(*values)


def _product(circuit: Circuit, coefficient: float, factors: Sequence[int]) -> int:
    found = circuit.number(coefficient)
    for factor in factors:
        found = factor if found == circuit.number(1) else circuit.node("mul", found, factor)
    return found
