"""The tensors of a program's leaves, from shapes, values, files and the way to fill the rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import InputError, LimitError, first_line
from gradcli.execution.forward.dtypes import COMPLEX, DTYPES
from gradcli.execution.forward.memory import ENTRY, check_bytes
from gradcli.execution.forward.value_files import read_values
from gradcli.inputs.names import near_leaf
from gradcli.phrases import show_shape
from gradcli.settings import Settings


def make_leaves(names: Sequence[str], settings: Settings, given: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return a tensor for every leaf, in order; `given` are values from Python, which need no file or option.

    Raises InputError for a value that contradicts a shape, or a file that cannot be read.
    """
    _check_device(settings.device)
    from_file = read_values(settings.values_file)
    _check_names(from_file, names, settings)
    values = {**from_file, **settings.values, **given}
    _check_sizes([name for name in names if name not in values], settings)
    generator = torch.Generator().manual_seed(settings.seed)
    primes = first_primes(len(names) + 1)
    whole = _shape_of_numbers(names, values, settings)
    leaves = {}
    for position, name in enumerate(names):
        if name in values:
            tensor = _valued(name, values[name], settings, whole)
        else:
            shape = _shape_of(name, settings)
            tensor = _filled(shape, primes[position : position + 2], generator, settings)
        leaves[name] = finished(name, tensor, settings)
    return leaves


def _check_names(values: Mapping[str, Any], names: Sequence[str], settings: Settings) -> None:
    """Refuse a file that names what is no leaf: a misspelt value would be dropped, and another point checked."""
    unknown = next((name for name in values if name not in names and name not in settings.elsewhere), None)
    if unknown is not None:
        file = settings.values_file.name if settings.values_file is not None else ""
        raise InputError(f"{file}: '{unknown}' is not a leaf of the program", hint=near_leaf(unknown, names))


def _shape_of(name: str, settings: Settings) -> Sequence[int]:
    """Return the shape of a leaf that is given no value."""
    return settings.shapes.get(name, settings.shapes.get(None, ()))


def _check_sizes(names: Sequence[str], settings: Settings) -> None:
    """Refuse leaves that are to be filled if all of them are too large together."""
    entries = sum(math.prod(_shape_of(name, settings)) for name in names)
    check_bytes(entries * ENTRY, "what the leaves hold", settings.limits)


def _check_device(name: str) -> None:
    """Refuse a device that this PyTorch does not have, or that holds no numbers."""
    if name == "cpu":
        return
    try:
        torch.zeros((), device=name).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"'{name}' cannot be used; PyTorch says: {reason}", option="--device") from None


def _filled(shape: Sequence[int], primes: Sequence[int], generator: torch.Generator, settings: Settings) -> Tensor:
    """Return a leaf that is given no value; a complex one is filled twice, with the next prime in the second place."""
    init = settings.init or "primes"
    real = FILLS[init](shape, primes[0], generator)
    if not DTYPES[settings.dtype].is_complex or init in REAL_FILLS:
        return real
    return torch.complex(real, FILLS[init](shape, primes[1], generator))


def finished(name: str, tensor: Tensor, settings: Settings) -> Tensor:
    """Return a leaf in the dtype asked for; integers and booleans keep theirs and are constants.

    A complex value beside a real dtype makes only that leaf complex, of the same precision.
    """
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor.to(settings.device)
    dtype = DTYPES[settings.dtype]
    dtype = COMPLEX.get(dtype, dtype) if tensor.is_complex() else dtype
    leaf = tensor.detach().to(dtype=dtype, device=settings.device, copy=True)
    return leaf.requires_grad_(name not in settings.constants)


def _shape_of_numbers(names: Sequence[str], values: Mapping[str, Any], settings: Settings) -> tuple[int, ...] | None:
    """Return the shape that a number fills without one of its own: none, unless all leaves are given numbers.

    A number beside tensors is a scalar, such as a temperature, whatever shape `--shape` gives to the tensors.
    """
    numbers = all(name in settings.shapes or isinstance(values.get(name), int | float | complex) for name in names)
    return settings.shapes.get(None) if numbers else None


def _valued(name: str, value: Any, settings: Settings, whole: tuple[int, ...] | None) -> Tensor:
    tensor = _dense(name, value) if isinstance(value, Tensor) else _from_python(name, value, settings)
    shape = settings.shapes.get(name, None if tensor.ndim else whole)
    _check_value(name, tensor.shape, settings)
    if shape is None or tuple(tensor.shape) == shape:
        return tensor
    if tensor.ndim:
        wanted, found = show_shape(shape), show_shape(tuple(tensor.shape))
        raise InputError(f"'{name}' is given the shape {wanted} and a value of shape {found}")
    return tensor.expand(shape)


def _check_value(name: str, shape: Sequence[int], settings: Settings) -> None:
    """Refuse a value that is too large: one that is expanded takes its memory only when it is copied."""
    try:
        settings.limits.check_shape(shape)
    except LimitError as error:
        raise LimitError(f"the value of '{name}': {error.text}", hint=error.hint) from None


def _dense(name: str, tensor: Tensor) -> Tensor:
    """Return a tensor without its history; InputError for one without numbers, or that does not hold all of them."""
    if tensor.is_meta or tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
        words = {"quantized": tensor.is_quantized, "on the meta device": tensor.is_meta, "nested": tensor.is_nested}
        kind = next((word for word, is_so in words.items() if is_so), f"{tensor.layout}")
        raise InputError(f"the value of '{name}' is a tensor that is {kind}", hint="give a dense one: `.to_dense()`")
    return tensor.detach()


def _from_python(name: str, value: Any, settings: Settings) -> Tensor:
    """Return numbers and nested lists as a tensor: double precision, unless truth values or integer constants."""
    try:
        tensor = torch.as_tensor(value if hasattr(value, "__array__") else _listed(value))
    except (TypeError, ValueError, RuntimeError) as error:
        tensor = _as_doubles(name, value, error)
    if tensor.dtype == torch.bool or tensor.is_complex() or hasattr(value, "__array__"):
        return tensor
    if not tensor.is_floating_point() and name in settings.constants:
        return tensor
    return torch.tensor(_listed(value), dtype=torch.float64)


def _as_doubles(name: str, value: Any, error: BaseException) -> Tensor:
    """Return numbers that PyTorch does not take as they are, such as integers of more than 64 bits; else InputError."""
    try:
        return torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise InputError(f"the value of '{name}' is not a tensor: {first_line(error)}") from None


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") and not isinstance(value, Tensor) else value


# Up to so many random entries are drawn again, so often, where two are equal.
MOST_DISTINCT = 24
REDRAWS = 16


@cache
def first_primes(count: int) -> Sequence[int]:
    """Return the first primes: 2, 3, 5 and so on."""
    primes: list[int] = []
    candidate = 2
    while len(primes) < count:
        if all(candidate % prime for prime in primes):
            primes.append(candidate)
        candidate += 1
    return tuple(primes)


def _full(shape: Sequence[int], prime: int, _: torch.Generator) -> Tensor:
    return torch.full(shape, float(prime), dtype=torch.float64)


def _ones(shape: Sequence[int], _: int, __: torch.Generator) -> Tensor:
    return torch.ones(shape, dtype=torch.float64)


def _arange(shape: Sequence[int], _: int, __: torch.Generator) -> Tensor:
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)


def _randn(shape: Sequence[int], _: int, generator: torch.Generator) -> Tensor:
    return _apart(lambda: torch.randn(shape, generator=generator, dtype=torch.float64), 64)


def _uniform(shape: Sequence[int], _: int, generator: torch.Generator) -> Tensor:
    return _apart(lambda: torch.rand(shape, generator=generator, dtype=torch.float64), 128)


def _apart(draw: Callable[[], Tensor], parts: int) -> Tensor:
    """Return random numbers as odd multiples of 1/parts, so that none is 0, nor an integer; few ones all differ.

    Zeros, integers and ties are where ops have kinks. These multiples are exact in every dtype but bfloat16 beyond 4,
    so that all dtypes see the same point.
    """

    def drawn() -> Tensor:
        return ((draw() * parts / 2).floor() * 2 + 1) / parts

    entries = drawn()
    for _ in range(REDRAWS if entries.numel() <= MOST_DISTINCT else 0):
        _, which, counts = entries.unique(return_inverse=True, return_counts=True)
        entries = torch.where(counts[which] > 1, drawn(), entries)
    return entries


# What PyTorch fills with real numbers in a complex dtype too.
REAL_FILLS = frozenset({"ones", "arange"})
FILLS: Mapping[str, Callable[[Sequence[int], int, torch.Generator], Tensor]] = {
    "primes": _full,
    "ones": _ones,
    "arange": _arange,
    "randn": _randn,
    "uniform": _uniform,
}
