"""A program's symbolic gradient beside autograd on Python's own evaluation of the text, and central differences."""

from __future__ import annotations

import torch
from programs import Generated, execute
from torch import Tensor

from gradcli.engine import evaluate_program
from gradcli.report.notes import NoteKind
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

STEP = 1e-5

SATURATED = 1e-6


def smooth(generated: Generated) -> bool:
    """Return whether the one-sided differences agree: at a kink, no reference is right."""
    return all(
        bool(((above - below).abs() <= 1e-2 * (1 + above.abs().max())).all())
        for above, below in zip(differences(generated, 1e-5), differences(generated, -1e-5), strict=True)
    )


def differences(generated: Generated, step: float) -> list[Tensor]:
    """Return one-sided difference quotients by every entry of every leaf."""
    middle = value(generated, generated.leaves)
    return [
        torch.stack(
            [(value(generated, shifted(generated, name, place, step)) - middle) / step for place in range(leaf.numel())]
        )
        for name, leaf in generated.leaves.items()
    ]


def shifted(generated: Generated, name: str, place: int, step: float) -> dict[str, Tensor]:
    leaf = generated.leaves[name].clone()
    leaf.view(-1)[place] += step
    return generated.leaves | {name: leaf}


def value(generated: Generated, leaves: dict[str, Tensor]) -> Tensor:
    return (execute(generated.text, leaves) * generated.weights).sum()


def report_of(generated: Generated) -> Report:
    settings = Settings(grad_output=generated.weights, formulas=False)  # type: ignore[arg-type]
    return evaluate_program(generated.text, settings, generated.leaves)


def autograd(generated: Generated) -> dict[str, Tensor]:
    leaves = {name: leaf.clone().requires_grad_() for name, leaf in generated.leaves.items()}
    gradients = torch.autograd.grad(
        value(generated, leaves), list(leaves.values()), allow_unused=True, materialize_grads=True
    )
    return dict(zip(leaves, gradients, strict=True))


def central(generated: Generated) -> dict[str, Tensor]:
    pairs = zip(differences(generated, STEP), differences(generated, -STEP), strict=True)
    means = [(above + below) / 2 for above, below in pairs]
    return {name: mean.reshape(leaf.shape) for (name, leaf), mean in zip(generated.leaves.items(), means, strict=True)}


def close(left: Tensor, right: Tensor, relative: float, absolute: float) -> bool:
    largest = float(right.abs().max()) if right.numel() else 0.0
    return bool(((left - right).abs() <= relative * right.abs() + absolute * max(largest, 1.0)).all())


def agrees(generated: Generated, report: Report) -> None:
    theirs, quotients = autograd(generated), central(generated)
    for name in generated.leaves:
        symbolic = report[name].symbolic.value
        assert close(symbolic, theirs[name], 1e-9, 1e-12), generated.text
        assert close(symbolic, quotients[name], 1e-6, 1e-6), generated.text
    wrong = [tensor for tensor in report.tensors if tensor.verdict not in _right(tensor) and not _is_saturated(tensor)]
    assert not wrong, (generated.text, [(tensor.name, tensor.verdict, tensor.note) for tensor in wrong])


def _is_saturated(tensor: TensorReport) -> bool:
    """Return whether a gradient is what the backward of sigmoid leaves of its digits far from 0: see the findings."""
    return "(SigmoidBackward0)" in (tensor.note or "") and float(tensor.gradient.abs().max()) < SATURATED


def _right(tensor: TensorReport) -> set[Verdict]:
    """Return the verdicts that are right where the program is smooth in its leaves.

    abs(relu(x)) is at a kink of abs wherever x < 0, although all one-sided derivatives there are 0; and in
    remainder(y, x) with y = 1*x the program is smooth in x, and jumps in y. In between, rounding may decide which of
    several that symmetry makes equal is the largest, and differences may not tell more.
    """
    inside = set() if tensor.kind == "leaf" else {Verdict.UNDEFINED}
    if inside and any(note.kind is NoteKind.ROUNDING for note in tensor.notes):
        inside.add(Verdict.UNDECIDED)
    return {Verdict.MATCH, Verdict.SUBGRADIENT} | inside
