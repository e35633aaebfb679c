"""Evaluation of tensor programs in torch: every step is one call of a torch function."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.tensor_program import Step, TensorProgram
from gradcli.execution.reference.liveness import lives

POINTWISE: Mapping[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "neg": torch.neg,
    "reciprocal": torch.reciprocal,
    "pow": torch.pow,
    "sqrt": torch.sqrt,
    "hypot": torch.hypot,
    "exp": torch.exp,
    "log": torch.log,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "asin": torch.asin,
    "acos": torch.acos,
    "atan": torch.atan,
    "atan2": torch.atan2,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "asinh": torch.asinh,
    "acosh": torch.acosh,
    "atanh": torch.atanh,
    "erf": torch.erf,
    "erfc": torch.erfc,
    "erfinv": torch.erfinv,
    # Φ⁻¹ keeps its digits where 1 - x would be rounded: erfc⁻¹(x) = -Φ⁻¹(x/2)/√2.
    "erfcinv": lambda value: torch.special.ndtri(value / 2) * -math.sqrt(0.5),
    "lgamma": torch.lgamma,
    "abs": torch.abs,
    "sign": torch.sign,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "where": torch.where,
    "lt": torch.lt,
    "le": torch.le,
    "gt": torch.gt,
    "ge": torch.ge,
    "eq": torch.eq,
    "ne": torch.ne,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_not": torch.logical_not,
    "polygamma": lambda order, value: _polygamma(int(order), value),
    "besselj": lambda order, value: _bessel("bessel_j", int(order), value),
    "besseli": lambda order, value: _bessel("i", int(order), value),
    "delta": lambda left, right: torch.eq(left, right).to(torch.float64),
}


Perturbation = Callable[[Tensor], Tensor]


def identity(value: Tensor) -> Tensor:
    """Return a value as it is."""
    return value


def evaluate(program: TensorProgram, operands: Mapping[str, Tensor], perturb: Perturbation = identity) -> Tensor:
    """Return the result of a program; `operands` are tensors with one axis a label.

    `perturb` changes the result of every step: rounding noise is found by changing last bits.
    """
    sizes = {label: operands[name].shape[axis] for label, name, axis in program.sizes}
    values: list[Any] = [operands.get(name) for name in program.operands]
    known = lives(program)
    for step, place, dead in zip(program.steps, known.overwritten, known.dead, strict=True):
        values.append(perturb(_run(step, [values[i] for i in step.inputs], sizes, place)))
        for value in dead:
            values[value] = None
    result: Tensor = values[program.result]
    return result


def _run(step: Step, inputs: list[Tensor], sizes: Mapping[str, int], overwritten: int | None) -> Tensor:
    if step.function not in POINTWISE:
        return STRUCTURAL[step.function](step, inputs, sizes)
    aligned = [align(value, labels, step.out) for value, labels in zip(inputs, step.labels, strict=True)]
    if overwritten is not None and all(value.dtype == inputs[overwritten].dtype == torch.float64 for value in inputs):
        return POINTWISE[step.function](*aligned, out=inputs[overwritten])
    return POINTWISE[step.function](*aligned)


def align(value: Tensor, labels: str, out: str) -> Tensor:
    """Return a view of a value with its axes in the order of `out` and axes of length 1 where it has none."""
    if labels == out or not labels:
        return value  # a number broadcasts as it is
    order, missing = _alignment(labels, out)
    value = value.permute(order) if order else value
    for position in missing:
        value = value.unsqueeze(position)
    return value


@lru_cache(maxsize=4096)
def _alignment(labels: str, out: str) -> tuple[list[int], list[int]]:
    """Return the permutation of a value's axes (empty if none is needed) and where axes of length 1 come in."""
    order = [labels.index(letter) for letter in out if letter in labels]
    missing = [position for position, letter in enumerate(out) if letter not in labels]
    return order if order != sorted(order) else [], missing


def _einsum(step: Step, inputs: list[Tensor], _: Mapping[str, int]) -> Tensor:
    if len(inputs) == 1 and len(set(step.labels[0])) == len(step.labels[0]):
        axes = [axis for axis, letter in enumerate(step.labels[0]) if letter not in step.out]
        kept = "".join(letter for letter in step.labels[0] if letter in step.out)
        return align(inputs[0].sum(dim=axes), kept, step.out)
    # bool factors (Iverson brackets) count as 0 and 1.
    inputs = [value.to(torch.float64) if value.dtype == torch.bool else value for value in inputs]
    labels = step.labels
    if len(inputs) == 2 and _is_swapped(labels[0], labels[1], step.out):  # noqa: PLR2004 (a pair is a matrix product)
        labels, inputs = labels[::-1], inputs[::-1]
    return torch.einsum(",".join(labels) + "->" + step.out, *inputs)


def _is_swapped(left: str, right: str, out: str) -> bool:
    """Return whether a product of two has the second one's rows: so torch would lay out its result transposed."""
    lone = [letter for letter in out if (letter in left) != (letter in right)]
    return bool(lone) and lone[0] in right


def _number(step: Step, _: list[Tensor], __: Mapping[str, int]) -> Tensor:
    return torch.tensor(step.number, dtype=torch.float64)


def _index(step: Step, _: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
    return torch.arange(sizes[step.out])


def _size(step: Step, _: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
    return torch.tensor(sizes[str(step.number)], dtype=torch.float64)


def _gather(step: Step, inputs: list[Tensor], _: Mapping[str, int]) -> Tensor:
    source, *indices = inputs
    aligned = [align(index, labels, step.out) for index, labels in zip(indices, step.labels[1:], strict=True)]
    return source[tuple(aligned)]


def _scatter(step: Step, inputs: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
    source, index = inputs
    axis, rest = step.out[0], step.out[1:]
    source = align(source, step.labels[0], step.labels[1] + rest)
    target = source.new_zeros([sizes[axis], *source.shape[index.ndim :]])
    return target.index_add_(0, index.reshape(-1), source.reshape(-1, *source.shape[index.ndim :]))


def _relabel(step: Step, inputs: list[Tensor], _: Mapping[str, int]) -> Tensor:
    if step.labels[0] == step.out:
        return inputs[0]
    return torch.einsum(step.labels[0] + "->" + step.out, inputs[0])


def _expand(step: Step, inputs: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
    return align(inputs[0], step.labels[0], step.out).expand([sizes[letter] for letter in step.out])


def _polygamma(order: int, value: Tensor) -> Tensor:
    """Return ψ⁽ⁿ⁾ by Hurwitz's zeta function, DLMF 25.11.12: torch.polygamma(1, x) has 9 digits only."""
    if order == 0:
        return torch.digamma(value)
    zeta = torch.special.zeta(torch.tensor(order + 1.0), value)
    precise = zeta * math.factorial(order) * (1 if order % 2 else -1)
    return torch.where(value > 0, precise, torch.polygamma(order, value))


def _bessel(family: str, order: int, value: Tensor) -> Tensor:
    functions: dict[tuple[str, int], Callable[[Tensor], Tensor]] = {
        ("bessel_j", 0): torch.special.bessel_j0,
        ("bessel_j", 1): torch.special.bessel_j1,
        ("i", 0): torch.special.i0,
        ("i", 1): torch.special.i1,
    }
    if (family, order) in functions:
        return functions[family, order](value)
    if order < 0:
        sign = -1 if family == "bessel_j" and order % 2 else 1
        return sign * _bessel(family, -order, value)
    # The three-term recurrence f(n+1) = ±(2n/x f(n) - f(n-1)), DLMF 10.6.1 and 10.29.1, cancels near 0.
    sign = 1 if family == "bessel_j" else -1
    recurred = sign * (2 * (order - 1) / value * _bessel(family, order - 1, value) - _bessel(family, order - 2, value))
    return torch.where(value.abs() < order, _bessel_series(-sign, order, value), recurred)


def _bessel_series(sign: int, order: int, value: Tensor) -> Tensor:
    """Return Σ sign^k (x/2)^(2k+n) / (k! (k+n)!) for |x| < n, DLMF 10.2.2 and 10.25.2: it takes few terms there."""
    term = (value / 2) ** order / math.factorial(order)
    total = term
    for k in range(1, 20 + order):
        term = term * (sign * (value / 2) ** 2) / (k * (k + order))
        total = total + term
    return total


STRUCTURAL: Mapping[str, Callable[[Step, list[Tensor], Mapping[str, int]], Tensor]] = {
    "einsum": _einsum,
    "number": _number,
    "index": _index,
    "size": _size,
    "gather": _gather,
    "scatter": _scatter,
    "relabel": _relabel,
    "expand": _expand,
}
