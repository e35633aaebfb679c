"""Formulas checked by running what a reader sees: Python evaluates the text on random values, against autograd."""

from __future__ import annotations

import builtins
import itertools
import math
from dataclasses import replace
from types import GeneratorType
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.formulas.request import gradients_request
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.run import display_names, run_program
from gradcli.execution.reference.decomposition import decompose
from gradcli.inputs.programs import read
from gradcli.ops.table import find
from gradcli.settings import Settings
from gradcli.symbolic.write.formulas import formulas

SECONDS = 60.0
RANDOM = "random"
ON_NUMBERS = """
    exp log sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc erfinv sqrt abs sign floor ceil
    sigmoid lgamma digamma round trunc
"""


class Run:
    """An example such as `x + y | x=2x3 y=3` on random values; `upstream` is a number, or RANDOM for a tensor."""

    def __init__(self, example: str, upstream: float | str = 1.0, seed: int = 0) -> None:
        source, shapes = parse_example(example)
        settings = Settings(shapes=dict(shapes))
        program = read(source, settings)
        with double_precision():
            self.trace = run_program(program, settings, leaves_for(program, shapes, find, seed))
            self.names = display_names(self.trace)
            self.decomposition = decompose(self.trace)
        output = self.trace.output.tensor
        number = None if isinstance(upstream, str) else upstream
        torch.manual_seed(seed)
        self.grad_output = torch.rand_like(output) if number is None else torch.full_like(output, number)
        self.request = gradients_request(self.decomposition, self.names, number)

    def formulas(self, seconds: float = SECONDS) -> dict[str, str]:
        found = {} if self.request is None else formulas(replace(self.request, seconds=seconds))
        return {name: formula.text for name, formula in found.items()}

    def gradients(self) -> dict[str, Tensor]:
        wanted = {name: traced.tensor for traced, name in self.names.items() if traced.tensor.requires_grad}
        found = torch.autograd.grad(
            self.trace.output.tensor, [*wanted.values()], self.grad_output, retain_graph=True, materialize_grads=True
        )
        return dict(zip(wanted, found, strict=True))

    def wrong(self, formulas: dict[str, str]) -> list[str]:
        """Return a line for every formula that does not say what autograd says here."""
        gradients, lines = self.gradients(), []
        for name, formula in formulas.items():
            value = self.value(formula, gradients, gradients[name].shape)
            if not torch.allclose(value, gradients[name], rtol=1e-7, atol=1e-10):
                lines.append(f"{name}: {formula} is {value.tolist()}, autograd says {gradients[name].tolist()}")
        return lines

    def value(self, formula: str, gradients: dict[str, Tensor], shape: torch.Size) -> Tensor:
        tensors = {name: traced.tensor.detach() for traced, name in self.names.items()}
        scope = namespace() | tensors | {"grad_output": self.grad_output}
        for place, name in enumerate(sorted(gradients, key=len, reverse=True)):
            formula = formula.replace(f"grad({name})", f"upstream{place}")
            scope[f"upstream{place}"] = gradients[name]
        if formula.startswith("[") and "]: " in formula:
            return _entries(formula, shape, scope)
        return _number(eval(formula, scope)).expand(shape)  # noqa: S307 (the formula is what is tested)


def _entries(formula: str, shape: torch.Size, scope: dict[str, Any]) -> Tensor:
    letters, _, body = formula[1:].partition("]: ")
    result = torch.zeros(shape, dtype=torch.float64)
    for place in itertools.product(*map(range, shape)):
        indices = dict(zip(letters.split(", "), place, strict=True))
        result[place] = float(eval(body, scope | indices))  # noqa: S307 (as above)
    return result


def namespace() -> dict[str, Any]:
    """Return what the names in a formula mean: PyTorch's functions, which take numbers too."""
    scope: dict[str, Any] = {name: getattr(torch, name) for name in dir(torch) if callable(getattr(torch, name))}
    scope |= {name: _on_numbers(getattr(torch, name)) for name in ON_NUMBERS.split()}
    scope |= {"inv": torch.inverse, "eye": lambda count: torch.eye(count, dtype=torch.float64)}
    scope |= {"sum": _sum, "where": _where, "polygamma": lambda order, value: torch.polygamma(order, _number(value))}
    return scope | {
        "range": range,
        "pi": math.pi,
        "inf": math.inf,
        "special": torch.special,
        "F": torch.nn.functional,
        "torch": torch,
    }


def _number(value: Any) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


def _on_numbers(function: Any) -> Any:
    return lambda value: function(_number(value))


def _sum(value: Any, **options: Any) -> Any:
    return builtins.sum(value) if isinstance(value, GeneratorType) else torch.sum(value, **options)


def _where(test: Any, then: Any, otherwise: Any) -> Tensor:
    return torch.where(torch.as_tensor(test), _number(then), _number(otherwise))
