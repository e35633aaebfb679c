"""Gradients derived by hand: programs over a run's tensors, compared with the symbolic derivative."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradcli.errors import InputError
from gradcli.execution.comparison.causes import Clues, cause_of_shape
from gradcli.execution.comparison.compare import compare
from gradcli.execution.comparison.evaluation import Evaluation
from gradcli.execution.comparison.gradients import GradientComparison
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.forward.tracer import run as run_trace
from gradcli.execution.reference.contributions import contributions
from gradcli.execution.run import Run
from gradcli.language.program import Name, Program
from gradcli.ops.programs import parse_program
from gradcli.phrases import did_you_mean, show_shape
from gradcli.python_trees import expression_tree
from gradcli.report.comparison import Claim, Comparison
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

# What a claim calls the upstream gradient, unless the program has a tensor of that name.
UPSTREAM = "g"
SUBJECT = "the claim"
INSTEAD = noted(NoteKind.REFERENCE, "compared with autograd's gradient, because there is no symbolic one")


@dataclass(frozen=True, slots=True)
class Claims:
    """What the claims about one run are judged by."""

    run: Run
    evaluation: Evaluation

    def judge(self) -> dict[TracedTensor, Claim]:
        """Return what there is to say of each claim; InputError for one that is not a gradient of its tensor."""
        claims = self.run.settings.claims
        tensors = self.run.named(list(claims), "--claim")
        return {traced: self._judge(traced, text) for traced, text in zip(tensors, claims.values(), strict=True)}

    def _judge(self, traced: TracedTensor, text: str) -> Claim:
        reference, source = self._reference(traced)
        value = self._value(text)
        if value.ndim and value.shape != reference.shape:
            return self._misshapen(traced, text, value, reference)
        shaped = value.expand(reference.shape)
        found = self._compare(traced, shaped, reference)
        return Claim(text, shaped, replace(found, notes=(*found.notes, *source)))

    def _reference(self, traced: TracedTensor) -> tuple[Tensor, Notes]:
        """Return the gradient to compare a claim with, and a note where that is not the symbolic one."""
        comparisons, gradient = self.evaluation.comparisons, self.evaluation.gradients.get(traced)
        if gradient is None:
            raise InputError(f"--claim: no gradient of '{self.run.names[traced]}' was asked for")
        if comparisons is not None and traced in comparisons.reference.values:
            return comparisons.reference.values[traced], ()
        return double(gradient), INSTEAD

    def _compare(self, traced: TracedTensor, value: Tensor, reference: Tensor) -> Comparison:
        settings, comparisons = self.run.settings, self.evaluation.comparisons
        clues = self._clues(traced, reference)
        if comparisons is None or traced not in comparisons.reference.values:
            return compare(value, reference, settings.tolerance, 0.0, clues)
        return comparisons.compare(traced, value, Tolerance.of("float64", settings.rtol, settings.atol), clues)

    def _misshapen(self, traced: TracedTensor, text: str, value: Tensor, reference: Tensor) -> Claim:
        """Return a claim of a different shape as a mismatch where it is clear what was meant; else InputError."""
        cause = cause_of_shape(value, reference, Clues(SUBJECT, SUBJECT))
        name, shapes = self.run.names[traced], (show_shape(tuple(value.shape)), show_shape(tuple(reference.shape)))
        if cause is None:
            message = f"--claim: the gradient claimed for '{name}' has shape {shapes[0]}, and '{name}' has {shapes[1]}"
            raise InputError(message, hint="a gradient has its tensor's shape; only a number stands for every entry")
        words = f"the claim has shape {shapes[0]} instead of {shapes[1]}: {cause}"
        return Claim(text, value, Comparison(Verdict.MISMATCH, notes=noted(NoteKind.SHAPE, words)))

    def _value(self, text: str) -> Tensor:
        """Return what a claim amounts to, in double precision."""
        program = parse_program(as_tensor(text), self.run.settings.limits)
        known, numbers = self._known(), self.run.trace.numbers
        for leaf in program.leaves:
            if leaf.name not in known and leaf.name not in numbers:
                raise _unknown(leaf, program, [*known, *numbers])
        with double_precision(), torch.no_grad():
            tensors = {leaf.name: known[leaf.name] for leaf in program.leaves if leaf.name in known}
            output = run_trace(program, tensors, self.run.settings.limits, numbers=numbers).output
        if isinstance(output, TracedTensor):
            return _real(output.tensor)
        if not isinstance(output, int | float):
            raise InputError(f"--claim: '{text}' is not a tensor", hint="a gradient is a tensor or a number")
        return torch.tensor(output, dtype=torch.float64)

    def _known(self) -> Mapping[str, Tensor]:
        """Return the tensors that a claim may read, in double precision."""
        run = self.run
        made = [traced for call in run.trace.calls for traced in call.outputs if traced.name]
        nodes = {} if run.decomposition is None else run.decomposition.nodes
        named = {traced.name: traced for traced in [*run.trace.leaves, *made] if traced.name}
        named |= {name: value for name, value in run.trace.variables.items() if isinstance(value, TracedTensor)}
        tensors = {name: nodes[t].tensor if t in nodes else double(t.tensor) for name, t in named.items()}
        return {UPSTREAM: double(run.cotangent), **tensors}

    def _clues(self, traced: TracedTensor, reference: Tensor) -> Clues:
        """Return what a wrong claim may have gone wrong with: a factor that the program has, a term of the gradient."""
        known = self._known()
        factors = {f"'{name}'": tensor for name, tensor in known.items() if name != UPSTREAM}
        if known[UPSTREAM].shape == self.run.cotangent.shape:
            factors = {"g, the upstream gradient,": known[UPSTREAM], **factors}
        varied = {name: tensor for name, tensor in factors.items() if bool((tensor != 1).any())}
        comparisons = self.evaluation.comparisons
        terms = {} if comparisons is None else terms_of(self.run, comparisons, traced)
        shaped = {name: term for name, term in terms.items() if term.shape == reference.shape}
        return Clues(SUBJECT, SUBJECT, varied, shaped)


def as_tensor(text: str) -> str:
    """Return a gradient's program with brackets of numbers, `[0, 1]`, as the tensor that they are meant to be."""
    try:
        node = expression_tree(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the program's own parser says what is wrong
        return text
    return f"tensor({text.strip()})" if isinstance(node, ast.List | ast.Tuple) else text


def _real(tensor: Tensor) -> Tensor:
    return double(tensor) if tensor.is_complex() else tensor.to(torch.float64)


def terms_of(run: Run, comparisons: GradientComparison, traced: TracedTensor) -> dict[str, Tensor]:
    """Return the terms of a tensor's symbolic gradient: one for each call that reads it, by what the call is."""
    assert run.decomposition is not None  # noqa: S101 (there is comparisons)
    terms = contributions(run.decomposition, comparisons.reference, traced, run.derivations.known)
    return {f"through '{call.outputs[0].text}'": term for call, term in terms}


def _unknown(leaf: Name, program: Program, known: list[str]) -> InputError:
    listed = ", ".join(name for name in known if name != UPSTREAM)
    hint = did_you_mean(leaf.name, known, f"a claim may use {listed}, and g for the upstream gradient")
    message = f"--claim: the program has no variable '{leaf.name}'"
    return InputError(message, span=leaf.span, source=program.source, hint=hint)
