"""Autograd's gradients at one point of a derivation, judged as `eval` judges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gradcli.derivation.derivations import Derivations
from gradcli.execution.comparison.evaluation import compare_all
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.remarks import Judged
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.run import start_from


def judged(derivations: Derivations, there: Point) -> Mapping[TracedTensor, Judged]:
    """Return the verdict on the gradient by each tensor that is wanted, and what the definitions say."""
    settings = replace(there.settings, command="eval", grad_output="ones", verify=True)
    run = replace(start_from(there.program, settings, there.trace, derivations), cotangent=there.cotangent)
    compared = compare_all(run, there.gradients())
    if compared is None:
        return {}
    comparisons = {traced: compared.compare_autograd(traced) for traced in there.wanted}
    values = compared.reference.values
    return {traced: Judged(one.verdict, values.get(traced)) for traced, one in comparisons.items() if one is not None}
