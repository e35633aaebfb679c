"""Wrong autograd.Functions planted in modules and in models: how many are found, and blamed by class and line?

    python benchmarks/planted_models.py

The models are tiny ones of the `transformers` package, and are left out where that is not installed. Prints a line for
every plant that is missed or blamed on something else, for every alarm on a right version, and the counts.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import gradcli

Formula = Callable[[Tensor, Tensor, Tensor], Tensor]

# The gradient of x * sigmoid(x), of g, x and sigmoid(x): right, and wrong in the ways that people are.
SWISH: dict[str, Formula] = {
    "right": lambda g, x, s: g * (s + x * s * (1 - s)),
    "factor": lambda g, x, s: g * (s + x * s * (1 - s)) * 1.05,
    "sign": lambda g, x, s: g * (s - x * s * (1 - s)),
    "dropped term": lambda g, _, s: g * s,
    "grad_output ignored": lambda _, x, s: s + x * s * (1 - s),
    "detached part": lambda g, x, s: g * x * s * (1 - s),
    "wrong axis": lambda g, x, s: g * (s + x * s * (1 - s)).flip(-1),
}
# The gradient of x / norm(x) along the last axis, of g, y and the norm.
NORM: dict[str, Formula] = {
    "right": lambda g, y, n: (g - y * (g * y).sum(-1, keepdim=True)) / n,
    "factor": lambda g, y, n: (g - y * (g * y).sum(-1, keepdim=True)) / (2 * n),
    "sign": lambda g, y, n: (g + y * (g * y).sum(-1, keepdim=True)) / n,
    "dropped term": lambda g, _, n: g / n,
    "grad_output ignored": lambda _, y, n: (1 - y * y.sum(-1, keepdim=True)) / n,
    "detached part": lambda g, y, n: -y * (g * y).sum(-1, keepdim=True) / n,
    "wrong axis": lambda g, y, n: (g - y * (g * y).sum(0, keepdim=True)) / n,
}


def swish(formula: Formula) -> type[torch.autograd.Function]:
    """Return x * sigmoid(x) with a gradient."""

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * torch.sigmoid(x)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return formula(g, x, torch.sigmoid(x))

    return Planted


def unit(formula: Formula) -> type[torch.autograd.Function]:
    """Return x / norm(x) along the last axis, with a gradient."""

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
            ctx.save_for_backward(x / norm, norm)
            return x / norm

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return formula(g, *ctx.saved_tensors)

    return Planted


class Act(nn.Module):
    """A module that applies a Function."""

    def __init__(self, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Return the Function's result."""
        return self.function.apply(x)  # type: ignore[no-any-return]


class Residual(nn.Module):
    """What goes into the Function is used beside it, too."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.first, self.act, self.last = nn.Linear(4, 4), act, nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return a block with a way around the Function."""
        h = self.first(x)
        return self.last(h + self.act(h).tanh() * h)  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """The Function is applied at every step."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.cell, self.act = nn.Linear(8, 4), act

    def forward(self, x: Tensor) -> Tensor:
        """Return the last state."""
        state = torch.zeros(x.shape[0], 4, dtype=x.dtype)
        for _ in range(3):
            state = self.act(self.cell(torch.cat([x, state], -1)))
        return state


def modules(act: nn.Module) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Yield ten modules with a Function somewhere inside."""
    flat, image = torch.randn(5, 4), torch.randn(2, 1, 6, 6)
    yield "mlp", nn.Sequential(nn.Linear(4, 6), act, nn.Linear(6, 2)), flat
    yield (
        "deep",
        nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), act, nn.LayerNorm(6), nn.Linear(6, 2)),
        flat,
    )
    yield "first", nn.Sequential(act, nn.Linear(4, 3), nn.GELU()), flat
    yield "last", nn.Sequential(nn.Linear(4, 3), act), flat
    yield "residual", Residual(act), flat
    yield "recurrent", Recurrent(act), flat
    yield "conv", nn.Sequential(nn.Conv2d(1, 3, 3), act, nn.Flatten(), nn.Linear(48, 2)), image
    yield "batch norm", nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), act, nn.Linear(5, 2)), flat
    yield "dropout", nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.3), act, nn.Linear(5, 2)), flat
    attention = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True)
    attention.activation = act
    yield "transformer layer", attention, torch.randn(2, 3, 4)


def planted(model: nn.Module, act: nn.Module) -> nn.Module:
    """Return a model with another activation in its first layer that has one as a module."""
    for module in model.modules():
        for name, child in module.named_children():
            if "Activation" in type(child).__name__ or isinstance(child, nn.SiLU | nn.GELU):
                setattr(module, name, act)
                return model
    raise ValueError(type(model).__name__)


def models(act: nn.Module) -> Iterator[tuple[str, nn.Module, dict[str, Tensor]]]:
    """Yield three models of the transformers package with a Function in a layer."""
    try:
        import transformers
    except ImportError:
        return
    ids = torch.randint(1, 30, (2, 5))
    sizes = {
        "vocab_size": 30,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
    }
    bert = transformers.BertForMaskedLM(transformers.BertConfig(**sizes))
    yield "bert", planted(bert, act).eval(), {"input_ids": ids, "labels": ids}
    llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, num_key_value_heads=1))
    yield "llama", planted(llama, act).eval(), {"input_ids": ids, "labels": ids}
    config = transformers.ViTConfig(**{k: v for k, v in sizes.items() if k != "vocab_size"}, image_size=8, patch_size=4)
    vit = transformers.ViTForImageClassification(config)
    yield "vit", planted(vit, act).eval(), {"pixel_values": torch.randn(2, 3, 8, 8), "labels": torch.tensor([0, 1])}


def outcome(module: nn.Module, inputs: Any, kind: str, line: int) -> str:
    """Return what became of a plant: found, missed, blamed elsewhere; alarm for a right version."""
    report = gradcli.check(module, inputs if isinstance(inputs, dict) else (inputs,), witnesses="symbolic", timeout=120)
    wrong = [tensor.note or "" for tensor in report.tensors if tensor.verdict == "mismatch"]
    if kind == "right":
        return "quiet" if report.verdict.passes else f"alarm ({report.verdict})"
    if report.verdict != "mismatch":
        return f"missed ({report.verdict})"
    blamed = all("the backward of Planted" in note and f"planted_models.py:{line}" in note for note in wrong)
    return "found and blamed" if blamed else "blamed elsewhere"


def main() -> None:
    """Print the counts."""
    warnings.simplefilter("ignore")
    counts: Counter[str] = Counter()
    for make, formulas in ((swish, SWISH), (unit, NORM)):
        for kind, formula in formulas.items():
            function = make(formula)
            line = inspect.getsourcelines(function.backward)[1] + 1
            torch.manual_seed(0)
            for name, module, inputs in (*modules(Act(function)), *models(Act(function))):
                found = outcome(module, inputs, kind, line)
                counts[found] += 1
                if found not in {"found and blamed", "quiet"}:
                    sys.stdout.write(f"{make.__name__}, {kind}, {name}: {found}\n")
    sys.stdout.write(f"{dict(counts)}\n")


if __name__ == "__main__":
    main()
