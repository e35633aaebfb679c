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
from programs import Generated, generate, templates
from references import agrees, close, report_of, smooth
from scalars import gradients, knows, needed

from gradcli.ops.table import OPS

# PyTorch warns of what is deprecated in it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

KNOWN, WHOLE = 200, 100


def found(count: int, *, known: bool) -> Iterator[Generated]:
    """Yield programs of consecutive seeds whose numbers are tame and whose point is at no kink."""
    choices = templates(knows if known else lambda *_: True)
    candidates = (generate(seed, choices) for seed in itertools.count(0 if known else 10_000))
    return itertools.islice((made for made in candidates if made is not None and smooth(made)), count)


@cache
def programs(*, known: bool) -> list[Generated]:
    return list(found(KNOWN if known else WHOLE, known=known))


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


def test_the_programs_cover_the_table() -> None:
    textbook = set().union(*(needed(generated.text) for generated in programs(known=True)))
    assert len(textbook) >= 60
    text = "\n".join(generated.text for known in (True, False) for generated in programs(known=known))
    used = [op for op in OPS if any(name.rpartition(".")[2] + "(" in text for name in (op.name, *op.aliases))]
    sys.stdout.write(f"textbook ops: {len(textbook)}, ops of the table that are called by name: {len(used)}\n")
    assert len(used) >= 120
