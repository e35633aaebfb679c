"""Random programs: the symbolic gradient against references that share nothing with it.

Every program is compared with PyTorch's autograd on Python's own evaluation of the text, and with central differences;
those in `KNOWN` also with textbook definitions over scalars, differentiated entry by entry at 30 digits.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
from programs import Generated, execute, generate, templates
from scalars import gradients, knows, needed
from torch import Tensor

from gradcli.engine import evaluate_program
from gradcli.ops.table import OPS
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

# PyTorch warns of what is deprecated in it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

KNOWN, WHOLE = 200, 100
STEP = 1e-5


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


def found(count: int, *, known: bool) -> Iterator[Generated]:
    """Yield programs of consecutive seeds whose numbers are tame and whose point is at no kink."""
    choices = templates(knows if known else lambda *_: True)
    candidates = (generate(seed, choices) for seed in itertools.count(0 if known else 10_000))
    return itertools.islice((made for made in candidates if made is not None and smooth(made)), count)


@cache
def programs(*, known: bool) -> list[Generated]:
    return list(found(KNOWN if known else WHOLE, known=known))


def report_of(generated: Generated) -> Report:
    settings = Settings(grad_output=generated.weights)  # type: ignore[arg-type]
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


@pytest.mark.parametrize("number", range(KNOWN))
def test_a_program_of_textbook_ops(number: int) -> None:
    generated = programs(known=True)[number]
    report = report_of(generated)
    leaves = {name: leaf.numpy() for name, leaf in generated.leaves.items()}
    scalars = gradients(generated.text, leaves, generated.weights.numpy())
    for name in generated.leaves:
        symbolic = report[name].symbolic.value
        assert close(symbolic, torch.from_numpy(np.asarray(scalars[name])), 1e-9, 1e-12), generated.text
    agrees(generated, report)


@pytest.mark.parametrize("number", range(WHOLE))
def test_a_program_over_the_whole_table(number: int) -> None:
    generated = programs(known=False)[number]
    agrees(generated, report_of(generated))


def agrees(generated: Generated, report: Report) -> None:
    theirs, quotients = autograd(generated), central(generated)
    for name in generated.leaves:
        symbolic = report[name].symbolic.value
        assert close(symbolic, theirs[name], 1e-9, 1e-12), generated.text
        assert close(symbolic, quotients[name], 1e-6, 1e-6), generated.text
    # abs(relu(x)) is at a kink of abs wherever x < 0, although all one-sided derivatives there are 0.
    assert report.verdict in {Verdict.MATCH, Verdict.SUBGRADIENT}, (generated.text, [t.note for t in report.tensors])


def test_the_programs_cover_the_table() -> None:
    textbook = set().union(*(needed(generated.text) for generated in programs(known=True)))
    assert len(textbook) >= 60
    text = "\n".join(generated.text for known in (True, False) for generated in programs(known=known))
    used = [op for op in OPS if any(name.rpartition(".")[2] + "(" in text for name in (op.name, *op.aliases))]
    sys.stdout.write(f"textbook ops: {len(textbook)}, ops of the table that are called by name: {len(used)}\n")
    assert len(used) >= 120
