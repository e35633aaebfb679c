"""What every command that runs a program does around it: read the program, write the report."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, BinaryIO

from gradcli.errors import InputError, LimitError

if TYPE_CHECKING:
    from gradcli.cli.bundles import OutputOptions
    from gradcli.report.report import Report
    from gradcli.settings import Settings
    from gradcli.suite.check import Kind


# What is meant as a file's name: no program, for no tensor has such an attribute.
FILE = re.compile(r"[\w./\\~-]+\.(?:py|txt|toml?|ya?ml|json|md|ipynb)")
ENDINGS = (".py", ".txt", ".toml")
LARGEST = 16 * 2**20  # bytes of standard input that holds many programs


def run(program: str, settings: Settings, options: OutputOptions) -> int:
    """Evaluate the program, write its report, and return the exit code that its verdict asks for."""
    from gradcli.inputs import is_code
    from gradcli.suite.check import Kind

    if is_code(program):
        return run_isolated(program, Kind.TARGET, settings, options)
    from gradcli.engine import evaluate_program
    from gradcli.suite.reproduce import reproducible

    text = read_in_time(program, settings)
    report = evaluate_program(text, settings)
    write_report(reproducible(report, text, settings), options)
    return report.exit_code


def run_isolated(target: str, kind: Kind, settings: Settings, options: OutputOptions) -> int:
    """Check the user's code in a process of its own, and write its report."""
    from gradcli.cli.output import write
    from gradcli.render.formats import format_of
    from gradcli.suite.isolated import checked_text

    text, code = checked_text(target, kind, settings, options.chosen_format, options.style)
    write(text, options.output, encoding=format_of(options.chosen_format, settings.command).encoding)
    return code


def read_in_time(program: str, settings: Settings) -> str:
    """Return the program as `read_program` does, within the limits of the settings."""
    from gradcli.deadline import deadline

    with deadline(settings.timeout):
        return read_program(program, settings.limits.program_size)


def read_program(program: str, limit: int) -> str:
    """Return the program; `-` stands for standard input, and the name of a file for that, up to a limit in bytes."""
    if program == "-":
        return _decoded(_standard_input().read(limit + 1), limit, "standard input")
    if not is_file(program):
        if FILE.fullmatch(program):
            raise _no_file(program)
        return program
    _refuse_other_files(program)
    try:
        with open(program, "rb") as file:  # noqa: PTH123  # as `is_file`
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"{program}: {error.strerror or error}") from None
    return _decoded(data, limit, f"'{program}'")


def _no_file(name: str) -> InputError:
    """Return the error that there is no such file, with the one that may be meant."""
    from pathlib import Path

    from gradcli.inputs.near_files import near_files

    usage = 'a program may stand here itself: `gradcli eval "x*y"`'
    return InputError(f"there is no file '{name}'", hint=near_files(Path(name), ENDINGS, usage))


def is_file(text: str) -> bool:
    """Tell whether a text is the name of a file; Path's own test raises for what no path can be."""
    return "\n" not in text and "\0" not in text and os.path.isfile(text)  # noqa: PTH113


def _refuse_other_files(file: str) -> None:
    if file.endswith(".py"):
        hint = f"`gradcli run {file}` runs a script and checks its gradients; the part to differentiate may be pasted"
        raise InputError(f"'{file}' is a Python script, and not a program", hint=hint)
    if file.endswith(".toml"):
        raise InputError(f"'{file}' is a suite, and not a program", hint=f"`gradcli check {file}` carries it out")


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        msg = "standard input is closed, so no program can be read from it"
        raise InputError(msg)
    return sys.stdin.buffer


def read_lines(limit: int) -> list[str]:
    """Return the programs on standard input: a line each, but for empty lines and those that are comments."""
    data = _standard_input().read(LARGEST + 1)
    lines = decoded(data).splitlines()
    if any(len(line) > limit for line in lines):
        message = f"a program on standard input is longer than {limit:,} bytes"
        raise LimitError(message, hint="`--max-program-size` raises the limit")
    if len(data) > LARGEST:
        message = f"standard input holds more than {LARGEST // 2**20} MiB of programs"
        raise InputError(message, hint="check them in parts")
    programs = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not programs:
        raise InputError("standard input holds no program", hint="`--each-line` reads one program per line")
    return programs


def _decoded(data: bytes, limit: int, where: str) -> str:
    if len(data) > limit:
        raise LimitError(
            f"the program in {where} is longer than {limit:,} bytes", hint="`--max-program-size` raises the limit"
        )
    return decoded(data)


def decoded(data: bytes) -> str:
    """Return text as programs are read: UTF-8, without a mark at its start, lines ended as Unix ends them."""
    return data.decode("utf-8", "surrogateescape").removeprefix("\ufeff").replace("\r\n", "\n")


def write_report(report: Report, options: OutputOptions) -> None:
    """Write the report in the format asked for, to the file or to standard output."""
    from gradcli.cli.output import write
    from gradcli.render.formats import format_of

    form = format_of(options.chosen_format, report.command)
    write(form.render(report, options.style), options.output, encoding=form.encoding)
