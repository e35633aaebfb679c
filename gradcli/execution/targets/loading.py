"""The user's Function, from a file or a module: whatever loading it does becomes a Function or one message."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from gradcli.deadline import TimeIsUpError
from gradcli.errors import GradcliError, InputError, InterruptionError
from gradcli.execution.process import state_kept
from gradcli.execution.targets.frames import place, refusal, still_in, syntax_refusal
from gradcli.phrases import did_you_mean

USAGE = "write FILE.py:Class or module:Class"


def load(target: str) -> type[torch.autograd.Function]:
    """Return the class that `FILE.py:Class` or `module:Class` names; InputError says what is wrong with it."""
    source, _, name = target.rpartition(":")
    if not source:
        source, name = (target, "") if target.endswith(".py") else ("", target)
    if not source:
        raise InputError(f"'{target}' names no file and no module", hint=USAGE)
    module = _file(Path(source)) if source.endswith(".py") else _module(source)
    return _function(module, name, source)


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"there is no file '{path}'", hint=None if path.suffix == ".py" else USAGE)
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
        if error.name == name and not place(error)[0]:
            raise InputError(f"there is no module '{name}'", hint=USAGE) from None
        raise refusal(f"loading {name}", error) from None
    except BaseException as error:  # noqa: BLE001 (the user's code raises anything, SystemExit too)
        if isinstance(error.__context__, InterruptionError):
            raise error.__context__ from None
        ended = refusal(f"loading {name}", error)
        ended.hint = "nothing was checked: the file ends the program" if isinstance(error, SystemExit) else None
        raise ended from None


def _function(module: ModuleType, name: str, source: str) -> type[torch.autograd.Function]:
    known = list(_functions(module))
    listed = ", ".join(f"{source}:{found}" for found in known)
    hint = f"it has {listed}" if known else "it defines no torch.autograd.Function"
    if not name:
        raise InputError(f"'{source}' names no class", hint=f"{USAGE}; {hint}")
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise InputError(f"{source} has no class '{name}'", hint=did_you_mean(name, known, hint))
    return checked(found, name)


def _functions(module: ModuleType) -> Iterator[str]:
    for name, value in vars(module).items():
        if (
            inspect.isclass(value)
            and issubclass(value, torch.autograd.Function)
            and value.__module__ == module.__name__
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


def raised_kind(value: Any) -> str:
    """Return in words what a value is."""
    return f"it is a {type(value).__name__}"


def _is_inherited(function: type, method: str) -> bool:
    return getattr(function, method) is getattr(torch.autograd.Function, method)
