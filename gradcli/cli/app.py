"""The command line as a process, and the one place where an error becomes a message and an exit code.

What it needs is imported inside of functions: Ctrl-C may come while modules are loaded.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing's own, without the import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from gradcli.errors import GradcliError

INTERRUPTED, INTERNAL, USAGE = 130, 4, 2
SUITE = ".toml"
# New objects after which Python looks for garbage: PyTorch and what gradcli loads are some 300,000, and stay.
COLLECTS_AFTER = 1 << 20


def run_and_leave() -> NoReturn:
    """Run the command line and end the process at once.

    What Python does on its way out (it frees all of torch, module by module) takes 0.6 s and is of use to nobody.
    """
    try:
        code = _supervised()
    except KeyboardInterrupt:  # before there is anything that would say so, or after the last of it
        _say("interrupted")
        code = INTERRUPTED
    except OSError as error:  # as where no more files may be opened, and so no more modules loaded
        _say(f"the operating system reports: {error}")
        code = INTERNAL
    except MemoryError:  # as where there is not even enough for a message
        _say("there is not enough memory")
        code = USAGE
    progress = sys.modules.get("gradcli.progress")
    if progress is not None:
        progress.end(code)
    os._exit(code)


def _say(what: str) -> None:
    """Write an error with nothing that has to be loaded for it."""
    try:
        os.write(2, f"error: {what}\n".encode("ascii", "backslashreplace"))
    except OSError:  # nobody is left to tell
        return


def _supervised() -> int:
    """Run the command line in a supervised process, end what it has started, and return its exit code."""
    import gc
    import signal
    from contextlib import suppress

    from gradcli.cli.streams import prepare_streams
    from gradcli.cli.supervision import supervise

    gc.set_threshold(COLLECTS_AFTER)
    prepare_streams()
    supervise()
    _load_ahead(sys.argv[1:])
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    engine = sys.modules.get("gradcli.engine")
    if engine is not None:
        engine.stop_worker()
    server = sys.modules.get("gradcli.suite.server")
    if server is not None:
        server.leave()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    return code


def _load_ahead(arguments: Sequence[str]) -> None:
    """Have PyTorch loaded while the command line is read; if nothing turns out to need it, that ends unused."""
    named = any(argument.endswith(SUITE) for argument in arguments)
    if arguments[:1] == ["check"] and named and not any(argument.startswith("--executor") for argument in arguments):
        from gradcli.suite.server import begin

        begin()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; no exception leaves it."""
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        from gradcli.errors import GradcliError

        return _report(GradcliError("interrupted"), INTERRUPTED)


def _run(arguments: list[str]) -> int:
    import warnings

    from gradcli.cli.streams import never_fail_to_encode
    from gradcli.errors import SHORT, ExitCode, InternalError, internal

    never_fail_to_encode()
    warnings.showwarning = show_warning  # type: ignore[assignment]  # it ignores where the warning comes from
    try:
        return _carry_out(arguments)
    except BrokenPipeError:
        return ExitCode.OK
    except OSError as error:
        short = error.errno in SHORT
        told = internal(error) if short else InternalError(f"the operating system reports: {error}")
        return _report(told, ExitCode.INTERNAL)
    except Exception as error:  # noqa: BLE001  # the one place that turns any defect into a message
        show_traceback_to_developers(error)
        return _report(internal(error), ExitCode.INTERNAL)


def _carry_out(arguments: list[str]) -> int:
    import typer
    from typer.exceptions import TyperException

    from gradcli.cli.group import application
    from gradcli.errors import ExitCode, GradcliError, internal, out_of_memory

    try:
        code = typer.main.get_command(application(arguments)).main(
            arguments, prog_name="gradcli", standalone_mode=False
        )
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
    try:
        from gradcli.cli.output import error_width, write_error
        from gradcli.render.errors import format_error
    except OSError:
        raise
    except Exception:  # noqa: BLE001  # without memory, Python raises anything here: it finds wrong syntax, for one
        _say("".join(character if character.isprintable() else "?" for character in error.text))
    else:
        write_error(format_error(error, error_width()))
    return code


_WARNED: set[str] = set()


def show_warning(message: Warning | str, *_: object) -> None:
    """Show the first line of a warning of PyTorch's, without the place in its source that it came from."""
    from gradcli.cli.output import error_width, write_error
    from gradcli.errors import first_line
    from gradcli.escaping import escape
    from gradcli.render.errors import paragraph

    text = first_line(str(message)).partition(" (Triggered internally")[0]
    if text not in _WARNED:  # each run of the program would say it again
        _WARNED.add(text)
        write_error("\n".join(paragraph(f"warning: PyTorch says: {escape(text)}", error_width())))


def show_traceback_to_developers(error: BaseException) -> None:
    """Show where an error was raised, if GRADCLI_DEBUG asks for it."""
    if os.environ.get("GRADCLI_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
