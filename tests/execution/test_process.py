"""What a run leaves behind in its process, however it ends: nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch._C import _functorch
from torch.overrides import BaseTorchFunctionMode, TorchFunctionMode, _get_current_function_mode_stack

import gradcli
from gradcli.execution.forward import interpreter
from gradcli.execution.process import has_drawn, seed_random_numbers, state_kept


class LeftError(BaseException):
    """How a block ends."""


def without_gradients() -> None:
    torch.no_grad().__enter__()


def another_dtype() -> None:
    torch.set_default_dtype(torch.float16)


def another_device() -> None:
    torch.device("meta").__enter__()


def a_mode() -> None:
    TorchFunctionMode().__enter__()


def a_level_of_vmap() -> None:
    _functorch._vmap_increment_nesting(2, "error")


CHANGES = [without_gradients, another_dtype, another_device, a_mode, a_level_of_vmap]


def state() -> tuple[object, ...]:
    modes, depth = _get_current_function_mode_stack(), _functorch.get_dynamic_layer_stack_depth()
    return torch.is_grad_enabled(), torch.get_default_dtype(), modes, depth, str(torch.ones(1))


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_and_never_changed_back_is_as_it_was(change: Callable[[], None]) -> None:
    def interrupted() -> None:
        with state_kept():
            change()
            raise LeftError

    before = state()
    with pytest.raises(LeftError):
        interrupted()
    assert state() == before


def test_what_the_caller_set_stays() -> None:
    with torch.no_grad(), torch.device("cpu"), BaseTorchFunctionMode():
        before = state()
        with state_kept():
            without_gradients()
            another_device()
        assert state() == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_check_that_is_interrupted_leaves_no_trace(
    change: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = interpreter.Interpreter.run

    def interrupted(_: object) -> object:
        change()
        raise KeyboardInterrupt

    before = state()
    monkeypatch.setattr(interpreter.Interpreter, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gradcli.evaluate("x*x", {"x": 2.0})
    assert state() == before
    monkeypatch.setattr(interpreter.Interpreter, "run", original)
    assert gradcli.evaluate("x*x", {"x": 2.0}).verdict == "match"


@pytest.mark.skipif(torch.accelerator.is_available(), reason="its random numbers are seeded too")
def test_seeding_draws_what_torch_does_and_writes_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        theirs = torch.rand(3)
        monkeypatch.setattr("traceback.format_stack", lambda *_: pytest.fail("for a device that is not there"))
        seed_random_numbers(7)
        assert torch.equal(torch.rand(3), theirs)


def test_drawing_is_told_of_every_source_of_random_numbers() -> None:
    with state_kept():
        for draw in (lambda: torch.rand(1), random.random, np.random.rand):
            seed_random_numbers(1 << 40)
            assert not has_drawn(1 << 40)
            draw()
            assert has_drawn(1 << 40)


def test_a_generator_of_ones_own_in_the_place_of_numpys_is_no_error() -> None:
    own = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64(5))
    try:
        with state_kept():
            first = np.random.rand()  # noqa: NPY002
            seed_random_numbers(7)
        assert np.random.rand() == first  # noqa: NPY002
    finally:
        np.random.set_bit_generator(own)
