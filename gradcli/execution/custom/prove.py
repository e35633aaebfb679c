"""A Function of the user's: whether its backward is the derivative of its forward, for all values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.custom.entry import reference_of, subject_of
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.forward.memory import in_force
from gradcli.execution.proof.examine import examine
from gradcli.execution.proof.provable import Provable, replayed
from gradcli.execution.targets.function.sampling import draw_point, is_finite
from gradcli.execution.targets.function.subject import Subject, joined, listed
from gradcli.execution.targets.function.trial import apply
from gradcli.execution.targets.loading import checked, load
from gradcli.language.program import Program
from gradcli.report.proof import ProofReport
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
        return examine(_provable(subject, program, settings, given), settings, derivations, strict=settings.strict)


def _provable(subject: Subject, program: Program | None, settings: Settings, given: Mapping[str, Any]) -> Provable:
    own = {name: value for name, value in given.items() if name in subject.tensors}
    point = draw_point(subject.tensors, settings, own, lambda p: is_finite(apply(subject, p).outputs))
    applied = apply(subject, point)
    recording = reference_of(subject, program, settings)(point, applied.places)
    names = {leaf.name: leaf for leaf in recording.trace.leaves if leaf.name}

    def function(leaves: Mapping[str, Tensor]) -> Tensor:
        return joined(listed(subject.function.apply(*subject.arguments(leaves))), applied.places)

    return Provable(
        text=subject.text,
        point={name: value.detach() for name, value in point.items()},
        wanted=[name for name, value in point.items() if value.requires_grad],
        function=function,
        defined=replayed(recording.trace, names),
        cotangent=torch.ones_like(applied.output).detach(),
        domains={},
    )
