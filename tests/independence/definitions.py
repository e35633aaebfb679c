# ruff: noqa: A001, A002, N803 (parameters are called as in PyTorch)
"""Ops by their textbook definitions, entry by entry, on arrays of scalars."""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import sympy
from dual import Dual, elementary

Array = np.ndarray
PI, SQRT2 = sympy.pi, sympy.sqrt(2)


def entrywise(function: Callable[..., Any]) -> Callable[..., Array]:
    """Return a function of numbers as one of arrays that broadcast."""

    def broadcast(*arrays: Any, **constants: Any) -> Array:
        arrays = np.broadcast_arrays(*(np.asarray(array, dtype=object) for array in arrays))
        entries = [function(*numbers, **constants) for numbers in zip(*(array.flat for array in arrays), strict=True)]
        out = np.empty(len(entries), dtype=object)
        out[:] = entries
        return out.reshape(arrays[0].shape)

    return broadcast


def smooth(formula: Callable[..., Any]) -> Callable[..., Array]:
    return entrywise(elementary(formula))


def choose(test: Any, then: Any, otherwise: Any) -> Any:
    return then if test else otherwise


exp, log, sqrt, tanh = (smooth(f) for f in (sympy.exp, sympy.log, sympy.sqrt, sympy.tanh))
sigmoid = smooth(lambda x: 1 / (1 + sympy.exp(-x)))
logsigmoid = smooth(lambda x: -sympy.log(1 + sympy.exp(-x)))
where = entrywise(choose)
absolute = entrywise(abs)
_smooth_gelu = smooth(lambda x: x * (1 + sympy.erf(x / SQRT2)) / 2)
_tanh_gelu = smooth(lambda x: x * (1 + sympy.tanh(sympy.sqrt(2 / PI) * (x + sympy.Rational(44715, 10**6) * x**3))) / 2)
exponential_minus_one = elementary(lambda x: sympy.exp(x) - 1)
SELU = (1.0507009873554805, 1.6732632423543772)


def gelu(input: Array, approximate: str = "none") -> Array:
    return _tanh_gelu(input) if approximate == "tanh" else _smooth_gelu(input)


def axes(dim: Any, rank: int) -> tuple[int, ...]:
    if isinstance(dim, bool):
        raise TypeError(dim)  # another of PyTorch's signatures: std(input, unbiased)
    dims = range(rank) if dim is None or dim == () else dim if isinstance(dim, tuple | list) else (dim,)
    return tuple(axis % rank for axis in dims)


def fold(array: Array, dim: Any, keepdim: bool, function: Callable[[list[Any]], Any]) -> Array:
    """Return a reduction: a function of the list of entries along the axes `dim`."""
    array = np.asarray(array, dtype=object)
    along = axes(dim, array.ndim)
    kept = [size for axis, size in enumerate(array.shape) if axis not in along]
    rows = np.moveaxis(array, along, range(array.ndim - len(along), array.ndim)).reshape([math.prod(kept), -1])
    out = np.empty(len(rows), dtype=object)
    out[:] = [function(list(row)) for row in rows]
    full = [1 if axis in along else size for axis, size in enumerate(array.shape)]
    return out.reshape(full if keepdim else kept)


def sum_(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    return fold(input, dim, keepdim, lambda entries: reduce(lambda a, b: a + b, entries))


def mean(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    return fold(input, dim, keepdim, lambda entries: reduce(lambda a, b: a + b, entries) / len(entries))


def prod(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    return fold(input, dim, keepdim, lambda entries: reduce(lambda a, b: a * b, entries))


def amax(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    return fold(input, dim, keepdim, max)


def amin(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    return fold(input, dim, keepdim, min)


def var(input: Array, dim: Any = None, *, correction: int = 1, keepdim: bool = False) -> Array:
    def spread(entries: list[Any]) -> Any:
        middle = sum(entries) / len(entries)
        return sum((entry - middle) ** 2 for entry in entries) / (len(entries) - correction)

    return fold(input, dim, keepdim, spread)


def std(input: Array, dim: Any = None, *, correction: int = 1, keepdim: bool = False) -> Array:
    return sqrt(var(input, dim, correction=correction, keepdim=keepdim))


def logsumexp(input: Array, dim: Any, keepdim: bool = False) -> Array:
    return log(sum_(exp(input), dim, keepdim))


def softmax(input: Array, dim: int) -> Array:
    return exp(input) / sum_(exp(input), dim, keepdim=True)


def log_softmax(input: Array, dim: int) -> Array:
    return log(softmax(input, dim))


def vector_norm(x: Array, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Array:
    if ord <= 0:
        raise NotImplementedError(ord)
    if ord == math.inf:
        return amax(absolute(x), dim, keepdim)
    if ord == 1:
        return sum_(absolute(x), dim, keepdim)
    return sum_(absolute(x) ** ord, dim, keepdim) ** (1 / ord)


def norm(input: Array, p: Any = "fro", dim: Any = None, keepdim: bool = False) -> Array:
    return vector_norm(input, 2 if p == "fro" else p, dim, keepdim)


def cumsum(input: Array, dim: int) -> Array:
    return np.cumsum(input, axis=dim, dtype=object)


def einsum(equation: str, *operands: Array) -> Array:
    """Sum the product over all values of the letters that the output lacks."""
    terms, out = equation.replace(" ", "").split("->")
    inputs = [spelled(term, array.ndim) for term, array in zip(terms.split(","), operands, strict=True)]
    dots = max(
        (len(term) - len(given.replace("...", "")) for term, given in zip(inputs, terms.split(","), strict=True))
    )
    out = out.replace("...", string.ascii_uppercase[26 - dots :])
    sizes: dict[str, int] = {}
    for term, array in zip(inputs, operands, strict=True):
        for letter, size in zip(term, array.shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    result = np.full([sizes[letter] for letter in out], 0, dtype=object)
    for place in itertools.product(*(range(size) for size in sizes.values())):
        at = dict(zip(sizes, place, strict=True))
        picked = [
            array[tuple(_at(at[c], n) for c, n in zip(t, array.shape, strict=True))]
            for t, array in zip(inputs, operands, strict=True)
        ]
        result[tuple(at[letter] for letter in out)] += reduce(lambda a, b: a * b, picked)
    return result


def _at(position: int, size: int) -> int:
    return position if size > 1 else 0


def spelled(term: str, rank: int) -> str:
    count = rank - len(term.replace("...", ""))
    return term.replace("...", string.ascii_uppercase[26 - count :] if count else "")


def matmul(input: Array, other: Array) -> Array:
    return np.asarray(np.matmul(input, other), dtype=object)


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    return input @ weight.T + (0 if bias is None else bias)


def addmm(input: Array, mat1: Array, mat2: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    return beta * input + alpha * (mat1 @ mat2)


def trace(input: Array) -> Array:
    return sum_(np.diagonal(input))


def det(A: Array) -> Array:
    """Leibniz's formula."""
    size = A.shape[-1]
    total: Any = 0
    for permutation in itertools.permutations(range(size)):
        swaps = sum(permutation[i] > permutation[j] for j in range(size) for i in range(j))
        total = total + (-1) ** swaps * reduce(lambda a, b: a * b, [A[..., i, j] for i, j in enumerate(permutation)])
    return np.asarray(total, dtype=object)


def inv(A: Array) -> Array:
    """Cramer's rule: the adjugate divided by the determinant."""
    size = A.shape[-1]
    out = np.empty(A.shape, dtype=object)
    for i, j in itertools.product(range(size), repeat=2):
        minor = np.delete(np.delete(A, j, -2), i, -1)
        out[..., i, j] = (-1) ** (i + j) * det(minor) / det(A)
    return out


def solve(A: Array, B: Array) -> Array:
    return matmul(inv(A), B)


def cholesky(input: Array) -> Array:
    """The Cholesky-Banachiewicz recursion."""
    out = np.full(input.shape, 0, dtype=object)
    for i in range(input.shape[0]):
        for j in range(i + 1):
            rest = input[i, j] - sum((out[i, k] * out[j, k] for k in range(j)), Dual(0))
            out[i, j] = rest**0.5 if i == j else rest / out[j, j]
    return out


def layer_norm(input: Array, normalized_shape: Any, weight: Any = 1, bias: Any = 0, eps: float = 1e-5) -> Array:
    dims = tuple(range(-len(normalized_shape), 0))
    centred = input - mean(input, dims, keepdim=True)
    return centred / sqrt(var(input, dims, correction=0, keepdim=True) + eps) * weight + bias


def normalize(input: Array, p: float = 2.0, dim: int = 1) -> Array:
    return input / vector_norm(input, p, dim, keepdim=True)


def cosine_similarity(x1: Array, x2: Array, dim: int = 1) -> Array:
    return sum_(x1 * x2, dim) / (vector_norm(x1, 2, dim) * vector_norm(x2, 2, dim))


def reduced(loss: Array, reduction: str) -> Array:
    return {"mean": mean, "sum": sum_, "none": lambda array: array}[reduction](loss)


def huber(difference: Any, delta: float) -> Any:
    size = abs(difference)
    return difference * difference / 2 if size < delta else delta * (size - delta / 2)


def mse_loss(input: Array, target: Array, *, reduction: str = "mean") -> Array:
    return reduced((input - target) ** 2, reduction)


def l1_loss(input: Array, target: Array, *, reduction: str = "mean") -> Array:
    return reduced(absolute(input - target), reduction)


def huber_loss(input: Array, target: Array, *, reduction: str = "mean", delta: float = 1.0) -> Array:
    return reduced(entrywise(huber)(input - target, delta=delta), reduction)


def smooth_l1_loss(input: Array, target: Array, *, reduction: str = "mean", beta: float = 1.0) -> Array:
    return reduced(entrywise(huber)(input - target, delta=beta) / beta, reduction)


def binary_cross_entropy(input: Array, target: Array, *, reduction: str = "mean") -> Array:
    return reduced(-(target * log(input) + (1 - target) * log(1 - input)), reduction)


def binary_cross_entropy_with_logits(input: Array, target: Array, *, reduction: str = "mean") -> Array:
    return binary_cross_entropy(sigmoid(input), target, reduction=reduction)


def kl_div(input: Array, target: Array, *, reduction: str = "mean") -> Array:
    loss = target * (log(target) - input)
    return sum_(loss) / input.shape[0] if reduction == "batchmean" else reduced(loss, reduction)


def clamp(input: Array, min: Any = None, max: Any = None) -> Array:
    if min is not None:
        input = where(input < min, min, input)
    return input if max is None else where(input > max, max, input)


def glu(input: Array, dim: int = -1) -> Array:
    left, right = np.split(input, 2, axis=dim)
    return left * sigmoid(right)


def shaped(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape


def expand(input: Array, *sizes: Any) -> Array:
    wanted = shaped(sizes)
    spare = len(wanted) - input.ndim
    return np.broadcast_to(input, [input.shape[n - spare] if size == -1 else size for n, size in enumerate(wanted)])


def roll(input: Array, shifts: int, dims: Any = None) -> Array:
    return np.roll(input, shifts, axis=dims)
