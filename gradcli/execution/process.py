"""The state of this process that a run changes: PyTorch's threads and Python's collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def use_one_thread() -> None:
    """Let every op run on one thread: a sum split over several rounds differently, and checks share the cores."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


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
