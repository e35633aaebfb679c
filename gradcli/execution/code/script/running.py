"""A script run as `python SCRIPT.py` runs it, and what it raises in the user's terms."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from gradcli.errors import ExecutionError, GradcliError, InputError, InterruptionError, first_line
from gradcli.execution.targets.frames import place, refusal, syntax_refusal


class _Script(SourceFileLoader):
    """Loads a file as it stands; its bytecode is not kept beside it."""

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 (the base's own)
        """Return the code of the file."""
        return self.source_to_code(self.get_data(self.path), self.path)


def run(script: str, arguments: Sequence[str], hint: Callable[[BaseException], str | None]) -> None:
    """Run a script as the main module; an error of ours says what it raised, with what `hint` knows of that.

    That it exits with 0 is no error.
    """
    file = str(Path(script).resolve())
    module = ModuleType("__main__")
    module.__file__, module.__loader__ = file, _Script("__main__", file)
    sys.argv[:] = [script, *arguments]
    sys.path.insert(0, str(Path(file).parent))
    sys.modules["__main__"] = module
    with _refusals(script, hint):
        module.__loader__.exec_module(module)


@contextmanager
def _refusals(script: str, hint: Callable[[BaseException], str | None]) -> Iterator[None]:
    """Turn whatever a script raises into an error in the user's terms."""
    name = Path(script).name
    try:
        yield
    except SystemExit as error:
        if error.code not in {None, 0}:
            raise _exit(name, error) from None
    except (GradcliError, InterruptionError):
        raise
    except SyntaxError as error:
        raise syntax_refusal(error) from None
    except OSError as error:
        raise (refusal(name, error) if place(error)[0] else InputError(f"'{script}': {error}")) from None
    except BaseException as error:
        found = refusal(name, error)
        found.hint = hint(error)
        raise found from error


def _exit(name: str, error: SystemExit) -> ExecutionError:
    """Return the error that a script exits as having failed."""
    line = place(error)[1]
    where = f" ({name}:{line})" if line else ""
    if isinstance(error.code, int):
        return ExecutionError(f"{name} exits with status {error.code}{where}")
    return ExecutionError(f"{name} exits: {first_line(str(error.code))}{where}")
