"""Whether a gradient by a symmetric matrix is right once it is made symmetric, as PyTorch's own are."""

from __future__ import annotations

import torch

from gradcli.errors import GradcliError
from gradcli.execution.custom.causes.elsewhere import other_pairs
from gradcli.execution.targets.function.trial import Trial
from gradcli.tolerance import is_close

WORDS = (
    "forward reads '{}' as a symmetric matrix, and the symmetric part of this gradient G is right: "
    "PyTorch's own is symmetric, `(G + G.mT)/2`"
)


def symmetric_part(trial: Trial, name: str) -> str | None:
    """Return in words that a gradient's symmetric part alone is right, for several upstream gradients; None if not."""
    if name not in trial.symmetric:
        return None
    try:
        pairs = other_pairs(trial)[name]
    except GradcliError:
        return None
    parts = [(trial.symmetrised(name, own), trial.symmetrised(name, right)) for own, right in pairs]
    is_right = parts and all(is_close(own, right, scale=float(right.abs().max())) for own, right in parts)
    is_symmetric = all(torch.equal(own, own.mT) for own, _ in pairs)
    return WORDS.format(name) if is_right and not is_symmetric else None
