from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.errors import LimitError
from gradcli.execution.forward import memory, tree
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.forward.memory import in_force
from gradcli.execution.forward.rehearsal import Audience, rehearse
from gradcli.execution.forward.run import trace_of
from gradcli.execution.forward.trace import invocation
from gradcli.inputs.programs import read
from gradcli.limits import Limits
from gradcli.ops.record import Kind
from gradcli.ops.table import OPS, find
from gradcli.settings import Settings

QUIET = Audience(lambda _: None, lambda _: None, lambda _: None)
# What cannot be known without the data: the call is run with no more than its operands' sizes known.
UNKNOWN = {"combinations", "masked_select", "linalg.lstsq", "ctc_loss"}
# PyTorch's own shapes on the meta device are others.
DIFFERENT = {"native_batch_norm"}


def calls() -> Iterator[tuple[str, partial[Any]]]:
    """Yield every call that an example of the op table makes."""
    for op in OPS:
        for example in op.examples:
            text, shapes = parse_example(example)
            program = read(text, Settings())
            for call in trace_of(program, Settings(), leaves_for(program, shapes, find, 0)).calls:
                yield call.op.name, invocation(call.op, call.arguments, lambda traced: traced.tensor)


def test_a_rehearsal_knows_the_shapes_of_every_op_and_stays_within_the_bound() -> None:
    known: set[str] = set()
    made: list[int] = []
    audience = Audience(lambda shape: made.append(shape.numel()), lambda _: None, made.append)
    with warnings.catch_warnings(), default_dtype(Settings()):
        warnings.simplefilter("ignore")
        for name, call in calls():
            real = [tensor.shape for tensor in tree.tensors(call())]
            made[:] = [0]
            found = list(rehearse(call, audience).shapes)
            assert max(made) <= memory._bound([call.args, call.keywords], pointwise=False), name
            assert name in DIFFERENT or found == real or (name in UNKNOWN and not found), name
            known.add(name)
    assert len(known) > 400


@pytest.mark.parametrize(
    ("call", "largest"),
    [
        (partial(torch.cov, torch.ones(50, 2)), 2500),
        (partial(torch.combinations, torch.ones(9), 3), 729),
        (partial(torch.einsum, "a,b,c->abc", torch.ones(5), torch.ones(6), torch.ones(7)), 210),
        (partial(torch.repeat_interleave, torch.ones(2), torch.tensor([3, 40])), 43),
        (partial(torch.nn.functional.one_hot, torch.tensor([70])), 71),
    ],
)
def test_what_a_call_makes_on_the_way_is_seen(call: partial[Any], largest: int) -> None:
    made: list[int] = []
    rehearse(call, Audience(lambda shape: made.append(shape.numel()), lambda _: None, lambda _: None))
    assert max(made) >= largest


def test_views_are_counted_and_take_no_entries() -> None:
    made: list[int] = []
    counts: list[int] = []
    rehearse(
        partial(torch.unbind, torch.ones(1000)),
        Audience(lambda shape: made.append(shape.numel()), counts.append, lambda _: None),
    )
    assert max(counts) >= 1000
    assert not made


def test_integers_of_the_caller_are_not_changed() -> None:
    integers = torch.tensor([3, 1, 2])
    rehearse(partial(torch.Tensor.add_, integers, 5), QUIET)
    assert integers.tolist() == [3, 1, 2]


def test_who_is_told_ends_a_rehearsal() -> None:
    def refuse(_: torch.Size) -> None:
        raise LimitError("too large")

    with pytest.raises(LimitError):
        rehearse(partial(torch.eye, 3), Audience(refuse, lambda _: None, lambda _: None))


IMAGE, FILTER = torch.ones(2, 4, 10, 12, dtype=torch.float64), torch.ones(6, 2, 3, 5, dtype=torch.float64)


@pytest.mark.parametrize(
    ("call", "entries"),
    [
        # 2 samples, 2 channels of a group, windows of 3x5 in 8x8 places
        (partial(torch.conv2d, IMAGE, FILTER, groups=2), 2 * 2 * 15 * 64),
        (partial(torch.conv2d, IMAGE, FILTER, padding="same", groups=2), 2 * 2 * 15 * 120),
        (partial(torch.conv1d, IMAGE[:, :, 0], FILTER[:, :, 0], groups=2, stride=2), 2 * 2 * 5 * 4),
        (partial(torch.conv_transpose2d, IMAGE, torch.ones(4, 3, 3, 5, dtype=torch.float64)), 3 * 15 * 120),
    ],
)
def test_the_windows_of_a_convolution_are_counted(call: partial[Any], entries: int) -> None:
    counted: list[int] = []
    rehearse(call, Audience(lambda _: None, lambda _: None, counted.append))
    assert counted == [entries]


def test_what_a_pointwise_op_makes_is_known_without_a_rehearsal() -> None:
    known: set[str] = set()
    with warnings.catch_warnings(), default_dtype(Settings()):
        warnings.simplefilter("ignore")
        for name, call in calls():
            op = find(name)
            if op is None or op.kind is not Kind.POINTWISE:
                continue
            made = max(tensor.numel() for tensor in tree.tensors(call()))
            given = [leaf.numel() for leaf in tree.tensors([call.args, call.keywords])]
            assert made <= memory._bound([call.args, call.keywords], pointwise=True) <= max(made, *given), name
            known.add(name)
    assert len(known) > 80


def test_operands_that_are_large_are_no_reason_to_rehearse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "shapes_of", lambda *_: pytest.fail("it was rehearsed"))
    settings = Settings(shapes={"x": (40, 100), "y": (40, 1)}, init="uniform", limits=Limits(elements=4000))
    assert evaluate_program("x*y + x/y", replace(settings, grad_output="ones")).verdict == "match"


def test_a_definition_says_which_of_its_calls_are_pointwise(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []

    def note(function: Any, *_: Any, pointwise: bool) -> None:
        seen.append((function.__name__, pointwise))

    monkeypatch.setattr("gradcli.execution.reference.steps.check_call", note)
    settings = Settings(shapes={None: (3,)}, init="uniform", grad_output="ones")
    assert evaluate_program("softmin(frac(x), dim=0)", settings).verdict == "match"
    assert ("sub", True) in seen
    assert False in {pointwise for _, pointwise in seen}


def test_what_operands_broadcast_to_is_refused_in_a_definition_too() -> None:
    with in_force(Limits(elements=100)), pytest.raises(LimitError, match="10000"):
        memory.check_call(torch.mul, (torch.ones(100, 1), torch.ones(100)), {}, pointwise=True)
