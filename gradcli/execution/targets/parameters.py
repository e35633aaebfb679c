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
from gradcli.execution.targets.uses import Use, uses_of
from gradcli.phrases import did_you_mean

# An annotation that names one of these, and no tensor, is that of an argument which is none.
PLAIN = re.compile(r"\b(int|float|bool|str|complex|tuple|list|dict|Tuple|List|Sequence|Callable|Literal|dtype|Size)\b")
# Annotations that say nothing, as none does.
UNTELLING = (inspect.Parameter.empty, Any, "Any", "typing.Any", object, "object")
# Types of arguments that text can only be by mistake: any text is true.
NEVER_TEXT = {"bool": "True or False", "int": "a number", "float": "a number"}


@dataclass(frozen=True, slots=True)
class ForwardParameter:
    """One argument of forward, `ctx` not counted."""

    name: str
    is_tensor: bool
    required: bool
    default: Any = None
    never_text: str | None = None
    """What it is by its annotation or default, if that is a number, or True or False; text is neither."""
    untold: bool = False
    """Whether neither annotation, default nor a use in forward says what it is: it is taken for a tensor."""
    use: Use | None = None
    """What says that it is not a tensor, where neither annotation nor default does."""


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
    uses = uses_of(function.forward)
    return tuple(_parameter(parameter, uses.get(parameter.name)) for parameter in found)


def _parameter(parameter: inspect.Parameter, use: Use | None) -> ForwardParameter:
    if parameter.default is inspect.Parameter.empty and parameter.annotation in UNTELLING:
        return ForwardParameter(parameter.name, use is None, required=True, untold=use is None, use=use)
    required = parameter.default is inspect.Parameter.empty
    default = None if required else parameter.default
    is_tensor, kind = _is_tensor(parameter.annotation, default), _kind(parameter.annotation, default)
    return ForwardParameter(parameter.name, is_tensor, required, default, NEVER_TEXT.get(kind))


def _kind(annotation: Any, default: Any) -> str:
    """Return the name of the type that the annotation is, or the default's without one."""
    kind = type(default) if annotation is inspect.Parameter.empty else annotation
    return kind if isinstance(kind, str) else getattr(kind, "__name__", "")


def _is_tensor(annotation: Any, default: Any) -> bool:
    if default is not None and not isinstance(default, Tensor):
        return False
    if annotation is inspect.Parameter.empty:
        return True
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") + repr(annotation)
    return "Tensor" in text or PLAIN.search(text) is None


def checked_arguments(parameters: tuple[ForwardParameter, ...], arguments: Mapping[str, Any]) -> None:
    """Refuse an `--argument` that forward does not take, and text for one that is a number, or True or False."""
    never_text = {parameter.name: parameter.never_text for parameter in parameters}
    for name, value in arguments.items():
        if name not in never_text:
            hint = did_you_mean(name, never_text, f"forward takes {', '.join(never_text)}")
            raise InputError(f"forward takes no '{name}'", option="--argument", hint=hint)
        if never_text[name] and isinstance(value, str):
            raise InputError(f"'{name}' is {never_text[name]}, and '{value}' is text", option="--argument")
