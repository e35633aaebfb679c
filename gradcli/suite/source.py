"""A TOML file -> its text and data; every error names the file and the line."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from gradcli.deadline import deadline
from gradcli.errors import InputError, Span, first_line
from gradcli.inputs.near_files import near_files
from gradcli.suite.places import SuiteText

TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
# Python shows a table's name as the tuple of its keys.
TABLE, KEY = re.compile(r"\(('[^']*',? ?)+\)"), re.compile(r"'([^']*)'")
LARGEST = 16 * 2**20  # bytes


def read_source(file: str, seconds: float, defaults: str = "defaults") -> tuple[SuiteText, dict[str, Any]]:
    """Return the text of a TOML file, which has its defaults in the table of that name, and its data.

    Raises InputError for a file that cannot be read, or is not TOML in UTF-8; DeadlineError for one that nobody writes,
    or whose text takes longer than so many seconds.
    """
    with deadline(seconds):
        text = _read(Path(file), file)
        data = _parsed(SuiteText(file, text))
        return SuiteText.of(file, text, defaults), data


def _read(path: Path, file: str) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise InputError(f"{file}: {error.strerror}", hint=near_files(path, [path.suffix])) from None
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
        data = tomllib.loads(suite.text)
        json.dumps(data, default=str)  # which fails for what no message could show: long numbers, written in base 16
    except tomllib.TOMLDecodeError as error:
        message = TABLE.sub(lambda keys: f"[{'.'.join(KEY.findall(keys[0]))}]", TOML_PLACE.sub("", str(error)))
        raise suite.error(f"this is not TOML: {message[:1].lower()}{message[1:]}", _place(error, suite.text)) from None
    except RecursionError:
        raise InputError(f"{suite.file}: this is not TOML that can be read: it is nested too deep") from None
    except ValueError as error:
        long = "a number has more digits than can be read" if "digits" in str(error) else first_line(error)
        raise InputError(f"{suite.file}: this is not TOML that can be read: {long}") from None
    return data


def _place(error: tomllib.TOMLDecodeError, text: str) -> Span:
    match = TOML_PLACE.search(str(error))
    if match is None or match[1] is None:
        return Span(len(text), len(text))
    start = sum(len(line) + 1 for line in text.split("\n")[: int(match[1]) - 1]) + int(match[2]) - 1
    return Span(start, start + 1)
