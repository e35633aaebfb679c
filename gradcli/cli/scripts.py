"""What `run` does around a script: read what is asked for, write the report of its checks, then say how it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from gradcli.cli.bundles import OutputOptions
from gradcli.cli.running import is_file
from gradcli.cli.settings import errors_by_flag
from gradcli.cli.suites import Stream, write_suite
from gradcli.errors import BY_SEVERITY, ExitCode, GradcliError, InputError
from gradcli.limits import Limits
from gradcli.phrases import did_you_mean
from gradcli.render import FORMATS
from gradcli.report.suite import CheckReport, SuiteReport
from gradcli.settings import Settings

WORDS = ("last", "all")
MOST_LISTED = 20


def script_settings(backward: str, timeout: float | None, limits: Mapping[str, Any], **more: Any) -> Settings:
    """Return the settings of a script's checks; InputError names the option that is wrong."""
    picked = _picked(backward)
    with errors_by_flag("--max-"):
        held = Limits(**limits)
    given = picked | more | ({} if timeout is None else {"timeout": timeout})
    with errors_by_flag("--"):
        return Settings(command="run", limits=held, **given)


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


def _told(code: ExitCode, failure: GradcliError | None) -> int:
    """Say how a script failed, and return the graver of its exit code and that of the checks."""
    if failure is None:
        return code
    from gradcli.cli.output import write_error
    from gradcli.render.errors import format_error

    write_error(format_error(failure))
    return min(code, failure.exit_code, key=BY_SEVERITY.index)


def _check_there(script: str) -> None:
    """Refuse what is no file."""
    if is_file(script):
        return
    folder = Path(script).parent
    files = sorted(str(folder / file.name) for file in folder.glob("*.py"))[:MOST_LISTED] if folder.is_dir() else []
    otherwise = f"the folder has {', '.join(files)}" if files else None
    raise InputError(f"there is no script '{script}'", hint=did_you_mean(script, files, otherwise))
