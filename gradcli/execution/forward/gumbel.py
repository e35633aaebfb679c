"""`F.gumbel_softmax`: a softmax of logits with noise that is drawn, and its straight-through one-hot vector.

Jang, Gu and Poole, "Categorical Reparameterization with Gumbel-Softmax" (2017), in the operations that PyTorch runs.
"""

from __future__ import annotations

from typing import Any

import torch

from gradcli.execution.forward.draws import handed_on
from gradcli.execution.forward.refusals import refusals
from gradcli.execution.forward.transformed import applied
from gradcli.execution.forward.values import Runner
from gradcli.language.program import Call

_NAMES = ("logits", "tau", "hard", "eps", "dim")


def gumbel_softmax(runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return what PyTorch's function gives with the noise that it would draw, a constant.

    Raises ExecutionError for a call that PyTorch refuses.
    """
    given = {"tau": 1, "hard": False, "dim": -1, **dict(zip(_NAMES, positional, strict=False)), **keywords}
    logits = given.get("logits")
    tensor = runner.machine.tensor(logits)
    if tensor is None or not set(given) <= set(_NAMES):
        raise runner.error("gumbel_softmax() takes logits, tau, hard and dim", node)
    noise = torch.empty(tensor.shape, dtype=runner.draws.dtype).exponential_(generator=runner.draws.generator)
    drawn = handed_on(runner, Call("tensor", (), (), node.span, node.span), -noise.log())
    scaled = applied(runner, node, "div", applied(runner, node, "add", logits, drawn), given["tau"])
    soft = applied(runner, node, "softmax", scaled, given["dim"])
    return _straight_through(runner, node, soft, given["dim"]) if given["hard"] else soft


def _straight_through(runner: Runner, node: Call, soft: Any, dim: int) -> Any:
    """Return a one-hot vector whose gradient is that of the softmax: `hard - soft.detach() + soft`."""
    numbers = runner.machine.tensor(soft).detach()
    with refusals("gumbel_softmax"):
        hard = torch.zeros_like(numbers).scatter_(dim, numbers.max(dim, keepdim=True)[1], 1.0)
    one_hot = handed_on(runner, Call("tensor", (), (), node.span, node.span), hard)
    rest = applied(runner, node, "sub", one_hot, applied(runner, node, "detach", soft))
    return applied(runner, node, "add", rest, soft)
