"""Reports to render, with real tensors."""

from collections.abc import Callable

import pytest
import torch

from gradcli.report.comparison import Comparison, Symbolic
from gradcli.report.report import Output, Report, TensorReport
from gradcli.report.verdict import Verdict


def tensor_report(name: str, value: object, gradient: object | None, **changes: object) -> TensorReport:
    tensor = torch.as_tensor(value, dtype=torch.float64)
    grad = None if gradient is None else torch.as_tensor(gradient, dtype=torch.float64)
    fields: dict[str, object] = {
        "name": name,
        "kind": "leaf",
        "shape": tuple(tensor.shape),
        "requires_grad": True,
        "grad_fn": None,
        "value": tensor,
        "grad": grad,
        "gradient": grad,
        "symbolic": Symbolic("w3 + 1", None, grad, Comparison(Verdict.MATCH, 0.0, 0.0)),
        "verdict": Verdict.MATCH,
    }
    return TensorReport(**(fields | changes))  # type: ignore[arg-type]


def report_of(*tensors: TensorReport, program: str = "z = w1 + w2", verdict: Verdict | None = Verdict.MATCH) -> Report:
    output = Output("z", (), torch.tensor(20.0))
    return Report("0.1.0", "2.13.0", "eval", program, "float64", "cpu", 0, output, tensors, verdict)


@pytest.fixture
def make_tensor() -> Callable[..., TensorReport]:
    return tensor_report


@pytest.fixture
def make_report() -> Callable[..., Report]:
    return report_of


@pytest.fixture
def textbook() -> Report:
    square = [[1.5, 1.5], [1.5, 1.5]]
    inner = {"kind": "non-leaf", "grad": None, "grad_fn": "MulBackward0"}
    return report_of(
        tensor_report("w2", [[3.0, 3.0], [3.0, 3.0]], square),
        tensor_report("c", [[1.0, 2.0], [3.0, 4.0]], None, requires_grad=False, symbolic=None, verdict=None),
        tensor_report("w2*w3", [[15.0, 15.0], [15.0, 15.0]], [[0.25, 0.25], [0.25, 0.25]], **inner),
    )
