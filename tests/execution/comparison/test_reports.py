"""The report of a tensor, whoever asks for it."""

import torch

from gradcli.derivation.formulas import Formula
from gradcli.execution.comparison.reports import report_on, symbolic_side
from gradcli.report.comparison import Comparison
from gradcli.report.verdict import Verdict


def test_a_report_holds_no_graph() -> None:
    tensor = torch.ones(2, 3, requires_grad=True)
    found = report_on(tensor, "w", gradient=tensor * 2)
    assert (found.name, found.kind, found.shape, found.requires_grad) == ("w", "leaf", (2, 3), True)
    assert not found.value.requires_grad
    assert found.gradient is not None
    assert not found.gradient.requires_grad
    assert (found.grad, found.symbolic, found.verdict, found.note) == (None, None, None, None)


def test_the_symbolic_side_is_there_where_something_was_compared() -> None:
    value, same = torch.ones(2), Comparison(Verdict.MATCH, 0.0, 0.0, (0,))
    assert symbolic_side(None, same) is None
    assert symbolic_side(value, None) is None
    found = symbolic_side(value, same, Formula("1", "1"))
    assert found is not None
    assert (found.formula, found.value is value, found.comparison) == ("1", True, same)
    bare = symbolic_side(value, same)
    assert bare is not None
    assert (bare.formula, bare.latex) == (None, None)
