"""The user's Function, from a file or a module: whatever loading it does becomes a Function or one message."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from gradcli.deadline import TimeIsUpError
from gradcli.errors import (
    ExecutionError,
    GradcliError,
    InputError,
    InterruptionError,
    SeveralFunctionsError,
    first_line,
)
from gradcli.execution.process import state_kept
from gradcli.execution.targets.frames import place, refusal, still_in, syntax_refusal
from gradcli.inputs.near_files import near_files
from gradcli.phrases import did_you_mean

MOST_LISTED = 20
USAGE = "write FILE.py:Class or module:Class"
TARGET = re.compile(r"(?P<file>.+\.py)(?:::?(?P<name>.*))?", re.DOTALL)


def load(target: str) -> type[torch.autograd.Function]:
    """Return the class that `FILE.py:Class` or `module:Class` names; InputError says what is wrong with it."""
    source, name = _split(target)
    module = _file(Path(source)) if source.endswith(".py") else _module(source)
    return _function(module, name, source)


def load_code(target: str) -> Any:
    """Return what `FILE.py:NAME` or `module:NAME` names, whatever it is; InputError says what is wrong with it."""
    source, name = _split(target)
    found: Any = _file(Path(source)) if source.endswith(".py") else _module(source)
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(f"{source} has no '{name}'", hint=did_you_mean(part, *_offered(found)))
        _refuse_method(found, part, source)
        found = getattr(found, part)
    return found


def _refuse_method(owner: Any, name: str, source: str) -> None:
    """Refuse a method that is taken from its class: nobody has said of which object, and `self` is no tensor."""
    found = inspect.getattr_static(owner, name) if inspect.isclass(owner) else None
    if not inspect.isfunction(found) or next(iter(inspect.signature(found).parameters), None) != "self":
        return
    kind = owner.__qualname__
    hint = f"write `made = {kind}(...)` in the file, and name `made.{name}`"
    if issubclass(owner, torch.nn.Module) and name == "forward":
        hint = f"name the class, {source}:{kind}, which is built for the check"
    raise InputError(f"'{kind}.{name}' is a method, and needs an object of its class", hint=hint)


def is_function(found: Any) -> bool:
    """Return whether something is a class of autograd's Functions."""
    return isinstance(found, type) and issubclass(found, torch.autograd.Function)


def _offered(owner: Any) -> tuple[list[str], str]:
    """Return the names of code that a module or class defines itself, and a hint that lists them."""
    module = getattr(owner, "__module__", None) or getattr(owner, "__name__", "")
    names = [
        name
        for name, value in vars(owner).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", module) == module
    ]
    return names, f"it has {', '.join(names[:MOST_LISTED])}" if names else "it defines no function and no class"


def _split(target: str) -> tuple[str, str]:
    """Return the file or module, and the class in it; pytest's way to write it, `FILE.py::Class`, does too."""
    match = TARGET.fullmatch(target)
    if match is not None:
        return match["file"], (match["name"] or "").replace("::", ".")
    source, _, name = target.rpartition(":")
    if not source:
        raise InputError(f"'{target}' names no file and no module", hint=USAGE)
    return source.rstrip(":"), name


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"there is no file '{path}'", hint=near_files(path, [".py"]))
    name = path.stem if path.stem not in sys.modules else f"_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None  # noqa: S101 (the name ends in .py)
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with _importable(path.resolve().parent), _refusals(path.name), state_kept():
        spec.loader.exec_module(module)
    return module


def _module(name: str) -> ModuleType:
    if Path(f"{name}.py").is_file() and not name.isidentifier():
        raise InputError(f"'{name}' is not a module", hint=f"a file is written with its ending: {name}.py:Class")
    with _importable(Path.cwd()), _refusals(name), state_kept():
        return importlib.import_module(name)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the code import from a folder: before all others while it is loaded, as Python does, and after them later."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.path.append(str(folder))


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Turn whatever loading raises into an error in the user's terms; `raise SystemExit(0)` is not a success."""
    try:
        yield
    except TimeIsUpError as error:
        error.where = error.where or still_in(name, error)
        raise
    except (GradcliError, KeyboardInterrupt, InterruptionError):
        raise
    except SyntaxError as error:
        raise syntax_refusal(error) from None
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name) and not place(error)[0]:
            raise InputError(f"there is no module '{error.name}'", hint=USAGE) from None
        raise _failed(name, error) from None
    except BaseException as error:  # noqa: BLE001 (the user's code raises anything, SystemExit too)
        if isinstance(error.__context__, InterruptionError):
            raise error.__context__ from None
        ended = _failed(name, error)
        ended.hint = "nothing was checked: the file ends the program" if isinstance(error, SystemExit) else None
        raise ended from None


def _failed(name: str, error: BaseException) -> ExecutionError:
    """Return the error that loading failed, with the line of the user's code where there is one."""
    if place(error)[0]:
        return refusal(f"loading {name}", error)
    return ExecutionError(f"'{name}' cannot be loaded: {first_line(error) or type(error).__name__}")


def _function(module: ModuleType, name: str, source: str) -> type[torch.autograd.Function]:
    known = list(_functions(module))
    listed = ", ".join(f"{source}:{found}" for found in known)
    hint = f"it has {listed}" if known else "it defines no torch.autograd.Function"
    if not name and len(known) > 1:
        functions = {f"{source}:{found}": _names(getattr(module, found)) for found in known}
        raise SeveralFunctionsError(
            f"'{source}' has {len(known)} Functions", hint=f"name one: {listed}", functions=functions
        )
    name = name or next(iter(known), "")
    if not name:
        raise InputError(f"'{source}' defines no torch.autograd.Function", hint="a class that derives from it")
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise InputError(f"{source} has no class '{name}'", hint=did_you_mean(name, known, hint))
    return checked(found, name)


def _names(function: type[torch.autograd.Function]) -> list[str]:
    """Return the names of forward's parameters; none where Python cannot tell."""
    try:
        return list(inspect.signature(function.forward).parameters)
    except (TypeError, ValueError):
        return []


def _functions(module: ModuleType) -> Iterator[str]:
    """Yield the Functions that a module defines; one without a forward is a base of others."""
    for name, value in vars(module).items():
        if (
            inspect.isclass(value)
            and issubclass(value, torch.autograd.Function)
            and value.__module__ == module.__name__
            and not _is_inherited(value, "forward")
        ):
            yield name


def checked(function: Any, name: str) -> type[torch.autograd.Function]:
    """Return a class that is a Function with a forward and a backward of its own; InputError says what it lacks."""
    if not inspect.isclass(function):
        raise InputError(f"'{name}' is not a class: {raised_kind(function)}", hint="give a torch.autograd.Function")
    base = torch.autograd.Function
    if not issubclass(function, base) or function is base:
        parents = ", ".join(parent.__name__ for parent in function.__bases__)
        hint = f"write `class {function.__name__}(torch.autograd.Function):`"
        raise InputError(f"'{name}' is not a torch.autograd.Function: it derives from {parents}", hint=hint)
    if _is_inherited(function, "forward"):
        raise InputError(f"'{name}' has no forward", hint="give it a staticmethod forward(ctx, ...)")
    if _is_inherited(function, "backward") and _is_inherited(function, "vjp"):
        raise InputError(f"'{name}' has no backward", hint="give it a staticmethod backward(ctx, grad_output)")
    return function


def backward_of(function: type[torch.autograd.Function]) -> Callable[..., Any]:
    """Return the method that gives a Function's gradients, however it is called."""
    return function.vjp if _is_inherited(function, "backward") else function.backward


def raised_kind(value: Any) -> str:
    """Return in words what a value is."""
    return f"it is of type {type(value).__name__}"


def _is_inherited(function: type, method: str) -> bool:
    return getattr(function, method) is getattr(torch.autograd.Function, method)
