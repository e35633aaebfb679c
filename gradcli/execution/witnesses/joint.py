"""Gradients of several leaves as one gradient: at a kink each may be a right choice, and not all of them at once.

Of max(x, y) at a tie, 1 is a right derivative by x, and 1 by y; along (1, 1) the two claim a slope of 2 for 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.witnesses.agreement import agreement
from gradcli.execution.witnesses.line import Line, Values, real
from gradcli.execution.witnesses.numerical_verdict import DOUBLE, NumericalWitnesses
from gradcli.execution.witnesses.quotients import by_entries
from gradcli.report.verdict import Verdict


def joint_verdict(witnesses: NumericalWitnesses, gradients: Mapping[TracedTensor, Tensor]) -> Verdict:
    """Return what difference quotients along directions through several leaves say of their gradients together.

    The program is known to bend. What it does not compute in double precision is undecided.
    """
    values = {traced: witnesses.rerun.value(traced) for traced in gradients}
    point = {witnesses.run.names[traced]: value for traced, value in values.items() if value is not None}
    if len(point) < len(gradients):
        return Verdict.UNDECIDED

    def function(tensors: Values) -> Tensor:
        return witnesses.rerun.output({traced: tensors[witnesses.run.names[traced]] for traced in gradients})

    line = Line.of(function, point, list(point), witnesses.run.cotangent, witnesses.grain)
    together = torch.cat([real(gradient).reshape(-1).to(torch.float64) for gradient in gradients.values()])
    return agreement(line, by_entries(line), together, DOUBLE, bends=True).verdict
