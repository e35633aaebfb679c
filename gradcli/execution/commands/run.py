"""`run`: a script as it stands, and each of its backward calls that is wanted beside the symbolic derivative."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from gradcli.deadline import deadline
from gradcli.derivation.derivations import Derivations
from gradcli.errors import ExecutionError, GradcliError, internal
from gradcli.execution.code.script.calls import BackwardCall
from gradcli.execution.code.script.follower import ScriptFollower
from gradcli.execution.code.script.running import run as run_script
from gradcli.execution.code.script.session import Session, Wanted
from gradcli.execution.commands.graph import graph_of
from gradcli.execution.comparison.script_calls import SeenCall, UndecidedCallError, judged, see
from gradcli.execution.forward.memory import in_force
from gradcli.execution.process import collector_paused, state_kept
from gradcli.inputs.command_line import joined, options_of
from gradcli.progress import stage
from gradcli.report.custom import SourcePlace
from gradcli.report.graph import GraphDetails
from gradcli.report.report import Report
from gradcli.report.verdict import fails
from gradcli.settings import Settings

ELSEWHERE = "a thread that the script has started makes this call: it was not checked"
IN_THIS = "call it in the thread that runs the script; what other threads do is not followed"


@dataclass(frozen=True, slots=True)
class CheckedCall:
    """What a backward call of a script came to: a report, or an error."""

    name: str
    program: str
    place: SourcePlace | None
    report: Report | None
    error: GradcliError | None
    seconds: float
    reproduce: str


Tell = Callable[[CheckedCall], None]


def run(
    script: str, arguments: Sequence[str], settings: Settings, derivations: Callable[[], Derivations], tell: Tell
) -> None:
    """Run a script, and tell what each backward call that is wanted came to.

    Raises GradcliError if the script fails, or makes no call that is wanted.
    """
    checks = _Checks(script, arguments, settings, derivations, tell)
    stage(f"running {script}")
    session = Session(Wanted(frozenset(settings.calls), settings.every is not None), checks.look)
    try:
        with session.watching():
            run_script(script, arguments, session.hint)
    finally:
        checks.finish()
    if session.count and (settings.picks_default or settings.every == "all"):
        checks.leave_out(session.elsewhere)
    missing = _missing(session.count, len(session.elsewhere), settings)
    if missing is not None:
        raise missing


def _missing(count: int, elsewhere: int, settings: Settings) -> GradcliError | None:
    """Return the error that a script makes no backward call, or not all that are asked for by number."""
    if count == 0 and elsewhere:
        return ExecutionError("the script calls backward() in other threads alone", hint=IN_THIS)
    if count == 0:
        hint = "gradients are checked where `.backward()` or `torch.autograd.grad` is called; nothing was checked"
        return ExecutionError("the script calls no backward()", hint=hint)
    left = [number for number in settings.calls if number > count]
    if settings.every is not None or settings.picks_default or not left:
        return None
    times = "once" if count == 1 else f"{count:,} times"
    asked = ", ".join(map(str, left))
    return ExecutionError(
        f"the script calls backward {times}, and --backward asks for {asked}", hint="`last` is the last"
    )


class _Once:
    """Runs a call the first time that it is asked to, and returns what it returned ever after."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run: Callable[[], Any] | None = run
        self._result: Any = None
        self.error: Exception | None = None
        """What the call raised."""

    def __call__(self) -> Any:
        """Return what the call returns."""
        run, self._run = self._run, None
        try:
            self._result = self._result if run is None else run()
        except Exception as error:
            self.error = error
            raise
        return self._result


class _Checks:
    """The checks of a script, as it runs."""

    def __init__(
        self,
        script: str,
        arguments: Sequence[str],
        settings: Settings,
        derivations: Callable[[], Derivations],
        tell: Tell,
    ) -> None:
        self._command = script, tuple(arguments)
        self._settings = settings
        self._derivations = derivations
        self._tell = tell
        self._last: tuple[BackwardCall, SeenCall | GradcliError] | None = None

    def look(self, call: BackwardCall, follower: ScriptFollower, run: Callable[[], Any]) -> Any:
        """Run a call that is wanted, and check it, unless it may not be the last."""
        ran = _Once(run)
        seen: SeenCall | GradcliError
        try:
            with collector_paused():
                seen = see(call, follower, ran, graph=self._settings.command == "graph")
        except Exception as error:
            if ran.error is error:
                raise
            seen = error if isinstance(error, GradcliError) else internal(error)
        result = ran()
        if self._settings.every == "last":
            self._last = call, seen
        else:
            self._check(call, seen)
        return result

    def finish(self) -> None:
        """Check the last call, if that alone is wanted."""
        if self._last is not None:
            self._check(*self._last)
            self._last = None

    def leave_out(self, places: Sequence[SourcePlace | None]) -> None:
        """Tell of calls that other threads made, a line of the script each, that they were not checked."""
        for place in dict.fromkeys(places):
            name = "another thread" if place is None else f"{place.file}:{place.line}, in another thread"
            again = joined(["gradcli", "run", *options_of(self._settings), self._command[0], *self._command[1]])
            error = UndecidedCallError(ELSEWHERE, hint=IN_THIS)
            self._tell(CheckedCall(name, "backward()", place, None, error, 0.0, again))

    def _check(self, call: BackwardCall, seen: SeenCall | GradcliError) -> None:
        stage(f"checking {call.name}")
        started = time.perf_counter()
        report, error = None, seen if isinstance(seen, GradcliError) else None
        if not isinstance(seen, GradcliError):
            try:
                report = self._judged(seen)
            except GradcliError as found:
                error = found
            except Exception as found:  # noqa: BLE001 (a defect costs only this check, and is told as what it is)
                error = internal(found)
        again = self._reproduce(call)
        if report is not None and fails(report.verdict):
            report = replace(report, reproduce=again)
        seconds = time.perf_counter() - started
        stage(f"running {self._command[0]}, last check {call.name}")
        self._tell(CheckedCall(call.name, call.text, call.place, report, error, seconds, again))

    def _judged(self, seen: SeenCall) -> Report:
        settings = self._settings
        with (
            state_kept(),
            deadline(settings.timeout),
            in_force(settings.limits),
            collector_paused(),
            torch.enable_grad(),
        ):
            run, report = judged(seen, settings, self._derivations())
            if seen.graph is None:
                return report
            return replace(report, details=GraphDetails(graph_of(run, seen.graph, {*seen.gradients})))

    def _reproduce(self, call: BackwardCall) -> str:
        script, arguments = self._command
        options = options_of(self._settings)
        return joined(["gradcli", "run", "--backward", str(call.number), *options, script, *arguments])


__all__ = ["CheckedCall", "UndecidedCallError", "run"]
