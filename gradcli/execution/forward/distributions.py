"""Distributions of `torch.distributions` in a running program: PyTorch's own, whose calls are those of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from gradcli.execution.forward.embedded import embedding
from gradcli.execution.forward.values import Runner, Value
from gradcli.language.notebook import DISTRIBUTION_METHODS
from gradcli.language.program import Call, Expression

SPACE = "distributions."


@dataclass(frozen=True, slots=True, eq=False)
class Distribution(Value):
    """One distribution."""

    embedded: torch.distributions.Distribution

    def method(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return what a method gives, such as `log_prob`."""
        if node.function not in DISTRIBUTION_METHODS:
            return super(Distribution, self).method(runner, node, positional, keywords)
        found = embedding(runner).run(node, getattr(self.embedded, node.function), positional, keywords)
        return _wrapped(found)

    def attribute(self, runner: Runner, name: str, node: Expression) -> Any:
        """Return an attribute, such as `mean`."""
        if name.startswith("_") or (not hasattr(type(self.embedded), name) and name not in vars(self.embedded)):
            return super(Distribution, self).attribute(runner, name, node)
        call = Call(name, (), (), node.span, node.span, method=True)
        return _wrapped(embedding(runner).run(call, lambda: getattr(self.embedded, name), [], {}))


def called(runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return what a name of `torch.distributions` gives: a distribution, or what is computed of two."""
    function = getattr(torch.distributions, node.function.removeprefix(SPACE))
    return _wrapped(embedding(runner).run(node, function, positional, keywords))


def _wrapped(found: Any) -> Any:
    return Distribution(found) if isinstance(found, torch.distributions.Distribution) else found
