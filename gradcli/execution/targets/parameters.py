"""What a Function's forward takes: tensors, and other arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import InputError, NotSupportedError
from gradcli.inputs.names import suggest

# An annotation that names one of these, and no tensor, is that of an argument which is none.
PLAIN = re.compile(r"\b(int|float|bool|str|complex|tuple|list|dict|Tuple|List|Sequence|Callable|Literal|dtype|Size)\b")


@dataclass(frozen=True, slots=True)
class ForwardParameter:
    """One argument of forward, `ctx` not counted; `optional` is a tensor whose default is None."""

    name: str
    is_tensor: bool
    required: bool
    default: Any = None


def has_setup(function: type[torch.autograd.Function]) -> bool:
    """Return whether a Function is written in the newer style: forward takes no ctx, setup_context does."""
    return function.setup_context is not torch.autograd.Function.setup_context


def parameters_of(function: type[torch.autograd.Function]) -> tuple[ForwardParameter, ...]:
    """Return the parameters of a Function's forward, in order; NotSupportedError for one that takes any number."""
    found = list(inspect.signature(function.forward).parameters.values())
    if not has_setup(function):
        if not found or found[0].kind is inspect.Parameter.VAR_POSITIONAL:
            raise InputError(f"'{function.__name__}.forward' takes no ctx", hint="write forward(ctx, x, ...)")
        found = found[1:]
    for parameter in found:
        if parameter.kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
            raise NotSupportedError(
                f"'{function.__name__}.forward' takes any number of arguments (*{parameter.name})",
                hint="name each argument: an input is checked under its name",
            )
    if not found:
        raise InputError(f"'{function.__name__}.forward' takes no input to differentiate with respect to")
    return tuple(map(_parameter, found))


def _parameter(parameter: inspect.Parameter) -> ForwardParameter:
    required = parameter.default is inspect.Parameter.empty
    default = None if required else parameter.default
    return ForwardParameter(parameter.name, _is_tensor(parameter.annotation, default), required, default)


def _is_tensor(annotation: Any, default: Any) -> bool:
    if default is not None and not isinstance(default, Tensor):
        return False
    if annotation is inspect.Parameter.empty:
        return True
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") + repr(annotation)
    return "Tensor" in text or PLAIN.search(text) is None


def checked_arguments(parameters: tuple[ForwardParameter, ...], arguments: Mapping[str, Any]) -> None:
    """Refuse an `--argument` that forward does not take."""
    names = [parameter.name for parameter in parameters]
    for name in arguments:
        if name not in names:
            near = suggest(name, names)
            hint = f"did you mean '{near}'?" if near else f"forward takes {', '.join(names)}"
            raise InputError(f"--argument: forward takes no '{name}'", hint=hint)
