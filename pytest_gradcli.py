"""The pytest plugin of gradcli: the fixture `assert_gradients`, and suites `*.gradcli.toml` as test items.

It lies outside the package and imports nothing of it until it is used: a run of pytest that does not use it pays for
this file alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from gradcli.report.report import Report
    from gradcli.suite.check import SuiteCheck as Check

SUITE = ".gradcli.toml"
WIDTH = 100


@pytest.fixture(scope="session")
def assert_gradients() -> Callable[..., Report]:
    """Verify a program's gradients, or those of a `torch.autograd.Function`; fail with the report where one is wrong.

    `assert_gradients(program, inputs, claim={"w": "2*w"})` takes what `gradcli.check` takes,
    `assert_gradients(Function, inputs, reference=program)` what `gradcli.check_function` takes. Returns the report.
    """
    return _assert_gradients


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a suite."""
    return SuiteFile.from_parent(parent, path=file_path) if file_path.name.endswith(SUITE) else None


class SuiteFile(pytest.File):
    """A suite file; each of its checks is an item."""

    def collect(self) -> Iterator[SuiteCheck]:
        """Yield the checks; a file that is not a suite is an error of the collection."""
        from gradcli import GradcliError
        from gradcli.settings import Settings
        from gradcli.suite.given import Given
        from gradcli.suite.read import read_suite

        try:
            checks = read_suite(str(self.path), Given(Settings(command="check")))
        except GradcliError as error:
            raise self.CollectError(_told(error)) from None
        for check in checks:
            yield SuiteCheck.from_parent(self, name=check.name, check=check)


class SuiteCheck(pytest.Item):
    """One check of a suite; `-k` selects by its tags too."""

    def __init__(self, *, check: Check, **more: Any) -> None:
        super().__init__(**more)
        self.check = check
        self.extra_keyword_matches.update(check.tags)

    def runtest(self) -> None:
        """Carry out the check."""
        from gradcli.engine import evaluate_program

        report = evaluate_program(self.check.program, self.check.settings)
        _fail_unless(report, report.verdict == self.check.expect if self.check.expect else report.exit_code == 0)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the message of an error of the check's, without a traceback."""
        from gradcli import GradcliError

        return _told(excinfo.value) if isinstance(excinfo.value, GradcliError) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the suite has the check."""
        return self.path, (self.check.line or 1) - 1, self.name


def _assert_gradients(
    program: str | type,
    inputs: Mapping[str, Any] | None = None,
    *,
    claim: Mapping[str, str] | None = None,
    **options: Any,
) -> Report:
    __tracebackhide__ = True
    import gradcli

    try:
        if isinstance(program, str):
            report = gradcli.check(program, inputs, claims=claim, **options)
        else:
            report = gradcli.check_function(program, inputs, **options)
    except gradcli.GradcliError as error:
        raise pytest.fail.Exception(_told(error)) from None
    _fail_unless(report, report.exit_code == 0)
    return report


def _fail_unless(report: Report, passed: bool) -> None:  # noqa: FBT001  # what it is about is in its name
    __tracebackhide__ = True
    from gradcli.render import FORMATS
    from gradcli.render.style import Style

    if not passed:
        pytest.fail(FORMATS["plain"].render(report, Style(WIDTH, unicode=False)), pytrace=False)


def _told(error: Any) -> str:
    from gradcli.render.errors import format_error

    return format_error(error).rstrip()
