"""A suite file -> checks; every error names the file and the line, with a caret under the place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gradcli.errors import GradcliError, Span
from gradcli.suite.check import SuiteCheck
from gradcli.suite.expand import expand
from gradcli.suite.given import Given
from gradcli.suite.places import SuiteText
from gradcli.suite.source import read_source

MOST_CHECKS = 100_000


def read_suite(file: str, given: Given) -> list[SuiteCheck]:
    """Return the checks of a suite file, which wins over pyproject.toml, as the command line does over both.

    Raises InputError for a file that cannot be read or is not a suite: unknown keys, duplicate names, no check; and
    DeadlineError for one that nobody writes, or whose text takes longer than one check may.
    """
    suite, data = read_source(file, given.settings.timeout)
    model = _validated(data, suite)
    checks: list[SuiteCheck] = []
    base, options = given.settings.having(formulas=False), given.options  # each takes longer than a check is read
    for place, entry in enumerate(model.check):
        with _pointing(suite, place, entry):
            said, line = given.keys(model.defaults, entry), suite.line(place)
            checks += expand(entry, said, base, file=suite.file, line=line, options=options)
    _refuse_duplicates(checks, suite)
    return checks


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


@contextmanager
def _pointing(suite: SuiteText, place: int, entry: Any) -> Iterator[None]:
    """Let an error in a value of an entry point at its key."""
    from gradcli.suite.wording import about_key

    try:
        yield
    except GradcliError as error:
        key, message, hint = about_key(error)
        span, in_check = suite.span(place), key.replace("-", "_") in entry.model_fields_set
        at = suite.span(place if in_check else -1, key) or span if key else span
        raise suite.error(message, at, hint) from None


def _refuse_duplicates(checks: Sequence[SuiteCheck], suite: SuiteText) -> None:
    lines: dict[str, int | None] = {}
    for check in checks:
        if check.name in lines:
            text = suite.text.split("\n")
            start = sum(len(line) + 1 for line in text[: (check.line or 1) - 1])
            message = f"the check '{check.name}' is there twice: line {lines[check.name]} has it too"
            raise suite.error(message, Span(start, start + len(text[(check.line or 1) - 1])), "give it a `name`")
        lines[check.name] = check.line
