from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gradcli.engine import shared_derivations
from gradcli.execution.forward import tracer
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import decompose
from gradcli.execution.reference.pullback import Reference, differentiate
from gradcli.language.parser import parse
from gradcli.limits import Limits

DERIVATIONS = shared_derivations().for_check(seconds=60.0)


def reference_of(program: str, leaf: Tensor, cotangent: Tensor) -> tuple[Reference, dict[str, TracedTensor]]:
    trace = tracer.run(parse(program), {"x": leaf.requires_grad_()}, Limits())
    decomposition = decompose(trace)
    DERIVATIONS.request(decomposition.requests())
    tensors = {traced.name or traced.text: traced for traced in trace.tensors}
    return differentiate(decomposition, cotangent, DERIVATIONS.known), tensors


@pytest.mark.parametrize("program", ["x*x + x", "y = x*x; z = y + x; z", "sum(stack([x, x*x]), dim=0)"])
def test_contributions_add_up_where_paths_meet(program: str) -> None:
    x, v = torch.tensor([2.0, 5.0], dtype=torch.float64), torch.tensor([1.0, 10.0], dtype=torch.float64)
    reference, tensors = reference_of(program, x, v)
    assert reference.values[tensors["x"]].tolist() == [1 * 5.0, 10 * 11.0]


def test_the_output_s_gradient_is_its_cotangent_and_what_it_does_not_use_has_zeros() -> None:
    v = torch.tensor([3.0], dtype=torch.float64)
    reference, tensors = reference_of("y = exp(x); z = 2*x; z", torch.ones(1, dtype=torch.float64), v)
    assert reference.values[tensors["z"]].tolist() == [3.0]
    assert reference.values[tensors["y"]].tolist() == [0.0]
    assert reference.values[tensors["x"]].tolist() == [6.0]


def test_the_call_whose_derivative_makes_the_first_nan_is_known() -> None:
    x = torch.zeros(1, dtype=torch.float64)
    reference, _ = reference_of("x*log(x)", x, torch.ones(1, dtype=torch.float64))
    assert reference.first_nan is not None
    assert reference.first_nan.op.name == "log"


def test_a_call_without_a_derivative_leaves_only_what_goes_through_it_undecided() -> None:
    z = torch.tensor([1.0 + 2.0j, 3.0 - 1.0j, 0.5j], dtype=torch.complex128)
    program = "y = abs(x).sum(); w = cov(x).abs().sum(); w*y"
    reference, tensors = reference_of(program, z, torch.tensor(1.0, dtype=torch.float64))
    assert "real numbers only" in reference.undecided[tensors["x"]]
    assert reference.values[tensors["y"]].item() == pytest.approx(tensors["w"].tensor.item())
