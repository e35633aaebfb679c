"""The state of this process that a run changes: PyTorch's threads, modes and defaults, random numbers, warnings."""

from __future__ import annotations

import gc
import random
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch
from torch.distributions import Distribution
from torch.overrides import _get_current_function_mode_stack, _pop_mode, _push_mode  # there is no public way
from torch.utils import _device

# NumPy's seeds are below this.
NUMPY_SEEDS = 1 << 32


def torch_version() -> str:
    """Return PyTorch's version, without what its build adds."""
    return torch.__version__.partition("+")[0]


def use_one_thread() -> None:
    """Let every op run on one thread: a sum split over several rounds differently, and checks share the cores."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def seed_random_numbers(seed: int) -> None:
    """Start the random numbers of PyTorch, of Python and of NumPy's global generator at a seed.

    `torch.manual_seed` also notes a traceback for each kind of device that is not there, which takes milliseconds: as
    long as a small network.
    """
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
    random.seed(seed)
    if (numpy := sys.modules.get("numpy")) is not None:
        with suppress(TypeError):  # another generator in the place of the global one has no seed
            numpy.random.seed(seed % NUMPY_SEEDS)


def random_states() -> tuple[Tensor, Any, Any]:
    """Return where the random numbers of PyTorch, of Python and of NumPy's global generator are."""
    numpys = sys.modules.get("numpy.random")  # which NumPy itself loads when it is asked for, in milliseconds
    return torch.get_rng_state(), random.getstate(), None if numpys is None else numpys.get_state(legacy=False)


def restore_random_states(states: tuple[Tensor, Any, Any]) -> None:
    """Let random numbers go on from where they were."""
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    numpys = sys.modules.get("numpy.random")
    if numpys is not None and states[2] is not None:
        numpys.set_state(states[2])
    elif numpys is not None:
        numpys.seed()  # nobody had drawn from it


@contextmanager
def random_numbers_kept() -> Iterator[None]:
    """Leave the random numbers as they were."""
    states = random_states()
    try:
        yield
    finally:
        restore_random_states(states)


def has_drawn(seed: int) -> bool:
    """Return whether random numbers were drawn since they were started at a seed."""
    now = random_states()
    with random_numbers_kept():
        seed_random_numbers(seed)
        fresh = random_states()
    same = all(repr(one) == repr(other) for one, other in zip(now[1:], fresh[1:], strict=True))
    return not (same and torch.equal(now[0], fresh[0]))


def is_watched() -> bool:
    """Tell whether something sees each call of PyTorch, as what records a backward as code does."""
    return bool(_get_current_function_mode_stack())


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause Python's collector: a run makes many objects but no cycles, and there are 200,000 of torch's to look at."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def state_kept() -> Iterator[None]:
    """Leave the state of the process as it was, wherever the run is interrupted.

    An error that comes from a signal may be raised inside a context manager that is just being entered (`no_grad`, a
    device, `vmap`): the state is then changed already, and its own way back is not taken.
    """
    enabled, dtype, device = torch.is_grad_enabled(), torch.get_default_dtype(), _device.CURRENT_DEVICE
    threads, recursion = torch.get_num_threads(), sys.getrecursionlimit()
    modes, depth = _get_current_function_mode_stack(), _functorch.get_dynamic_layer_stack_depth()
    validated = Distribution._validate_args  # noqa: SLF001  # there is no public way to ask
    try:
        # Without inference mode gradients are recorded again, whatever the caller does without them; and a caller who
        # looks for NaN wants to be told of it, not to have it raised.
        with (
            warnings.catch_warnings(),
            _python_kept(),
            torch.inference_mode(mode=False),
            torch.autograd.set_detect_anomaly(mode=False),
        ):
            yield
    finally:
        _restore_modes(modes)  # first: a mode would see what follows
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        sys.setrecursionlimit(recursion)  # torch.compile raises it
        Distribution.set_default_validate_args(validated)  # torch.compile turns it off
        _functorch.pop_dynamic_layer_stack_and_undo_to_depth(depth)
        _device.CURRENT_DEVICE = device
        if torch.get_default_dtype() is not dtype:
            torch.set_default_dtype(dtype)
        torch.set_grad_enabled(enabled)


def _restore_modes(modes: Sequence[object]) -> None:
    left = _get_current_function_mode_stack()
    if left != modes:
        for _ in left:
            _pop_mode()
        for mode in modes:
            _push_mode(mode)


@contextmanager
def _python_kept() -> Iterator[None]:
    """Leave the random numbers, where modules are looked for, and the collector as they were."""
    states, path, collected = random_states(), [*sys.path], gc.isenabled()
    try:
        yield
    finally:
        restore_random_states(states)
        sys.path[:] = path
        if collected:
            gc.enable()
