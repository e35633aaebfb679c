"""Code from its name to a program."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from gradcli.execution.code.program import CodeProgram
from gradcli.execution.code.target import target_of
from gradcli.execution.forward import tree
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.targets.loading import is_function, load_code
from gradcli.execution.targets.parameters import has_setup
from gradcli.inputs.names import check_names
from gradcli.settings import Settings


def loaded(code: Any, settings: Settings, given: Any, *, applies: bool = False) -> CodeProgram:
    """Return code, or what `FILE.py:NAME` names, ready to be run; a Function too, applied, if it `applies` them.

    `given` are inputs from Python: a mapping by name, or a sequence by place. What the code draws while it is built,
    such as a model's parameters, is the same each time, so that a verdict can be had again at any point.
    """
    torch.manual_seed(0)
    random.seed(0)
    with default_dtype(settings):
        found, name = (load_code(code), code) if isinstance(code, str) else (code, name_of(code))
        found = applied(found) if applies and is_function(found) else found
        program = CodeProgram.of(target_of(found, name, settings, given), settings)
    inputs = program.target
    check_names([*inputs.inputs.tensors(), *inputs.free, *program.parameters, *settings.elsewhere], settings)
    return program


def applied(function: Any) -> Callable[..., Any]:
    """Return a Function as a function of what its forward takes."""
    signature = inspect.signature(function.forward)
    parameters = list(signature.parameters.values())[0 if has_setup(function) else 1 :]

    def apply(*arguments: Any) -> Any:
        return function.apply(*arguments)

    apply.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return apply


def where_it_is(code: Any, settings: Settings, given: Any) -> Settings:
    """Return the settings with the device that code from Python is on: its parameters and inputs, where that is one."""
    own = [*code.parameters(), *code.buffers()] if isinstance(code, nn.Module) else []
    devices = {str(tensor.device) for tensor in (*own, *tree.tensors(given)) if not tensor.is_meta}
    return replace(settings, device=devices.pop()) if len(devices) == 1 else settings


def name_of(code: Any) -> str:
    """Return what code from Python is called."""
    return getattr(code, "__qualname__", None) or type(code).__name__
