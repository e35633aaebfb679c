"""What a Function of code that is to blame is called: its class and line, and where it was applied."""

from __future__ import annotations

from gradcli.execution.forward.followed import Step
from gradcli.execution.targets.frames import defined_at
from gradcli.report.custom import SourcePlace


def applied(step: Step) -> str:
    """Return what the backward of a step's Function is called: where it is written, and where it was applied."""
    assert step.function is not None  # noqa: S101 (only Functions are judged)
    backward = getattr(step.function, "backward", None)
    defined = "" if backward is None else at(defined_at(backward))
    inside = f" in module '{step.module}'" if step.module else ""
    return f"the backward of {step.function.__name__}{defined}, applied{at(step.place, brackets=False)}{inside},"


def at(place: SourcePlace | None, *, brackets: bool = True) -> str:
    """Return a place in words, with a space before it; nothing where it is not known."""
    if place is None:
        return ""
    return f" ({place.file}:{place.line})" if brackets else f" at {place.file}:{place.line}"
