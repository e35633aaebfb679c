"""The application: its commands, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_args

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from gradcli._version import __version__
from gradcli.cli.arguments import command_class
from gradcli.cli.supervision import supervise
from gradcli.commands import Command, Information, function_of
from gradcli.errors import ExitCode, GradcliError, InputError, InternalError, first_line, internal, out_of_memory
from gradcli.phrases import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence


class Commands(TyperGroup):
    """The group of all commands; it knows what was meant by a misspelt one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name, or say which one is near."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            raise _unknown_command(args[0], list(self.commands))
        return super().resolve_command(ctx, args)


def _add(group: typer.Typer, name: str) -> None:
    function = function_of(name, "gradcli.cli")
    group.command(name, cls=command_class(function))(function)


app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
for _command in (*get_args(Command), *get_args(Information)):
    _add(app, _command)


def _show_version(wanted: bool) -> None:
    if wanted:
        _write_line(f"gradcli {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001  # typer calls its callback
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Explore PyTorch's gradients, each checked against the symbolic derivative.

    A program is what a notebook would hold; names that it never assigns are leaves.

    Examples:
      gradcli eval "w1 + w2 + w2*w3"
      gradcli eval "x=w1+w2; y=w2*w3; z=x+y" --shape 2x2 --reduce mean
    """
    if context.invoked_subcommand is None:
        context.get_help()


def run_and_leave() -> NoReturn:
    """Run the command line and end the process at once.

    What Python does on its way out (it frees all of torch, module by module) takes 0.6 s and is of use to nobody.
    """
    try:
        supervise()
        code = _run_and_tidy()
    except KeyboardInterrupt:  # before there was anything to interrupt, or after the last of it
        code = ExitCode.INTERRUPTED
    os._exit(code)


def _run_and_tidy() -> int:
    """Run the command line, end what it has started, and return its exit code."""
    code = main()
    engine = sys.modules.get("gradcli.engine")
    if engine is not None:
        engine.stop_worker()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; no exception leaves it."""
    _never_fail_to_encode()
    warnings.showwarning = _show_warning  # type: ignore[assignment]  # it ignores where the warning comes from
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        return _report(GradcliError("interrupted"), ExitCode.INTERRUPTED)
    except BrokenPipeError:
        return ExitCode.OK
    except OSError as error:
        return _report(InternalError(f"the operating system reports: {error}"), ExitCode.INTERNAL)
    except Exception as error:  # noqa: BLE001  # the one place that turns any defect into a message
        show_traceback_to_developers(error)
        return _report(internal(error), ExitCode.INTERNAL)


def _run(arguments: list[str]) -> int:
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="gradcli", standalone_mode=False)
        if code == ExitCode.INTERRUPTED:  # typer returns it for the exception
            raise KeyboardInterrupt
        return _flushed(int(code or 0))
    except GradcliError as error:
        if error.__cause__ is not None:
            show_traceback_to_developers(error.__cause__)
        return _report(error, error.exit_code)
    except MemoryError as error:
        return _report(out_of_memory(error) or internal(error), ExitCode.USAGE)
    except TyperException as error:
        from gradcli.cli.usage import usage_error

        return _report(usage_error(error), ExitCode.USAGE)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except SystemExit:
        # rich and typer leave this way when the reader of their help text has gone.
        return ExitCode.OK


def _flushed(code: int) -> int:
    """Return the code after the last byte is out; a full disk is an error even then."""
    from gradcli.cli.output import flush

    flush()
    return code


def _report(error: GradcliError, code: int) -> int:
    from gradcli.cli.output import write_error
    from gradcli.render.errors import format_error

    write_error(format_error(error))
    return code


def _show_warning(message: Warning | str, *_: object) -> None:
    """Show the first line of a warning of PyTorch's, without the place in its source that it came from."""
    from gradcli.cli.output import write_error
    from gradcli.escaping import escape

    text = first_line(str(message)).partition(" (Triggered internally")[0]
    write_error(f"warning: PyTorch says: {escape(text)}")


def show_traceback_to_developers(error: BaseException) -> None:
    """Show where an error was raised, if GRADCLI_DEBUG asks for it."""
    if os.environ.get("GRADCLI_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)


def _unknown_command(name: str, known: list[str]) -> InputError:
    otherwise = "`gradcli --help` lists the commands; a program needs one: `gradcli eval PROGRAM`"
    return InputError(f"unknown command '{name}'", hint=did_you_mean(name, known, otherwise))


def _never_fail_to_encode() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _write_line(text: str) -> None:
    from gradcli.cli.output import write

    write(text + "\n", None)
