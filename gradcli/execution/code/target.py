"""What a name of the user's code means: a function, a module, or a case that gives one of these with its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradcli.errors import ExecutionError, InputError
from gradcli.execution.code.inputs import Inputs, bound, is_tensor, parameters_of, signature_of
from gradcli.execution.code.lazy import copied
from gradcli.execution.forward.dtypes import DTYPES, converted
from gradcli.execution.targets.function.subject import refusals
from gradcli.settings import Settings

NEITHER = "a function, an nn.Module or a class of one"


@dataclass(frozen=True, slots=True)
class Target:
    """Code that can be called, and what it is called with as far as it says so itself."""

    name: str
    call: Callable[..., Any]
    module: nn.Module | None
    inputs: Inputs
    free: tuple[str, ...]
    """Parameters that take tensors, and have none yet."""
    signature: inspect.Signature | None = None
    """What it is called with; None where that is not known."""

    def arguments(self, tensors: Mapping[str, Tensor]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Return the arguments of a call with these tensors: by place as far as they can be, which hooks look at."""
        inputs = self.inputs.holding(tensors)
        keywords = {**inputs.keywords, **{name: tensors[name] for name in self.free}}
        if self.signature is None:
            return inputs.positional, keywords
        try:
            given = self.signature.bind(*inputs.positional, **keywords)
        except TypeError:  # the call itself says what is missing
            return inputs.positional, keywords
        return given.args, given.kwargs


def target_of(found: Any, name: str, settings: Settings, given: Mapping[str, Any] | Any) -> Target:
    """Return what some code is, ready to be called; `given` are inputs from Python.

    Raises InputError if it is nothing that can be called, or an argument does not fit; ExecutionError if it raises.
    """
    _refuse_script(found, name)
    if inspect.isclass(found):
        found, used = _built(found, name, settings)
    else:
        used = set[str]()
    if isinstance(found, nn.Module):
        return _target(name, _own(found, settings), settings, given, used)
    if not callable(found):
        raise InputError(f"'{name}' is {type(found).__name__}, and not code", hint=f"name {NEITHER}")
    if signature_of(found) is None:
        hint = f"write a function around it, such as `def f(x): return {getattr(found, '__name__', 'code')}(x)`"
        raise InputError(f"Python does not know which arguments '{name}' takes", hint=hint)
    if not parameters_of(found):
        return _case(found, name, settings, given)
    return _target(name, found, settings, given, used)


def _refuse_script(code: Any, name: str) -> None:
    if isinstance(code, torch.jit.ScriptModule | torch.jit.ScriptFunction):
        hint = "check the module or function that it was made of; with `--under compile`, compiled too"
        raise InputError(f"'{name}' is TorchScript, whose calls PyTorch shows nobody", hint=hint)


def _built(kind: type, name: str, settings: Settings) -> tuple[nn.Module, set[str]]:
    """Return a module of a class, and which `--argument`s its constructor took."""
    if issubclass(kind, torch.autograd.Function):
        raise InputError(
            f"'{name}' is a torch.autograd.Function",
            hint=f"`gradcli custom {name}` checks it, and in Python `gradcli.check_function`",
        )
    if not issubclass(kind, nn.Module):
        raise InputError(f"'{name}' is a class, and no nn.Module", hint=f"name {NEITHER}")
    takes = parameters_of(kind.__init__)[1:]
    names = {parameter.name for parameter in takes}
    open_ended = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in takes)
    forward = {parameter.name for parameter in parameters_of(kind.forward)}
    chosen = {k: v for k, v in settings.arguments.items() if k in names or (open_ended and k not in forward)}
    missing = [
        parameter.name
        for parameter in takes
        if parameter.default is inspect.Parameter.empty
        and parameter.kind not in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
        and parameter.name not in chosen
    ]
    if missing:
        raise InputError(f"'{name}' needs {' and '.join(map(repr, missing))}", hint=f"`--argument {missing[0]}=...`")
    with refusals(f"building {name}"):
        return kind(**chosen), set(chosen)


def _own(module: nn.Module, settings: Settings) -> nn.Module:
    """Return a module to work on, in the dtype of the check; a copy, unless it cannot be copied."""
    with suppress(RuntimeError):  # a parameter that is computed, as by the older weight_norm, cannot be copied
        module = copied(module)
    if settings.mode is not None:
        module.train(settings.mode == "train")
    dtype = DTYPES[settings.dtype]
    if dtype.is_complex:
        return module
    return module._apply(lambda tensor: converted(tensor, settings.device, dtype))  # noqa: SLF001 (`to` makes complex tensors real)


def _case(function: Callable[..., Any], name: str, settings: Settings, given: Any) -> Target:
    """Return what a function without parameters returns: code, and its inputs."""
    if given:
        raise InputError(f"'{name}' takes no inputs: it gives them itself", hint=f"{name}() returns (code, inputs)")
    with refusals(name):
        returned = function()
    if not isinstance(returned, tuple) or len(returned) != 2 or not callable(returned[0]):  # noqa: PLR2004 (a pair)
        hint = "return (function or module, inputs); a function to check takes its tensors as parameters"
        raise InputError(f"'{name}' takes no parameters, and returns no code with its inputs", hint=hint)
    code, inputs = returned
    _refuse_script(code, name)
    code = _own(code, settings) if isinstance(code, nn.Module) else code
    return _target(name, code, settings, inputs, set())


def _target(name: str, code: Any, settings: Settings, given: Any, used: set[str]) -> Target:
    module = code if isinstance(code, nn.Module) else None
    signature = signature_of(code.forward if module is not None else code)
    parameters = [] if signature is None else list(signature.parameters.values())
    inputs = bound(parameters, {} if given is None else given).read(parameters)
    fixed = {
        path: converted(tensor, settings.device, DTYPES[settings.dtype]) for path, tensor in inputs.fixed().items()
    }
    inputs = inputs.holding(fixed) if fixed else inputs
    arguments = {key: value for key, value in settings.arguments.items() if key not in used}
    plain = bound(parameters, arguments).keywords
    taken = {*inputs.names, *inputs.keywords, *plain}
    free = tuple(p.name for p in parameters if p.name not in taken and (is_tensor(p) or _is_valued(p.name, settings)))
    own = Inputs(inputs.positional, {**inputs.keywords, **plain}, inputs.names)
    return Target(name, code, module, own, free, signature)


def _is_valued(name: str, settings: Settings) -> bool:
    return name in settings.values or name in settings.shapes


def unable(name: str) -> ExecutionError:
    """Return the error that code gives nothing to differentiate with respect to."""
    hint = "give it a floating-point tensor, or a parameter that requires grad"
    return ExecutionError(f"'{name}' has nothing to differentiate with respect to", hint=hint)
