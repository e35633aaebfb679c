"""What `run` does around a script: read what is asked for, write the report of its checks, then say how it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

from gradcli.cli.bundles import OutputOptions, RunOptions
from gradcli.cli.running import is_file
from gradcli.cli.settings import errors_by_flag, limits_from
from gradcli.cli.suites import Stream, write_suite
from gradcli.commands import Command
from gradcli.errors import BY_SEVERITY, ExitCode, GradcliError, InputError
from gradcli.limits import Limits
from gradcli.phrases import did_you_mean
from gradcli.render import FORMATS
from gradcli.render.formats import PICTURES
from gradcli.report.suite import CheckReport, SuiteReport
from gradcli.settings import Settings

WORDS = ("last", "all")
MOST_LISTED = 20


def script_settings(backward: str, timeout: float | None, limits: Mapping[str, Any], **more: Any) -> Settings:
    """Return the settings of a script's checks; InputError names the option that is wrong."""
    picked = _picked(backward)
    with errors_by_flag("--max-"):
        held = Limits(**limits)
    given = {"command": "run"} | picked | more | ({} if timeout is None else {"timeout": timeout})
    with errors_by_flag("--"):
        return Settings(limits=held, **given)


def settings_of_run(command: Command, run: RunOptions, backward: str) -> Settings:
    """Return the settings of a script's checks by the options of programs; InputError for those of leaves."""
    if run.shape or run.value or run.values_file:
        raise InputError("a script has its own values", hint="leave --shape, --value and --values out")
    limits = limits_from(run)
    held = {entry.name: getattr(limits, entry.name) for entry in fields(Limits)}
    more = {"rtol": run.rtol, "atol": run.atol, "leaves": run.leaves, "verify": not run.no_verify}
    return script_settings(backward, run.timeout, held, command=command, depth=run.depth, **more)


def _picked(text: str) -> dict[str, Any]:
    """Return which backward calls are meant: numbers from 1, the last, or all."""
    if text.strip() in WORDS:
        return {"every": text.strip()}
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
        message = f"'{text}' does not say which backward calls"
        raise InputError(message, option="--backward", hint="write numbers from 1 on, such as 1,2,50, or last, or all")
    return {"calls": tuple(sorted(set(map(int, words))))}


def run_script(
    script: str, arguments: Sequence[str], settings: Settings, seconds: float | None, output: OutputOptions
) -> int:
    """Run a script, write the report of its checks, and return the exit code; a failure of it is told after that."""
    from gradcli.suite.isolated import script_reports

    _check_there(script)
    done: dict[int, CheckReport] = {}
    stream = Stream(output) if FORMATS[output.chosen_format].streams and output.output is None else None
    failure: GradcliError | KeyboardInterrupt | None = None
    try:
        with closing(script_reports(script, arguments, settings, seconds)) as found:
            for report in found:
                done[len(done)] = report
                if stream is not None:
                    stream.write_ready(done)
    except (GradcliError, KeyboardInterrupt) as error:
        failure = error
    suite = SuiteReport(tuple(done.values()), len(done), isinstance(failure, KeyboardInterrupt))
    write_suite(suite, output, 0 if stream is None else stream.written)
    if isinstance(failure, KeyboardInterrupt):
        raise failure
    return _told(suite.exit_code, failure)


def draw_script(script: str, settings: Settings, output: OutputOptions) -> int:
    """Run a script, write the graph of each of its backward calls that is wanted, and return the exit code.

    Several go to files of their own, numbered; without a file, trees follow each other, and a picture is one alone.
    """
    from gradcli.cli.output import write
    from gradcli.suite.isolated import script_pictures

    _check_there(script)
    form, file = output.chosen_format, output.output
    found: list[dict[str, Any]] = []
    failure: GradcliError | None = None
    try:
        with closing(script_pictures(script, settings, form, output.style, None)) as pictures:
            found += pictures
    except GradcliError as error:
        failure = error
    drawn = [one["text"] for one in found if "text" in one]
    if file is None and form in PICTURES and len(drawn) > 1:
        message = f"there are {len(drawn)} pictures, and standard output takes one"
        raise InputError(message, option="--backward", hint="name one, such as `--backward 1`, or a file: `-o FILE`")
    for one in found:
        if "reason" in one:
            _say(InputError(f"{one['name']}: {one['reason']}"))
    if file is None and drawn:
        write("\n".join(drawn), None)
    for number, text in enumerate(drawn if file is not None else (), 1):
        write(text, file if len(drawn) == 1 else _numbered(file, number))
    codes = {ExitCode(one["code"]) for one in found}
    return _told(next((code for code in BY_SEVERITY if code in codes), ExitCode.OK), failure)


def _numbered(file: Path | None, number: int) -> Path | None:
    return file and file.with_stem(f"{file.stem}-{number}")


def _say(error: GradcliError) -> None:
    from gradcli.cli.output import error_width, write_error
    from gradcli.render.errors import format_error

    write_error(format_error(error, error_width()))


def _told(code: ExitCode, failure: GradcliError | None) -> int:
    """Say how a script failed, and return the graver of its exit code and that of the checks."""
    if failure is None:
        return code
    _say(failure)
    return min(code, failure.exit_code, key=BY_SEVERITY.index)


def _check_there(script: str) -> None:
    """Refuse what is no file."""
    if is_file(script):
        return
    folder = Path(script).parent
    files = sorted(str(folder / file.name) for file in folder.glob("*.py"))[:MOST_LISTED] if folder.is_dir() else []
    otherwise = f"the folder has {', '.join(files)}" if files else None
    raise InputError(f"there is no script '{script}'", hint=did_you_mean(script, files, otherwise))
