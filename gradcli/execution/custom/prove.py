"""A Function of the user's: whether its backward is the derivative of its forward, for all values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.custom.entry import reference_of, subject_of
from gradcli.execution.custom.examine import examine as run
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.forward.interpreter import Interpreter
from gradcli.execution.forward.memory import in_force
from gradcli.execution.proof.circuit import Entries
from gradcli.execution.proof.examine import examine
from gradcli.execution.proof.machine import CircuitMachine
from gradcli.execution.proof.provable import Defined, Provable, by_calls
from gradcli.execution.targets.function.sampling import draw_point, is_finite
from gradcli.execution.targets.function.subject import Subject, joined, listed
from gradcli.execution.targets.function.trial import apply
from gradcli.execution.targets.loading import checked, load
from gradcli.language.program import Program
from gradcli.report.custom import CustomDetails
from gradcli.report.proof import REFUTED, ProofReport, Ran
from gradcli.settings import Settings


def prove_function(
    function: type | str,
    program: Program | None,
    settings: Settings,
    given: Mapping[str, Any],
    derivations: Derivations,
) -> ProofReport:
    """Return the report of a proof of a Function, a class or `FILE.py:Class`; `program` is a reference."""
    with default_dtype(settings), in_force(settings.limits):
        loaded = load(function) if isinstance(function, str) else checked(function, getattr(function, "__name__", "?"))
        subject, settings = subject_of(loaded, settings, given)
        report = examine(_provable(subject, program, settings, given), settings, derivations, strict=settings.strict)
        ran = None if report.verdict == REFUTED else _ran(subject, program, settings, given, derivations)
        return replace(report, ran=ran)


def _ran(
    subject: Subject, program: Program | None, settings: Settings, given: Mapping[str, Any], derivations: Derivations
) -> Ran:
    """Return the checks of `custom`: a formula holds no strides, no dtype, no other sizes, and is computed once."""
    settings = replace(settings, command="custom", formulas=False)
    tensors = {name: value for name, value in given.items() if name in subject.tensors}
    report = run(subject, reference_of(subject, program, settings), settings, tensors, derivations)
    assert isinstance(report.details, CustomDetails)  # noqa: S101 (it is what `custom` reports)
    leaves = {tensor.name: tensor.value for tensor in report.tensors if tensor.kind == "leaf"}
    upstream = next(tensor.gradient for tensor in report.tensors if tensor.kind != "leaf")
    return Ran(leaves, upstream, report.details.checks or ())


def _provable(subject: Subject, program: Program | None, settings: Settings, given: Mapping[str, Any]) -> Provable:
    own = {name: value for name, value in given.items() if name in subject.tensors}
    point = draw_point(subject.tensors, settings, own, lambda p: is_finite(apply(subject, p).outputs))
    applied = apply(subject, point)
    detached = {name: value.detach() for name, value in point.items()}

    def function(leaves: Mapping[str, Tensor]) -> Tensor:
        return joined(listed(subject.function.apply(*subject.arguments(leaves))), applied.places)

    def forward(leaves: Mapping[str, Tensor]) -> Tensor:
        return joined(subject.forward(leaves), applied.places)

    return Provable(
        text=subject.text,
        point=detached,
        wanted=[name for name, value in point.items() if value.requires_grad],
        function=function,
        defined=by_calls(forward, point, detaches=False) if program is None else _of_program(program, subject),
        cotangent=torch.ones_like(applied.output).detach(),
        domains={},
    )


def _of_program(program: Program, subject: Subject) -> Defined:
    """Return a program in the place of forward: of several tensors all entries, one after the other."""
    numbers = {name: torch.tensor(value) for name, value in subject.plain.items() if isinstance(value, int | float)}

    def defined(machine: CircuitMachine, given: Mapping[str, Any]) -> Any:
        output = Interpreter(program, machine, {**numbers, **given}).run()
        if not isinstance(output, tuple | list):
            return output
        flat = [machine.entries(part).codes.reshape(-1) for part in output]
        return Entries(torch.cat(flat))

    return defined
