"""`TensorDataset` and `DataLoader` in a running program: the batches that PyTorch's own would make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader

from gradcli.execution.forward.draws import drawing, handed_on
from gradcli.execution.forward.refusals import refusals
from gradcli.execution.forward.values import Runner, Value
from gradcli.language.program import Call, Literal

OPTIONS = ("batch_size", "shuffle", "drop_last")
PASSED_OVER = ("num_workers", "pin_memory", "persistent_workers", "prefetch_factor", "timeout")


@dataclass(frozen=True, slots=True, eq=False)
class Batches(Value):
    """What a loop runs over: rows of the same places of several tensors."""

    tensors: tuple[Any, ...]
    sizes: int
    """How many rows there are."""
    options: dict[str, Any] | None = None
    """Of the loader; None for the tensors themselves, row by row."""

    def rows(self, runner: Runner, node: Any) -> list[Any]:
        """Return what each round of a loop gets, in the order that PyTorch draws."""
        if self.options is None:
            return [self._at(runner, node, place) for place in range(self.sizes)]
        with refusals("DataLoader"), drawing(runner.draws):
            places = [*DataLoader(range(self.sizes), collate_fn=list, **self.options)]  # type: ignore[arg-type]
        return [self._at(runner, node, [*found] if isinstance(found, list) else found) for found in places]

    def _at(self, runner: Runner, node: Any, place: Any) -> Any:
        """Return some rows of each tensor."""
        call = Call("tensor", (), (), node.span, node.span)
        index = place if isinstance(place, int) else handed_on(runner, call, torch.tensor(place))
        name = "select" if isinstance(place, int) else "index_select"
        found = [self._picked(runner, node, name, tensor, index) for tensor in self.tensors]
        return found if self.options is not None else tuple(found)

    def _picked(self, runner: Runner, node: Any, name: str, tensor: Any, index: Any) -> Any:
        parts = tuple(Literal(None, node.span) for _ in range(3))
        call = Call(name, parts, (), node.span, node.span, qualified=True)
        return runner.call(call, [tensor, 0, index], {})


def called(runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Batches:
    """Return what `TensorDataset(X, y)` or `DataLoader(data, batch_size=8)` makes."""
    if node.function.endswith("TensorDataset"):
        tensors = [runner.machine.tensor(value) for value in positional]
        if not tensors or any(tensor is None or not tensor.ndim for tensor in tensors):
            raise runner.error("TensorDataset takes tensors, whose first axes are rows", node)
        return Batches(tuple(positional), len(tensors[0]))
    data, *rest = positional or [None]
    options = {**dict(zip(OPTIONS, rest, strict=False)), **keywords}
    options = {name: value for name, value in options.items() if name not in PASSED_OVER}
    if not isinstance(data, Batches) or any(name not in OPTIONS for name in options):
        hint = f"it takes a TensorDataset, and {', '.join(OPTIONS)}; a whole script is run by `gradcli run FILE.py`"
        raise runner.error("this DataLoader is not read", node, hint)
    return Batches(data.tensors, data.sizes, options)
