"""A Function from its class to its report: every check, at a point and around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gradcli.deadline import OverdueError, share_of_time
from gradcli.derivation.derivations import Derivations
from gradcli.errors import ExecutionError, InputError
from gradcli.execution.autograd.backward import cotangent_of
from gradcli.execution.comparison.causes import Clues
from gradcli.execution.comparison.compare import compare
from gradcli.execution.comparison.reports import report_on
from gradcli.execution.custom.checks import (
    contract,
    double_backward,
    elsewhere,
    linear,
    other_dtype,
    saved,
    shapes,
    transforms,
)
from gradcli.execution.custom.gradients import ComparedGradients, compare_gradients
from gradcli.execution.custom.reference import Side
from gradcli.execution.custom.unsteady import is_unsteady, left_undecided
from gradcli.execution.forward.recording import Recording
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.forward.value_files import read_values
from gradcli.execution.process import state_kept
from gradcli.execution.run import report_with
from gradcli.execution.targets.frames import defined_at
from gradcli.execution.targets.function.mirrored import mirrored
from gradcli.execution.targets.function.sampling import draw_point, is_finite, is_symmetric, moved, spread
from gradcli.execution.targets.function.subject import Subject, Values
from gradcli.execution.targets.function.trial import Applied, NoReferenceError, ReferenceFunction, Trial, apply
from gradcli.execution.targets.loading import backward_of
from gradcli.phrases import show_shape
from gradcli.report.custom import Check, CustomDetails, FunctionNode
from gradcli.report.notes import NoteKind, Notes, led, noted
from gradcli.report.report import Output, Report, TensorReport
from gradcli.report.verdict import Verdict, worst
from gradcli.settings import Settings
from gradcli.witnesses import WITNESSES

Checking = Callable[[Trial], "Check | None"]
# Each looks at one thing that may be wrong whatever the gradient is; None if there is nothing to look at.
ALWAYS: Mapping[str, Checking] = {
    "gradients returned": contract.gradients_returned,
    "no gradient missing": contract.no_gradient_missing,
    "linear in grad_output": linear.is_linear,
    "needs_input_grad": contract.needs_input_grad,
    "deterministic": contract.is_deterministic,
    "arguments unmodified": contract.leaves_arguments_alone,
    "saved tensors": saved.saved_tensors,
    "jvp": transforms.jvp,
    "vmap": transforms.vmap,
}
# What needs nothing to compare with.
OF_ITSELF: Mapping[str, Checking] = {"deterministic": contract.is_deterministic}
OTHER_DTYPE = "in another dtype"
# Each looks at the gradient again, elsewhere or once more: of a wrong one there is no more to say.
AGAIN: Mapping[str, Checking] = {
    "other points": elsewhere.other_points,
    "zeros in grad_output": elsewhere.upstream,
    "other shapes": shapes.shapes,
    "non-contiguous tensors": elsewhere.strides,
    OTHER_DTYPE: other_dtype.in_other_dtype,
    "double backward": double_backward.double_backward,
}
# The part of the time that is left which one check may take: the others are to be looked at too.
SHARE = 0.5
# What a complex output is multiplied by: for a real number a conjugate that is missing may not show.
COMPLEX_ONE = 1 + 0.5j

LEFT_OUT = noted(NoteKind.SCOPE, "not looked at, and neither is what is undecided below: the gradient is already wrong")


@torch.random.fork_rng(devices=())  # what a user draws afterwards is not ours to change
def examine(
    subject: Subject,
    reference: ReferenceFunction,
    settings: Settings,
    given: Mapping[str, Any],
    derivations: Derivations,
) -> Report:
    """Return the report of a Function; `given` maps inputs to values from Python.

    Raises GradcliError if forward raises, or an option is wrong; what backward does wrong is a verdict.
    """
    torch.manual_seed(settings.seed)
    trial, applied, compared = _compared(_trial(subject, reference, settings, given, derivations))
    forward = _forward(trial, applied, compared.shown) if settings.verify else None
    checks = [*([forward] if forward else []), *compared.checks]
    if settings.verify:
        checks += _run(ALWAYS if compared.shown or not compared.left_out else OF_ITSELF, trial)
        checks += (
            _unlooked_at(trial, compared.left_out)
            if compared.left_out
            else _again(trial, _of_gradients(compared.checks))
        )
    tensors = [*compared.tensors, _output(trial, applied, forward)]
    return report_with(
        settings,
        subject.text,
        Output(subject.text, tuple(applied.output.shape), applied.output.detach()),
        tensors,
        details=CustomDetails(
            checks=tuple(checks) if settings.verify else None,
            node=_node(trial, applied),
            surrogate=settings.surrogate,
            source=defined_at(backward_of(subject.function)),
        ),
        further=[check.verdict for check in checks],
    )


def _trial(
    subject: Subject,
    reference: ReferenceFunction,
    settings: Settings,
    given: Mapping[str, Any],
    derivations: Derivations,
) -> Trial:
    def fits(point: dict[str, Tensor]) -> bool:
        return is_finite(apply(subject, point).outputs)

    point = draw_point(subject.tensors, settings, given, fits)
    applied = apply(subject, point)
    ones = COMPLEX_ONE if applied.output.is_complex() else "ones"
    chosen = ones if settings.grad_output is None else settings.grad_output
    cotangent = cotangent_of(TracedTensor(applied.output, None, subject.text), chosen, seed=settings.seed)
    probe = spread(applied.output, -1.25, 1.75)
    recording = reference(point, applied.places)
    known = frozenset([*read_values(settings.values_file), *settings.values, *given])
    if _is_of_symmetric(recording):
        free = [name for name in point if name not in known]
        point = dict(mirrored(subject, point, free, applied.places))
        recording = reference(point, applied.places)
    _check_shape(recording.output, applied.output, settings)
    return Trial(
        subject,
        reference,
        settings,
        point,
        applied.places,
        cotangent,
        probe,
        derivations,
        recording.precision,
        _symmetric(recording, point),
        known,
    )


def _compared(trial: Trial) -> tuple[Trial, Applied, ComparedGradients]:
    """Return what the witnesses say at the trial's point, or beside it, if it is at a kink by chance.

    Entries are drawn from a grid, to be exact in every dtype: sums and differences of them are equal more often than
    those of other numbers. What is a kink beside it too is one of forward's own making.
    """
    applied = trial.apply()
    if trial.settings.verify and is_unsteady(trial):
        return trial, applied, left_undecided(trial, applied)
    compared = compare_gradients(trial, applied)
    drawn = [] if trial.settings.init is not None else [name for name in trial.wanted if name not in trial.given]
    if not drawn or _of_gradients(compared.checks) is not Verdict.SUBGRADIENT:
        return trial, applied, compared
    near = moved(trial.point, trial.settings.seed)
    other = replace(trial, point={**trial.point, **{name: near[name] for name in drawn}})
    try:
        applied_there = other.apply()
    except ExecutionError:  # it may ask for its very values
        return trial, applied, compared
    there = compare_gradients(other, applied_there)
    is_left = _of_gradients(there.checks) in {Verdict.MATCH, Verdict.MISMATCH}
    return (other, applied_there, there) if is_left else (trial, applied, compared)


def _symmetric(recording: Recording, point: Values) -> frozenset[str]:
    """Return the inputs that are symmetric where forward is of symmetric matrices: ops read one triangle only."""
    if not _is_of_symmetric(recording):
        return frozenset()
    return frozenset(name for name, value in point.items() if value.requires_grad and is_symmetric(value))


def _is_of_symmetric(recording: Recording) -> bool:
    return any(call.op.symmetric for call in recording.trace.calls)


def _check_shape(program: Tensor, output: Tensor, settings: Settings) -> None:
    """Refuse a surrogate of another shape than forward: one upstream gradient is for both."""
    if settings.surrogate is not None and program.shape != output.shape:
        shapes = show_shape(tuple(program.shape)), show_shape(tuple(output.shape))
        message = f"the surrogate has shape {shapes[0]}, and forward's output has shape {shapes[1]}"
        raise InputError(
            message, option="--surrogate", hint="backward is the derivative of something of forward's shape"
        )


def _run(checks: Mapping[str, Checking], trial: Trial) -> list[Check]:
    """Return what checks found; what the user's code raises in one is found too."""
    found: list[Check] = []
    for name, check in checks.items():
        try:
            with state_kept(), share_of_time(SHARE * trial.time_left):
                result = check(trial)
        except OverdueError as error:
            words = f"not looked at: it takes too long{error.where}: `--timeout` gives more time"
            result = Check(name, Verdict.UNDECIDED, noted(NoteKind.LIMIT, words))
        except ExecutionError as error:
            result = Check(name, Verdict.MISMATCH, noted(NoteKind.ERROR, error.message))
        except NoReferenceError as error:
            result = Check(name, Verdict.UNDECIDED, noted(NoteKind.LIMIT, str(error)))
        found += [result] if result is not None else []
    return found


def _of_gradients(checks: Sequence[Check]) -> Verdict:
    """Return what the witnesses say of the gradients; some look at their derivatives, which "double backward" names."""
    others = {row.title for row in WITNESSES.values() if not row.votes}
    return worst([check.verdict for check in checks if check.name not in others])


def _again(trial: Trial, known: Verdict) -> list[Check]:
    if known in {Verdict.MISMATCH, Verdict.UNDEFINED}:
        return _unlooked_at(trial, LEFT_OUT)
    if known is Verdict.SUBGRADIENT:  # elsewhere there is one right answer
        trial = replace(trial, point=moved(trial.point, trial.settings.seed))
    return _run(_checks_again(trial), trial)


def _checks_again(trial: Trial) -> dict[str, Checking]:
    """Return the checks of the gradient elsewhere, by their names, of which one says the other dtype."""
    dtype = other_dtype.OTHER[trial.settings.dtype]
    return {f"in {dtype}" if name == OTHER_DTYPE else name: check for name, check in AGAIN.items()}


def _unlooked_at(trial: Trial, notes: Notes) -> list[Check]:
    first, *others = _checks_again(trial)
    return [Check(first, Verdict.UNDECIDED, notes), *(Check(name, Verdict.UNDECIDED) for name in others)]


def _forward(trial: Trial, applied: Applied, shown: Side | None) -> Check | None:
    """Return whether what PyTorch's apply gives is what the reference computes."""
    if shown is None or trial.settings.surrogate is not None:
        return None
    wanted, found, left = shown.recording.output.detach(), applied.output.detach(), shown.recording.left
    clues = Clues("forward", "the output", right="the reference")
    comparison = compare(found, wanted, trial.tolerance, 0.0, clues)
    if left is not None and not comparison.verdict.passes:  # what was recorded is not what was computed
        return Check("forward", Verdict.UNDECIDED, noted(NoteKind.LIMIT, left))
    return Check("forward", comparison.verdict, comparison.notes)


def _output(trial: Trial, applied: Applied, forward: Check | None) -> TensorReport:
    """Return the output as a tensor of the report: its node, and the upstream gradient."""
    return report_on(
        applied.output,
        trial.subject.text,
        kind="non-leaf",
        grad_fn=_node_name(applied.node),
        gradient=trial.cotangent,
        verdict=forward.verdict if forward else None,
        notes=led("the value: ", forward.notes) if forward else (),
    )


def _node_name(node: Any) -> str:
    """Return a node's name as `grad_fn` shows it."""
    return str(node.name()).rpartition("::")[2]


def _node(trial: Trial, applied: Applied) -> FunctionNode:
    """Return the node in the graph, and what a call of its backward by hand gives."""
    names = [name for name in trial.subject.tensors if isinstance(trial.point.get(name), Tensor)]
    following = [None if node is None else _node_name(node) for node, _ in applied.node.next_functions]
    upstream = applied.upstream(trial.cotangent)
    try:
        returned = applied.returned(trial.cotangent)
    except ExecutionError:
        returned = []
    parameters = [parameter.name for parameter in trial.subject.parameters]
    return FunctionNode(
        name=_node_name(applied.node),
        next_functions=dict(zip(names, following, strict=False)),
        grad_outputs=tuple(upstream),
        returned={name: _plain(value) for name, value in zip(parameters, returned, strict=False)},
    )


def _plain(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else None
