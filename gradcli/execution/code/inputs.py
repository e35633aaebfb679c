"""What code is called with: nested values by the names of its parameters, and the tensors in them as leaves by path."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import InputError
from gradcli.execution.forward.kinds import is_sparse
from gradcli.execution.targets.parameters import PLAIN, UNTELLING
from gradcli.phrases import did_you_mean

KINDS = inspect.Parameter


@dataclass(frozen=True, slots=True)
class Inputs:
    """The arguments of one call; tensors in them are leaves, or constants if they hold no floating-point numbers."""

    positional: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    """Those of the positional arguments."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors by name, or by path: `hx[0]`; not those that are constants because they are sparse."""
        return {path: tensor for path, tensor in self._paths() if not _is_fixed(tensor)}

    def fixed(self) -> dict[str, Tensor]:
        """Return the sparse tensors that require no grad, such as a graph's adjacency matrix, likewise."""
        return {path: tensor for path, tensor in self._paths() if _is_fixed(tensor)}

    def _paths(self) -> Iterator[tuple[str, Tensor]]:
        for name, value in (*zip(self.names, self.positional, strict=True), *self.keywords.items()):
            yield from _tensors(value, name)

    def read(self, parameters: Sequence[inspect.Parameter]) -> Inputs:
        """Return the same arguments with nested lists of numbers as the tensors that the code takes."""
        known = {parameter.name: parameter for parameter in parameters}

        def of(name: str, value: Any) -> Any:
            return read(known[name], value) if name in known else value

        positional = tuple(map(of, self.names, self.positional))
        return replace(self, positional=positional, keywords={name: of(name, v) for name, v in self.keywords.items()})

    def holding(self, tensors: Mapping[str, Tensor]) -> Inputs:
        """Return the same arguments with other tensors in them."""
        positional = tuple(
            _holding(value, name, tensors) for name, value in zip(self.names, self.positional, strict=True)
        )
        keywords = {name: _holding(value, name, tensors) for name, value in self.keywords.items()}
        return replace(self, positional=positional, keywords=keywords)


def _is_fixed(tensor: Tensor) -> bool:
    return is_sparse(tensor) and not tensor.requires_grad


def _tensors(value: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _tensors(item, _below(path, key))
    elif isinstance(value, tuple | list):
        for place, item in enumerate(value):
            yield from _tensors(item, f"{path}[{place}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for name, item in _fields(value).items():
            yield from _tensors(item, _below(path, name))


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value) if hasattr(value, field.name)}


def _below(path: str, key: Any) -> str:
    """Return the path of what a mapping holds by a key."""
    return f"{path}.{key}" if isinstance(key, str) else f"{path}[{key!r}]"


def _holding(value: Any, path: str, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return tensors.get(path, value)
    if isinstance(value, Mapping):
        mapped = {key: _holding(item, _below(path, key), tensors) for key, item in value.items()}
        return mapped if type(value) is dict else type(value)(mapped)  # type: ignore[call-arg]
    if isinstance(value, tuple | list):
        items = [_holding(item, f"{path}[{place}]", tensors) for place, item in enumerate(value)]
        if isinstance(value, list):
            return items
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if is_dataclass(value) and not isinstance(value, type):
        return _dataclass_holding(value, path, tensors)
    return value


def _dataclass_holding(value: Any, path: str, tensors: Mapping[str, Tensor]) -> Any:
    """Return a copy of a dataclass with other tensors in it; it may be frozen, and take no field when it is made."""
    made = copy.copy(value)
    for name, item in _fields(value).items():
        object.__setattr__(made, name, _holding(item, _below(path, name), tensors))
    return made


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return what code is called with."""
    signature = signature_of(function)
    return [] if signature is None else list(signature.parameters.values())


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """Return how code is called; None where Python does not know."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def is_tensor(parameter: inspect.Parameter) -> bool:
    """Return whether a parameter takes a tensor, by its annotation and its default."""
    if parameter.kind in {KINDS.VAR_POSITIONAL, KINDS.VAR_KEYWORD}:
        return False
    if parameter.default is not KINDS.empty:
        return isinstance(parameter.default, Tensor)
    if parameter.annotation in UNTELLING:
        return True
    text = _annotation(parameter)
    return "Tensor" in text or PLAIN.search(text) is None


def _annotation(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") + repr(annotation)


def read(parameter: inspect.Parameter, value: Any) -> Any:
    """Return what a parameter is given: a nested list of numbers as the tensor that it takes.

    Where nothing says that it takes one, a list of integers may be sizes, and a number alone no tensor.
    """
    numbers, text = list(_numbers(value)), _annotation(parameter)
    says_tensor = "Tensor" in text and PLAIN.search(text) is None
    is_list = isinstance(value, tuple | list) and is_tensor(parameter) and float in map(type, numbers)
    if None in numbers or not numbers or not (says_tensor or is_list):
        return value
    try:
        return torch.tensor(value, dtype=torch.float64 if float in map(type, numbers) else None)
    except (ValueError, OverflowError):  # rows of several lengths, or an integer beyond PyTorch's
        return value


def _numbers(value: Any) -> Iterator[float | None]:
    """Yield the numbers in nested lists, and None for all else."""
    if isinstance(value, tuple | list):
        for item in value:
            yield from _numbers(item)
    else:
        yield value if isinstance(value, int | float) else None


def bound(parameters: Sequence[inspect.Parameter], given: Any) -> Inputs:
    """Return the call for what Python gives: a mapping by name, or a sequence; InputError if it does not fit."""
    if isinstance(given, Mapping):
        return _by_name(parameters, dict(given))
    values = tuple(given) if isinstance(given, tuple | list) else (given,)
    names = [
        parameter.name for parameter in parameters if parameter.kind not in {KINDS.VAR_KEYWORD, KINDS.KEYWORD_ONLY}
    ]
    variadic = any(parameter.kind is KINDS.VAR_POSITIONAL for parameter in parameters)
    if len(values) > len(names) and not variadic:
        raise InputError(f"the code takes {len(names)} arguments, and {len(values)} are given")
    shown = [
        names[place] if place < len(names) - variadic else f"{names[-1]}[{place - len(names) + 1}]"
        for place in range(len(values))
    ]
    return Inputs(values, {}, tuple(shown))


def _by_name(parameters: Sequence[inspect.Parameter], given: dict[str, Any]) -> Inputs:
    known = {parameter.name: parameter for parameter in parameters}
    open_ended = any(parameter.kind is KINDS.VAR_KEYWORD for parameter in parameters)
    for name in given:
        if name not in known and not open_ended:
            hint = did_you_mean(name, known, f"it takes {', '.join(known)}")
            raise InputError(f"the code takes no '{name}'", hint=hint)
    only = [name for name, parameter in known.items() if parameter.kind is KINDS.POSITIONAL_ONLY and name in given]
    positional = tuple(given[name] for name in only)
    return Inputs(positional, {name: value for name, value in given.items() if name not in only}, tuple(only))
