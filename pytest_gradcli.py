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
    from gradcli.report.suite import CheckReport
    from gradcli.suite.check import SuiteCheck as Check

SUITE = ".gradcli.toml"
WIDTH = 100
NO_CLAIM = "a claim is about a program or a model; `reference` says what the forward of a Function should compute"


@pytest.fixture(scope="session")
def assert_gradients() -> Callable[..., Report]:
    """Verify the gradients of a program, a function, a module or a `torch.autograd.Function`; fail if one is wrong.

    `assert_gradients(program, inputs, claim={"w": "2*w"})` takes what `gradcli.check` takes, with `claim` for `claims`,
    and so does `assert_gradients(model, inputs, output="loss", arguments={"n": 3}, train=True)`. Of a Function,
    `assert_gradients(Function, inputs, reference=program)` takes what `gradcli.check_function` takes. The report is
    shown where it fails, and else returned.
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
        """Carry out the check; a file of the user's is loaded in a process of its own."""
        from gradcli.suite.check import LOADED
        from gradcli.suite.work import isolated, settled

        found, report = (isolated(self.check), None) if self.check.kind in LOADED else settled(self.check)
        _fail_unless_passed(found, report)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the suite has the check."""
        return self.path, (self.check.line or 1) - 1, self.name


def _assert_gradients(
    program: Any,
    inputs: Any = None,
    *,
    claim: Mapping[str, str] | None = None,
    claims: Mapping[str, str] | None = None,
    **options: Any,
) -> Report:
    __tracebackhide__ = True
    import gradcli

    derived = {**(claim or {}), **(claims or {})}
    is_function = _is_function(program)
    if derived and is_function:
        raise TypeError(NO_CLAIM)

    try:
        if is_function:
            report = gradcli.check_function(program, inputs, **options)
        else:
            report = gradcli.check(program, inputs, claims=derived, **options)
    except gradcli.GradcliError as error:
        raise _Failure(f"{error.message}\n{_told(error)}", pytrace=False) from None
    from gradcli.report.suite import check_report

    _fail_unless_passed(check_report(report, report.program), report)
    return report


def _is_function(program: Any) -> bool:
    """Return whether it is a torch.autograd.Function."""
    if not isinstance(program, type):
        return False
    import torch

    return issubclass(program, torch.autograd.Function)


class _Failure(pytest.fail.Exception):
    """What pytest's summary shows the first line of: the cause."""


# The summary names the exception before its message: `FAILED test_grad.py::test_square - gradcli: mismatch: ...`.
_Failure.__qualname__, _Failure.__module__ = "gradcli", "builtins"


def _fail_unless_passed(found: CheckReport, report: Report | None) -> None:
    """Fail with the cause, then the report; of a Function in another process, what is wrong with it."""
    __tracebackhide__ = True
    from gradcli.render import FORMATS
    from gradcli.render.style import Style
    from gradcli.render.suite_view import headline, place, sentences

    if found.passed:
        return
    text = found.stderr or "\n".join(part for part in (place(found), *sentences(found)) if part)
    if report is not None:
        text = FORMATS["plain"].render(report, Style(WIDTH, unicode=False))
    raise _Failure(f"{headline(found)}\n{text}", pytrace=False)


def _told(error: Any) -> str:
    from gradcli.render.errors import format_error

    return format_error(error).rstrip()
