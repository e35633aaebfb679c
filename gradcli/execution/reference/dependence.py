"""Evaluation that tells a zero that means "does not depend" from a zero that is only a number.

A derivative has structural zeros: a branch that is not taken, a mask, a Kronecker delta, an entry that nothing is
scattered to. There an upstream gradient counts for nothing, even if it is infinite or NaN: such steps select. A factor
whose value happens to be 0 is a number, and infinity times it is NaN, as it is for autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradcli.derivation.tensor_program import Step, TensorProgram
from gradcli.execution.forward.finite import all_finite, has_nan
from gradcli.execution.reference import tensor_eval
from gradcli.execution.reference.tensor_eval import POINTWISE, STRUCTURAL, Perturbation, align, identity

Sizes = Mapping[str, int]
# Steps that leave entries at 0 to which nothing is added.
SPARSE = frozenset({"scatter", "cumsum"})


Supports = Mapping[str, Callable[[], Tensor]]


def evaluate(
    program: TensorProgram, operands: Mapping[str, Tensor], supports: Supports, perturb: Perturbation = identity
) -> tuple[Tensor, bool]:
    """Return the result of a program, in which a structural zero times anything is 0; and if it was finite at once.

    `supports` says where operands are not structural zeros, if they have any. A NaN is what a product would come out as
    otherwise, so that only a result that holds one is looked at again. So is one that is infinite beside a zero with a
    sign: the root's slope at 0 is +inf, whichever 0 it is.
    """
    result = tensor_eval.evaluate(program, operands, perturb)
    if all_finite(result):
        return result, True
    if has_nan(result):
        return _evaluate_selecting(program, operands, supports, perturb), False
    signed = {name: value for name, value in operands.items() if _has_negative_zero(value)}
    unsigned = {name: value + 0.0 for name, value in signed.items()}
    return tensor_eval.evaluate(program, {**operands, **unsigned}, perturb) if signed else result, False


def _has_negative_zero(value: Tensor) -> bool:
    return value.is_floating_point() and bool(((value == 0) & value.signbit()).any())


@dataclass(frozen=True, slots=True)
class _Value:
    """A value, which is 0 where it does not depend on anything."""

    tensor: Tensor
    depends: Tensor | None = None
    """Where it is not a structural zero, as truth values; None for everywhere."""
    fixed: bool = False
    """Whether it consists only of positions, lengths and numbers of the definition."""

    @property
    def support(self) -> Tensor:
        """Return `depends` as truth values of the tensor's shape."""
        return torch.ones_like(self.tensor, dtype=torch.bool) if self.depends is None else self.depends


def _evaluate_selecting(
    program: TensorProgram, operands: Mapping[str, Tensor], supports: Supports, perturb: Perturbation
) -> Tensor:
    sizes = {label: operands[name].shape[axis] for label, name, axis in program.sizes}
    values: list[_Value | None] = [
        _Value(operands[name], supports[name]() if name in supports else None) if name in operands else None
        for name in program.operands
    ]
    for step in program.steps:
        inputs = [value for value in (values[i] for i in step.inputs) if value is not None]
        made = _run(step, inputs, sizes)
        made = _coefficient(step, made) if all(value.fixed for value in inputs) else made
        values.append(_selected(made, perturb))
    result = values[program.result]
    assert result is not None  # noqa: S101 (a program reads only what it is given)
    return result.tensor


def _coefficient(step: Step, value: _Value) -> _Value:
    """Return a coefficient of the definition, whose zeros are structural, unless it is a position itself."""
    if step.function in {"index", "size"}:
        return replace(value, fixed=True)
    return _Value(value.tensor, value.tensor != 0, fixed=True)


def _selected(value: _Value, perturb: Perturbation) -> _Value:
    """Return a value with its structural zeros at 0; a truth value that is false is one."""
    tensor = perturb(value.tensor)
    if tensor.dtype == torch.bool:
        return replace(value, tensor=tensor, depends=tensor)
    return replace(value, tensor=tensor if value.depends is None else tensor.masked_fill(~value.depends, 0))


def _run(step: Step, inputs: list[_Value], sizes: Sizes) -> _Value:
    if step.function == "einsum":
        return _einsum(step, inputs, sizes)
    tensors = [value.tensor for value in inputs]
    if step.function in STRUCTURAL:
        return _Value(STRUCTURAL[step.function](step, tensors, sizes), _moved(step, inputs, sizes))
    aligned = [align(tensor, labels, step.out) for tensor, labels in zip(tensors, step.labels, strict=True)]
    result = POINTWISE[step.function](*aligned)
    rule = DEPENDS.get(step.function)
    if rule is None or all(value.depends is None for value in inputs):
        return _Value(result)
    supports = [align(value.support, labels, step.out) for value, labels in zip(inputs, step.labels, strict=True)]
    return _Value(result, rule(aligned, supports).broadcast_to(result.shape))


def _moved(step: Step, inputs: list[_Value], sizes: Sizes) -> Tensor | None:
    """Return where the result of a step that moves its first input depends on something."""
    if step.function == "number":
        return torch.tensor(step.number != 0)
    if not inputs or (inputs[0].depends is None and step.function not in SPARSE):
        return None
    support = [inputs[0].support.to(torch.float64), *(value.tensor for value in inputs[1:])]
    return STRUCTURAL[step.function](step, support, sizes) != 0


def _product(_: Sequence[Tensor], supports: Sequence[Tensor]) -> Tensor:
    return supports[0] & supports[1]


def _sum(_: Sequence[Tensor], supports: Sequence[Tensor]) -> Tensor:
    return supports[0] | supports[1]


def _first(_: Sequence[Tensor], supports: Sequence[Tensor]) -> Tensor:
    return supports[0]


def _choice(tensors: Sequence[Tensor], supports: Sequence[Tensor]) -> Tensor:
    return torch.where(tensors[0], supports[1], supports[2])


# Where the result of a pointwise step depends on something, of its inputs and of where these do.
DEPENDS: Mapping[str, Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]] = {
    "mul": _product,
    "div": _first,
    "neg": _first,
    "add": _sum,
    "sub": _sum,
    "where": _choice,
}


def _einsum(step: Step, inputs: list[_Value], sizes: Sizes) -> _Value:
    tensors = [value.tensor for value in inputs]
    if all(value.depends is None for value in inputs):
        return _Value(STRUCTURAL["einsum"](step, tensors, sizes))
    supports = [value.support for value in inputs]
    depends = _count(step, supports, sizes) != 0
    if all(map(all_finite, tensors)):
        return _Value(STRUCTURAL["einsum"](step, tensors, sizes), depends)
    return _Value(_contracted(step, tensors, supports, sizes), depends)


def _contracted(step: Step, tensors: Sequence[Tensor], supports: Sequence[Tensor], sizes: Sizes) -> Tensor:
    """Return a contraction whose terms are infinite or NaN only where every factor depends on something.

    How many terms are which is counted by contractions of truth values, so that no term is ever written out.
    """
    usual = [s & ~t.isnan() for s, t in zip(supports, tensors, strict=True)]
    finite = [u & ~t.isinf() for u, t in zip(usual, tensors, strict=True)]
    nonzero = [u & (t != 0) for u, t in zip(usual, tensors, strict=True)]
    regular = [f & n for f, n in zip(finite, nonzero, strict=True)]
    all_terms, usual_terms, finite_terms, nonzero_terms, regular_terms = (
        _count(step, masks, sizes) for masks in (supports, usual, finite, nonzero, regular)
    )
    infinite = nonzero_terms - regular_terms
    signed = _count(step, [t.sgn() * n for t, n in zip(_known(tensors), nonzero, strict=True)], sizes)
    signed = signed - _count(step, [t.sgn() * r for t, r in zip(_known(tensors), regular, strict=True)], sizes)
    above, below = infinite + signed > 0, infinite - signed > 0
    zero_times_infinity = usual_terms - finite_terms - infinite > 0
    undefined = (all_terms > usual_terms) | zero_times_infinity | (above & below)
    total = _count(step, [t.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0) for t in map(_numbers, tensors)], sizes)
    return total.masked_fill(above, torch.inf).masked_fill(below, -torch.inf).masked_fill(undefined, torch.nan)


def _known(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [_numbers(tensor).nan_to_num(nan=0.0) for tensor in tensors]


def _numbers(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float64)


def _count(step: Step, factors: Sequence[Tensor], sizes: Sizes) -> Tensor:
    return STRUCTURAL["einsum"](step, [_numbers(factor) for factor in factors], sizes)
