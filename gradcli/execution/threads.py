"""How many threads PyTorch uses."""

from __future__ import annotations

import torch


def use_one_thread() -> None:
    """Let every op run on one thread: a sum split over several rounds differently, and checks share the cores."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
