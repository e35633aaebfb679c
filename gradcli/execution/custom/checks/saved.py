"""What backward reads: whether it is that of its own forward, and kept where PyTorch watches it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.custom.causes.overwritten import overwritten
from gradcli.execution.custom.checks.contract import is_float, is_random, near, or_zero
from gradcli.execution.forward.addresses import address_of
from gradcli.execution.targets.function.sampling import moved
from gradcli.execution.targets.function.subject import Values
from gradcli.execution.targets.function.trial import Gradients, Trial
from gradcli.report.custom import Check
from gradcli.report.notes import Note, NoteKind, Notes, noted
from gradcli.report.verdict import Verdict

NAME = "saved tensors"
RISK = "changed in place before backward it would give a wrong gradient and no error: use ctx.save_for_backward"
KEEP = "what backward reads belongs on ctx: use ctx.save_for_backward"
# In which order the backwards of two applications run: as of a sum of both, and as of one after the other.
ORDERS = ((0, 1), (1, 0))


def saved_tensors(trial: Trial) -> Check:
    """Check that what backward reads of inputs and outputs is saved by save_for_backward, not kept on ctx.

    What is kept on ctx is not watched: changed in place before backward, it gives a wrong gradient and no error.
    What is kept elsewhere, as on the class, is another once forward runs again.
    """
    mixed = _mixed_up(trial)
    if mixed:
        return Check(NAME, Verdict.MISMATCH, (*mixed, Note(NoteKind.REMEDY, KEEP)))
    changed = overwritten(trial)
    if changed is not None:
        return Check(NAME, Verdict.MISMATCH, noted(NoteKind.CAUSE, changed))
    applied = trial.apply()
    known = {address_of(tensor): f"the input '{name}'" for name, tensor in applied.given.items()}
    known |= {address_of(item): f"output {place}" for place, item in enumerate(applied.outputs) if is_float(item)}
    held: dict[str, Tensor] = {name: value for name, value in vars(applied.node).items() if is_float(value)}
    wrong = [f"ctx.{name} is {known[address_of(value)]}" for name, value in held.items() if address_of(value) in known]
    if wrong:
        notes = (*(Note(NoteKind.CONTRACT, words) for words in wrong), Note(NoteKind.REMEDY, RISK))
        return Check(NAME, Verdict.MISMATCH, notes)
    names = ", ".join(f"ctx.{name}" for name in held)
    words = f"{names} holds a tensor that is neither input nor output" if held else None
    return Check(NAME, Verdict.MATCH, noted(NoteKind.CONTRACT, words))


def _mixed_up(trial: Trial) -> Notes:
    """Return which gradients of two applications are others where both forwards run before the backwards."""
    points = [trial.point, moved(trial.point, trial.settings.seed + 1)]
    try:
        with trial.subject.state.going_on():
            alone = [_together(trial, [point], [0])[0] for point in points]
    except ExecutionError:  # it may ask for its very values, or be random
        return ()
    if is_random(trial.apply(), trial.probe):
        return ()
    words = "the gradient of '{}' is another one once forward has run again before backward"
    wrong = dict.fromkeys(
        name
        for order in ORDERS
        for found, right in zip(_together(trial, points, order), alone, strict=True)
        for name in trial.wanted
        if not near(
            or_zero(found[name], trial.point[name]), or_zero(right[name], trial.point[name]), trial.tolerance, 0
        )
    )
    return tuple(Note(NoteKind.CONTRACT, words.format(name), name) for name in wrong)


def _together(trial: Trial, points: Sequence[Values], order: Sequence[int]) -> list[Gradients]:
    """Return the gradients at points: all forwards run first, and then the backwards in an order."""
    with trial.subject.state.going_on():
        applied = [trial.apply(point) for point in points]
        found = {place: applied[place].gradients(trial.probe) for place in order}
    return [found[place] for place in range(len(points))]
