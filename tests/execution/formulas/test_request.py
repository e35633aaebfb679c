"""The tape as a request: which reads are affine, what is named, and the chain rule's last step."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
import torch

from gradcli.derivation.formulas import AffineRead, FormulaNode, FormulaRequest, NodeDefinition, Operand
from gradcli.derivation.moves import AffineIndex
from gradcli.engine import evaluate_program
from gradcli.execution.formulas.affine import decode
from gradcli.execution.formulas.chain_rule import LONGEST_NAME, chain_rule
from gradcli.execution.formulas.reached import MOST_NODES
from gradcli.execution.formulas.request import gradients_request
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.run import display_names, run_program
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.inputs.programs import read
from gradcli.settings import Settings

X = torch.arange(24).reshape(2, 3, 4)


def expansion_of(source: str, **shapes: tuple[int, ...]) -> Decomposition:
    settings = Settings(shapes=dict(shapes))
    with double_precision():
        return decompose(run_program(read(source, settings), settings, {}))


def nodes_of(source: str, **shapes: tuple[int, ...]) -> dict[str, FormulaNode]:
    """Return a request's nodes by name, after a journey to another process."""
    decomposition = expansion_of(source, **shapes)
    request = gradients_request(decomposition, display_names(decomposition.trace), 1.0)
    assert request is not None
    assert FormulaRequest.from_data(json.loads(json.dumps(request.to_data()))) == request
    return {node.name or str(number): node for number, node in enumerate(request.nodes)}


def definition_of(node: FormulaNode) -> NodeDefinition:
    assert node.definition is not None
    return node.definition


def steps_of(source: str, **shapes: tuple[int, ...]) -> dict[str, str]:
    decomposition = expansion_of(source, **shapes)
    names = display_names(decomposition.trace)
    return {names[traced]: formula.text for traced, formula in chain_rule(decomposition, names, 1.0).items()}


@pytest.mark.parametrize(
    ("moved", "places"),
    [
        (X, (AffineIndex(0, 1, 0), AffineIndex(0, 1, 1), AffineIndex(0, 1, 2))),
        (X.permute(2, 0, 1), (AffineIndex(0, 1, 1), AffineIndex(0, 1, 2), AffineIndex(0, 1, 0))),
        (X[1, :, ::2], (AffineIndex(1), AffineIndex(0, 1, 0), AffineIndex(0, 2, 1))),
        (X.flip(1), (AffineIndex(0, 1, 0), AffineIndex(2, -1, 1), AffineIndex(0, 1, 2))),
        (X[:, None, 2], (AffineIndex(0, 1, 0), AffineIndex(2), AffineIndex(0, 1, 2))),
        (X[0].expand(5, 3, 4), (AffineIndex(0), AffineIndex(0, 1, 1), AffineIndex(0, 1, 2))),
        (X.diagonal(0, 0, 1), (AffineIndex(0, 1, 1), AffineIndex(0, 1, 1), AffineIndex(0, 1, 0))),
        (X[1, 2, 3], (AffineIndex(1), AffineIndex(2), AffineIndex(3))),
    ],
)
def test_affine_maps_are_decoded(moved: torch.Tensor, places: tuple[AffineIndex, ...]) -> None:
    assert decode(moved.reshape(-1), tuple(moved.shape), (2, 3, 4)) == places


@pytest.mark.parametrize(
    "moved",
    [X.reshape(4, 6), X.flatten(), X[:, [0, 2, 1]], X.roll(1, 2), X.unfold(2, 2, 1), X.repeat(1, 2, 1), X[:0]],
)
def test_other_maps_are_not(moved: torch.Tensor) -> None:
    assert decode(moved.reshape(-1), tuple(moved.shape), (2, 3, 4)) is None


def test_a_leaf_has_a_name_and_no_definition() -> None:
    assert nodes_of("x*y", x=(2,), y=(2,))["x"] == FormulaNode((2,), "x")


def test_a_primitive_says_which_axes_its_labels_stand_for() -> None:
    definition = definition_of(nodes_of("A + b", A=(2, 3), b=(2, 1))["A + b"])
    assert definition.operands == (Operand("input", 0, ((0,), (1,))), Operand("other", 1, ((0,),)))


def test_a_primitive_is_differentiated_as_its_derivatives_are() -> None:
    decomposition = expansion_of("A*b", A=(2, 3), b=(2, 1))
    definition = definition_of(nodes_of("A*b", A=(2, 3), b=(2, 1))["A*b"])
    assert definition.request == decomposition.nodes[decomposition.trace.output].edges[0].request


def test_axes_that_are_summed_together_are_one_label() -> None:
    definition = definition_of(nodes_of("sum(x, dim=(0, 2))", x=(2, 3, 4))["sum(x, dim=(0, 2))"])
    assert definition.operands == (Operand("input", 0, ((1,), (0, 2))),)
    assert definition.result == ((0,),)


def test_a_view_reads_affinely_and_a_reshape_that_merges_axes_does_not() -> None:
    read = nodes_of("x.T[1]", x=(2, 3))["x.T"].read
    assert read == AffineRead(0, (AffineIndex(0, 1, 1), AffineIndex(0, 1, 0)))
    assert nodes_of("x.reshape(6)", x=(2, 3))["x.reshape(6)"].read is None


@pytest.mark.parametrize(
    ("source", "indices"),
    [
        ("split_with_sizes(x, [1, 2])[1]", [[1, 1, 0], [0, 1, 1]]),
        ("unsafe_split_with_sizes(x, [1, 2])[1]", [[1, 1, 0], [0, 1, 1]]),
        ("x.split([1, 2])[1]", [[1, 1, 0], [0, 1, 1]]),
        ("linalg.diagonal(x, offset=1)", [[0, 1, 0], [1, 1, 0]]),
        ("as_strided(x, (3, 2), (3, 1))", [[0, 1, 0], [0, 1, 1]]),
    ],
)
def test_every_op_that_only_moves_data_may_read_affinely(source: str, indices: list[list[int]]) -> None:
    assert nodes_of(source, x=(3, 3))[source].read == AffineRead(0, tuple(AffineIndex(*index) for index in indices))


@pytest.mark.parametrize(
    "source", ["amax(x, dim=1)", "max(x, dim=1).values", "x[argsort(x[:, 0])]", "masked_select(x, x > 0)"]
)
def test_what_the_data_chooses_is_no_affine_read(source: str) -> None:
    nodes = nodes_of(source, x=(2, 3)).values()
    assert any(node.inputs and node.read is None and node.definition is None for node in nodes)


def test_a_detached_maximum_is_a_shift() -> None:
    nodes = nodes_of("softmax(x, dim=0)", x=(3,)).values()
    assert [node.is_shift for node in nodes].count(True) == 1
    assert not any(node.is_shift for node in nodes_of("amax(x, dim=0)*x", x=(3,)).values())


def test_an_implicit_definition_stays_closed() -> None:
    assert nodes_of("inv(A)", A=(1, 1))["inv(A)"].definition is None


def test_comparisons_are_formulas() -> None:
    definition = definition_of(nodes_of("where(x > 0, x, 2*x)", x=(2,))["x > 0"])
    assert definition.request.formula == "input > other"
    assert definition.request.wrt == ()


def calls_of(action: Callable[[], object]) -> int:
    """Return how many Python functions an action calls: what it costs on any machine."""
    count = 0

    def profile(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def long_chain(steps: int) -> tuple[Decomposition, dict[TracedTensor, str]]:
    decomposition = expansion_of("\n".join(["y = x", *["y = y*x + 1"] * steps, "y.sum()"]), x=(2,))
    return decomposition, display_names(decomposition.trace)


def test_a_large_program_is_not_asked_for_and_costs_little() -> None:
    small, large = long_chain(100), long_chain(400)
    for decomposition, names in (small, large):
        assert len(decomposition.tape.nodes) > MOST_NODES
        assert gradients_request(decomposition, names, 1.0) is None
    assert calls_of(lambda: gradients_request(*large, 1.0)) < 3 * len(large[0].tape.nodes)
    assert calls_of(lambda: chain_rule(*large)) < 4.5 * calls_of(lambda: chain_rule(*small))
    assert max(len(formula.text) for formula in chain_rule(*large).values()) < 4 * (2 * LONGEST_NAME + 20)


def test_the_last_step_of_the_chain_rule() -> None:
    steps = steps_of("y = exp(x)*x; z = inv(y); w + sum(z)", x=(1, 1))
    assert steps["x"] == "vjp(exp(x), grad(exp(x))) + vjp(y, grad(y))"
    assert steps["y"] == "vjp(z, grad(z))"
    assert steps["w + sum(z)"] == "1"


def test_what_is_not_used_has_the_gradient_0() -> None:
    assert steps_of("y = x*w; w*2")["x"] == "0"
    assert steps_of("where(x > 0, w, 2*w)")["x"] == "0"


def test_a_report_has_a_formula_wherever_it_has_a_symbolic_value() -> None:
    report = evaluate_program("logdet(A @ A.T + eye(2)) + x", Settings(shapes={"A": (2, 2)}, init="uniform"))
    assert all(tensor.symbolic and tensor.symbolic.formula and tensor.symbolic.latex for tensor in report.tensors)
    assert report["x"].symbolic.formula == "1"  # type: ignore[union-attr]
