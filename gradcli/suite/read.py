"""A suite file -> checks; every error names the file and the line, with a caret under the place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradcli.errors import GradcliError, InputError, Span
from gradcli.settings import DataType, Settings
from gradcli.suite.check import SuiteCheck
from gradcli.suite.expand import expand
from gradcli.suite.places import SuiteText, line_of, spellings, tables

TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
LARGEST = 16 * 2**20  # bytes
MOST_CHECKS = 100_000


def read_suite(file: str, base: Settings, dtypes: Sequence[DataType] = ()) -> list[SuiteCheck]:
    """Return the checks of a suite file; what it does not say, the settings `base` do, with several dtypes for each.

    Raises InputError for a file that cannot be read or is not a suite: unknown keys, duplicate names, no check.
    """
    text = _read(Path(file), file)
    suite = SuiteText(file, text, tables(text))
    model = _validated(_parsed(suite), suite)
    checks: list[SuiteCheck] = []
    for place, check in enumerate(model.check):
        checks += _expanded(suite, place, (model.defaults, check), (base, dtypes))
    _refuse_duplicates(checks, suite)
    return checks


def _read(path: Path, file: str) -> str:
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > LARGEST:
        raise InputError(f"{file}: a suite of more than {LARGEST // 2**20} MiB is not read")
    try:
        return data.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{file}:{line}: byte {data[error.start]:#04x} is not UTF-8", hint="save it as UTF-8"
        ) from None


def _parsed(suite: SuiteText) -> dict[str, Any]:
    try:
        return tomllib.loads(suite.text)
    except tomllib.TOMLDecodeError as error:
        message = TOML_PLACE.sub("", str(error))
        raise suite.error(f"this is not TOML: {message[:1].lower()}{message[1:]}", _place(error, suite.text)) from None
    except RecursionError:
        raise InputError(f"{suite.file}: this is not TOML that can be read: it is nested too deep") from None


def _place(error: tomllib.TOMLDecodeError, text: str) -> Span:
    match = TOML_PLACE.search(str(error))
    if match is None or match[1] is None:
        return Span(len(text), len(text))
    start = sum(len(line) + 1 for line in text.split("\n")[: int(match[1]) - 1]) + int(match[2]) - 1
    return Span(start, start + 1)


def _validated(data: dict[str, Any], suite: SuiteText) -> Any:
    from pydantic import ValidationError

    from gradcli.suite.model import SuiteModel
    from gradcli.suite.refusal import refusal

    if isinstance(data.get("check"), list) and len(data["check"]) > MOST_CHECKS:
        raise suite.error(f"there are more than {MOST_CHECKS:,} checks", None)
    try:
        return SuiteModel.model_validate(data)
    except ValidationError as error:
        raise refusal(error, suite) from None


def _expanded(suite: SuiteText, place: int, said: tuple[Any, Any], given: tuple[Any, Any]) -> list[SuiteCheck]:
    """Return the checks that an entry makes; an error in a value points at its key."""
    from gradcli.suite.wording import in_toml

    span = suite.span(place)
    line = line_of(suite.text, span.start) if span else None
    try:
        return expand(*said, *given, file=suite.file, line=line)
    except GradcliError as error:
        key = spellings((error.option or "").removeprefix("--"))[0]
        in_check = key.replace("-", "_") in said[1].model_fields_set
        at = suite.span(place if in_check else -1, key) or span if key else span
        hint = None if error.hint is None else in_toml(error.hint)
        raise suite.error(f"{key}: {error.text}" if key else error.text, at, hint) from None


def _refuse_duplicates(checks: Sequence[SuiteCheck], suite: SuiteText) -> None:
    lines: dict[str, int | None] = {}
    for check in checks:
        if check.name in lines:
            text = suite.text.split("\n")
            start = sum(len(line) + 1 for line in text[: (check.line or 1) - 1])
            message = f"the check '{check.name}' is there twice: line {lines[check.name]} has it too"
            raise suite.error(message, Span(start, start + len(text[(check.line or 1) - 1])), "give it a `name`")
        lines[check.name] = check.line
