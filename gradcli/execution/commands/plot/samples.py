"""A program at other values of one or two of its numbers: what it is there, and autograd's gradient, judged or not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import GradcliError, InputError
from gradcli.execution.autograd import backward, errors
from gradcli.execution.comparison.evaluation import evaluate_run
from gradcli.execution.forward.run import leaves_of, trace_of
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.run import Run, start_from
from gradcli.execution.witnesses.bends import where_it_bends
from gradcli.phrases import show_shape
from gradcli.report.report import TensorReport
from gradcli.settings import Settings

ENTRY = re.compile(r"(?P<leaf>.+)\[(?P<index>\s*-?\d+\s*(?:,\s*-?\d+\s*)*)\]")


@dataclass(frozen=True, slots=True)
class Variable:
    """One number of a program: an entry of a leaf, by its place among the leaf's entries."""

    label: str
    leaf: str
    entry: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The program's value at a point, and autograd's gradient by each variable; NaN where it has none."""

    value: float
    gradient: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sampler:
    """A program, and the leaves that stay as they are."""

    program: Source
    settings: Settings
    leaves: Mapping[str, Tensor]
    derivations: Derivations
    variables: tuple[Variable, ...] = ()

    @staticmethod
    def of(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Sampler:
        """Return the sampler of a program whose variables are not chosen yet."""
        return Sampler(program, settings, leaves_of(program, settings, given), derivations)

    def over(self, names: Sequence[str]) -> Sampler:
        """Return the sampler over some numbers; InputError for what is none, or does not vary."""
        variables = tuple(map(self.variable, names))
        wanted = tuple(dict.fromkeys(variable.leaf for variable in variables))
        settings = replace(self.settings, wrt=wanted, allow_unused=True, formulas=False)
        return replace(self, settings=settings, variables=variables)

    def is_number(self, name: str) -> bool:
        """Return whether a name means one number, and no tensor of several."""
        match = ENTRY.fullmatch(name)
        return (
            self.leaves[name].numel() == 1
            if name in self.leaves
            else match is not None and match["leaf"] in self.leaves
        )

    def variable(self, name: str) -> Variable:
        """Return the number that a name means: a leaf of one entry, or an entry of one, as `x[0,1]`."""
        match = ENTRY.fullmatch(name) if name not in self.leaves else None
        leaf = name if match is None else match["leaf"].strip()
        if leaf not in self.leaves:
            raise errors.unknown(leaf, self.leaves, "--wrt")
        tensor = self.leaves[leaf]
        if not tensor.requires_grad or tensor.is_complex():
            raise InputError(f"--wrt: '{leaf}' is {'complex' if tensor.is_complex() else 'a constant'}", hint=REAL)
        if match is None:
            return Variable(name, leaf, _only_entry(leaf, tensor))
        return Variable(name, leaf, _place(leaf, tensor, [int(part) for part in match["index"].split(",")]))

    def start(self, point: Sequence[float]) -> Run:
        """Return the program's run at a point; GradcliError where it has none, or no gradient."""
        return start_from(self.program, self.settings, self.trace(point), self.derivations)

    def trace(self, point: Sequence[float]) -> Trace:
        """Return the program's trace at a point."""
        leaves = dict(self.leaves)
        for variable, number in zip(self.variables, point, strict=True):
            tensor = leaves[variable.leaf].detach().clone()
            tensor.view(-1)[variable.entry] = number
            leaves[variable.leaf] = tensor.requires_grad_()
        trace = trace_of(self.program, self.settings, leaves)
        for leaf in (leaf for leaf in trace.leaves if leaf.text in {variable.leaf for variable in self.variables}):
            if not torch.equal(leaf.tensor, leaves[leaf.text].to(leaf.tensor)) and leaf.tensor.isfinite().all():
                raise InputError(f"--wrt: the code sets '{leaf.text}' itself", hint="name one of its inputs")
        return trace

    def sample(self, *point: float) -> Sample:
        """Return what the program is at a point, with autograd's gradient; NaN where it is refused."""
        unverified = replace(self, settings=replace(self.settings, verify=False))
        try:
            run = unverified.start(point)
        except GradcliError:
            return Sample(self.value(*point), (math.nan,) * len(self.variables))
        given = None if run.settings.grad_output is None else run.cotangent
        found = backward.gradients(run.output, [*self._traced(run).values()], given, create_graph=False)
        return Sample(value_of(run), self._entries(run, found))

    def judged(self, *point: float) -> tuple[Sample, list[TensorReport]]:
        """Return the same with what is reported of the leaves there."""
        run = self.start(point)
        evaluation = evaluate_run(run)
        reports = [*where_it_bends(run, evaluation).values()]
        return Sample(value_of(run), self._entries(run, evaluation.gradients)), reports

    def traced(self, run: Run) -> TracedTensor:
        """Return the leaf that the first variable is an entry of."""
        return self._traced(run)[self.variables[0].leaf]

    def value(self, *point: float) -> float:
        """Return the program's value at a point, gradient or not; NaN if it is refused there."""
        try:
            trace = self.trace(point)
            output = trace.output.tensor
            weights = backward.cotangent_of(trace.output, self.settings.grad_output, seed=self.settings.seed)
        except (GradcliError, AttributeError):  # what is not a tensor has none
            return math.nan
        return _weighed(output, weights)

    def _traced(self, run: Run) -> dict[str, TracedTensor]:
        """Return the variables' leaves by name."""
        wanted = {variable.leaf for variable in self.variables}
        return {leaf.text: leaf for leaf in run.trace.leaves if leaf.text in wanted}

    def _entries(self, run: Run, gradients: Mapping[TracedTensor, Tensor | None]) -> tuple[float, ...]:
        """Return the gradient by each variable; 0 by one that the output does not depend on here."""
        leaves = self._traced(run)
        found = [gradients.get(leaves[variable.leaf]) for variable in self.variables]
        pairs = zip(self.variables, found, strict=True)
        return tuple(0.0 if one is None else float(one.reshape(-1)[variable.entry]) for variable, one in pairs)


REAL = "a plot is along a real number that requires grad: a leaf of one entry, or an entry such as `x[0]`"


def value_of(run: Run) -> float:
    """Return what is differentiated: the output or, where it has several entries, v times it."""
    return _weighed(run.output.tensor, run.cotangent)


def _weighed(output: Tensor, weights: Tensor) -> float:
    product = (weights.conj() * output.detach()).sum()
    return float(product.real if product.is_complex() else product)


def _only_entry(leaf: str, tensor: Tensor) -> int:
    if tensor.numel() != 1:
        index = ",".join("0" * max(tensor.ndim, 1))
        message = f"--wrt: '{leaf}' has shape {show_shape(tuple(tensor.shape))}, and a curve is along one number"
        hint = f"name an entry, as `--wrt '{leaf}[{index}]'`; without --from and --to its entries are drawn as a map"
        raise InputError(message, hint=hint)
    return 0


def _place(leaf: str, tensor: Tensor, index: Sequence[int]) -> int:
    """Return the place of an entry among all entries, as they follow each other in memory."""
    shape = tuple(tensor.shape)
    fits = len(index) == len(shape) and all(-size <= one < size for one, size in zip(index, shape, strict=True))
    if not fits:
        shown = ",".join(map(str, index))
        raise InputError(f"--wrt: '{leaf}' of shape {show_shape(shape)} has no entry [{shown}]")
    return int(torch.arange(tensor.numel()).reshape(shape)[tuple(index)])
