"""What the numerical witnesses say of a gradient: they ask forward itself, and neither backward nor a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.custom.reference import Compared, Side
from gradcli.execution.forward.dtypes import double
from gradcli.execution.targets.function.sampling import spread
from gradcli.execution.targets.function.subject import Values, joined
from gradcli.execution.targets.function.trial import Gradients, Trial
from gradcli.execution.witnesses.question import Question, checked, witnesses
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.witnesses import ADJOINT, DIFFERENCES, WITNESSES

# What all inputs together are called.
ALL = "all inputs"
# How far beside a point others are looked at, of its largest entry: beyond the steps of finite differences.
BESIDE = 2.0**-7


def numerical(trial: Trial, gradients: Gradients) -> dict[str, dict[str, WitnessReport]]:
    """Return what finite differences and the Taylor test say, by input; they need double precision."""
    if trial.settings.dtype != "float64" or trial.precision is not None or not trial.settings.verify:
        return {}
    point = {name: value.detach().cpu() for name, value in trial.point.items()}
    asked, reports = witnesses([name for name in WITNESSES if name != ADJOINT or _is_followed(trial)]), {}
    for name in trial.wanted:
        given = gradients.get(name)
        gradient = torch.zeros_like(point[name]) if given is None else given.detach().cpu()
        # It decides, as far as is known.
        question = Question(
            _function(trial),
            point,
            name,
            trial.cotangent.cpu(),
            decides=True,
            applied=_there(trial, lambda values: _applied(trial, values)),
        )
        reports[name] = checked(asked, question, gradient, trial.tolerance)
    return reports


def _is_followed(trial: Trial) -> bool:
    """Return whether autograd has the derivative of what forward computes: its forward mode is asked for that."""
    return trial.settings.surrogate is not None or trial.reference(trial.point, trial.places).left is None


def _function(trial: Trial) -> Callable[[Values], Tensor]:
    """Return what forward computes, of values on the CPU."""
    return _there(trial, trial.function)


def _there(trial: Trial, function: Callable[[Values], Tensor]) -> Callable[[Values], Tensor]:
    """Return a function of values on the CPU, which computes where the check does."""
    device = trial.settings.device
    if device == "cpu":
        return function
    return lambda values: function({name: value.to(device) for name, value in values.items()}).cpu()


def _applied(trial: Trial, values: Values) -> Tensor:
    """Return the output of the Function itself, with a copy of each input: forward may change it in place."""
    copies = {name: tensor.clone() for name, tensor in values.items()}
    return joined(trial.subject.apply(copies), trial.places)


def by_differences(trial: Trial, point: Values, name: str, cotangent: Tensor, gradient: Tensor) -> Verdict:
    """Return what finite differences of forward say of a gradient at a point, in double precision."""
    return _differences(
        trial, Question(_function(trial), _exact(point), name, double(cotangent), decides=True), gradient
    )


def of_a_number(
    trial: Trial, function: Callable[[Values], Tensor], point: Values, name: str, gradient: Tensor
) -> Verdict:
    """Return what finite differences of a function of values on the CPU, whose value is a number, say of a gradient."""
    one = torch.ones((), dtype=torch.float64)
    return _differences(trial, Question(_there(trial, function), _exact(point), name, one, decides=True), gradient)


def _exact(point: Values) -> dict[str, Tensor]:
    return {label: double(value.detach()) for label, value in point.items()}


def _differences(trial: Trial, question: Question, gradient: Tensor) -> Verdict:
    try:
        reports = checked(witnesses([DIFFERENCES]), question, double(gradient), trial.tolerance)
    except (ExecutionError, RuntimeError):
        return Verdict.UNDECIDED
    return reports[DIFFERENCES].verdict


def by_all(trial: Trial, point: Values, cotangent: Tensor, gradients: Gradients) -> Verdict:
    """Return what finite differences of forward say of all gradients as one: at a kink each may be right, and not all.

    Where `x = y`, 1 is a choice for either gradient of `maximum(x, y)`; along the two its slope is 1, and not 2.
    """
    exact = _exact(point)
    names = trial.wanted
    sizes, shapes = [exact[name].numel() for name in names], [exact[name].shape for name in names]
    if len({exact[name].dtype for name in names}) > 1:
        return Verdict.UNDECIDED

    def function(values: Values) -> Tensor:
        parts = zip(values[ALL].split(sizes), shapes, names, strict=True)
        return _function(trial)({**exact, **{name: part.reshape(shape) for part, shape, name in parts}})

    whole = torch.cat([exact[name].reshape(-1) for name in names])
    given = [(name, gradients.get(name)) for name in names]
    gradient = torch.cat(
        [
            torch.zeros_like(exact[name]).reshape(-1) if g is None else double(g.detach()).reshape(-1)
            for name, g in given
        ]
    )
    return _differences(trial, Question(function, {ALL: whole}, ALL, double(cotangent), decides=True), gradient)


def along(trial: Trial, tangents: Values, cotangent: Tensor, tangent: Tensor) -> Verdict:
    """Return what finite differences of forward along tangents of the inputs say of the output's tangent."""
    exact, steps = _exact(trial.point), _exact(tangents)

    def function(values: Values) -> Tensor:
        moved = {name: exact[name] + values[ALL] * step for name, step in steps.items()}
        return _function(trial)({**exact, **moved})

    start = {ALL: torch.zeros((), dtype=torch.float64)}
    slope = (double(cotangent) * double(tangent)).sum()
    return _differences(trial, Question(function, start, ALL, double(cotangent), decides=True), slope)


def at_kinks(trial: Trial, found: Mapping[str, Compared], side: Side) -> set[str]:
    """Return the inputs whose gradient is another than autograd's, and a choice at a kink by finite differences.

    It is that for a random upstream gradient: what is summed over may have no kink, as probabilities that add up to 1.
    In any dtype the differences are of forward in double precision.
    """
    differing = [name for name in found if found[name].autograd.verdict is Verdict.MISMATCH]
    asked = {name: by_differences(trial, trial.point, name, side.cotangent, found[name].gradient) for name in differing}
    return {name for name, verdict in asked.items() if verdict is Verdict.SUBGRADIENT}


def misled(
    trial: Trial,
    found: tuple[Mapping[str, Compared], Mapping[str, Compared]],
    said: Mapping[str, Mapping[str, WitnessReport]],
    sides: tuple[Side, Side],
) -> dict[str, Verdict]:
    """Return the inputs for which finite differences of forward deny the gradient of its body.

    With what they say of backward's. Where the gradients for the upstream gradient of the report agree, those for the
    random one tell. In a lower dtype nothing is `said`, and the differences are of forward in double precision.
    """
    if trial.settings.reference is not None or trial.settings.surrogate is not None:
        return {}
    asked = {
        name: _if_misled(trial, name, [side[name] for side in found], said.get(name, {}), sides)
        for name in trial.wanted
    }
    return {name: verdict for name, verdict in asked.items() if verdict is not None}


def _if_misled(
    trial: Trial,
    name: str,
    found: list[Compared],
    said: Mapping[str, WitnessReport],
    sides: tuple[Side, Side],
) -> Verdict | None:
    """Return what finite differences say of backward's gradient, where they deny that of the body; else None."""
    wrong = [pair for pair in zip(found, sides, strict=True) if pair[0].autograd.verdict is Verdict.MISMATCH]
    if not wrong:
        return None
    own, side = wrong[0]
    if own is found[0] and DIFFERENCES in said:
        verdict = said[DIFFERENCES].verdict
    else:
        verdict = by_differences(trial, trial.point, name, side.cotangent, own.gradient)
    if verdict not in {Verdict.MATCH, Verdict.MISMATCH}:
        return None
    right = by_differences(trial, trial.point, name, side.cotangent, side.right[name])
    return verdict if right is Verdict.MISMATCH else None


def nearby(trial: Trial, name: str) -> Verdict:
    """Return what finite differences of forward say of autograd of its body on two sides of the point.

    Where they confirm it there and deny it at the point, that is a kink; what forward decides, it decides everywhere.
    """
    verdicts = {_of_body(trial, name, _beside(trial, side)) for side in (BESIDE, -BESIDE)}
    if Verdict.MISMATCH in verdicts:
        return Verdict.MISMATCH
    return Verdict.MATCH if all(verdict.passes for verdict in verdicts) else Verdict.UNDECIDED


def _of_body(trial: Trial, name: str, point: Values) -> Verdict:
    try:
        right = trial.right(trial.probe, point)[name]
        return by_differences(trial, point, name, trial.probe, right)
    except (ExecutionError, RuntimeError):
        return Verdict.UNDECIDED


def _beside(trial: Trial, distance: float) -> Values:
    """Return another point, each of whose entries is moved by an amount of its own."""
    moved = dict(trial.point)
    for name in trial.wanted:
        value = trial.point[name].detach()
        size = float(value.abs().max()) if value.numel() else 0.0
        step = distance * (size or 1.0) * spread(value, 0.5, 1.5)
        moved[name] = (value + step).requires_grad_()
    return moved
