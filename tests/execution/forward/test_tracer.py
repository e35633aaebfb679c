from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gradcli.errors import ExecutionError
from gradcli.execution.autograd.functional import function_of
from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.forward import tracer
from gradcli.execution.forward.rerun import Rerun
from gradcli.execution.forward.trace import Trace
from gradcli.language.parser import parse
from gradcli.limits import Limits
from gradcli.settings import Settings


def trace_of(program: str, *values: float) -> Trace:
    return tracer.run(parse(program), {"x": torch.tensor(values, dtype=torch.float64).requires_grad_()}, Limits())


def test_a_call_runs_again_on_other_values() -> None:
    trace = trace_of("sort(x, descending=True)", 1.0, 3.0, 2.0)
    (call,), (leaf,) = trace.calls, trace.leaves
    again = call.run({leaf: torch.tensor([5.0, 4.0, 6.0])})
    values, indices = call.outputs
    assert again[values].tolist() == [6.0, 5.0, 4.0]
    assert again[indices].tolist() == [2, 0, 1]


def test_what_a_call_returned_of_its_input_is_found_again() -> None:
    trace = trace_of("conj(x)*2", 1.0)
    (leaf,), call = trace.leaves, trace.calls[0]
    assert call.outputs == []
    assert call.run({leaf: torch.tensor([7.0])})[leaf].tolist() == [7.0]


@pytest.mark.parametrize("program", ["exp(x)", "sort(exp(x)).values", "stack([exp(x), x])[0]"])
def test_everything_that_runs_a_call_runs_what_is_planted(program: str, plant: Callable[..., None]) -> None:
    plant("exp", lambda value: value * 10)
    trace = trace_of(program, 1.0, 2.0)
    (leaf,), other = trace.leaves, torch.tensor([3.0, 4.0], dtype=torch.float64)
    call = next(call for call in trace.calls if call.op.name == "exp")
    assert trace.output.tensor.tolist() == [10.0, 20.0]
    assert Rerun.of(parse(program), Settings(), trace).output({leaf: other}).tolist() == [30.0, 40.0]
    assert function_of(trace, [leaf])(other).tolist() == [30.0, 40.0]
    assert LocalCall(call, {leaf: other}, [torch.ones(2)]).autograd([leaf])[0].tolist() == [10.0, 10.0]


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ("y = stack([x, x]); x[:2] + y", "'x[:2]' is 2, 'y' is 2x3"),
        ("matmul(x.sum(), x)", "'x.sum()' is a scalar, 'x' is 3"),
    ],
)
def test_an_error_about_shapes_has_the_users_names(program: str, hint: str) -> None:
    with pytest.raises(ExecutionError) as caught:
        trace_of(program, 1.0, 2.0, 3.0)
    assert caught.value.hint == hint


def test_a_list_of_signatures_is_not_begun() -> None:
    with pytest.raises(ExecutionError) as caught:
        trace_of("mean(x, x)", 1.0)
    assert caught.value.message.endswith("got (Tensor, Tensor)")
    assert "mean(input, dim=None, keepdim=False)" in (caught.value.hint or "")
