"""Commands that take their shared options as dataclasses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import wraps
from typing import Any, get_type_hints


def spread(command: Callable[..., int]) -> Callable[..., int]:
    """Replace each parameter of `command` whose type is a dataclass by that dataclass's fields, for typer to see.

    So that thirty shared options are declared once and a command takes them as one value.
    """
    bundles: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if hasattr(parameter.annotation, "__dataclass_fields__"):
            bundles[parameter.name] = parameter.annotation
            parameters += _parameters_of(parameter.annotation)
        else:
            parameters.append(parameter)

    @wraps(command)
    def gathered(**arguments: Any) -> int:
        for name, bundle in bundles.items():
            arguments[name] = bundle(**{field.name: arguments.pop(field.name) for field in fields(bundle)})
        return command(**arguments)

    keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    gathered.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
    gathered.__annotations__ = {}
    return gathered


def _parameters_of(bundle: type) -> list[inspect.Parameter]:
    hints = get_type_hints(bundle, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(bundle)
    ]
