"""The tape as plain data: which reads are affine, what is named, and the chain rule's last step."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
import torch

from gradcli.engine import evaluate_program, read
from gradcli.execution.formulas.affine import Place, decode
from gradcli.execution.formulas.request import LONGEST_NAME, MOST_NODES, chain_rule, sketch
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.run import display_names, run_program
from gradcli.execution.forward.tracer import TracedTensor
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.settings import Settings

X = torch.arange(24).reshape(2, 3, 4)


def expansion_of(source: str, **shapes: tuple[int, ...]) -> Decomposition:
    settings = Settings(shapes=dict(shapes))
    with double_precision():
        return decompose(run_program(read(source, settings), settings, {}))


def sketch_of(source: str, **shapes: tuple[int, ...]) -> dict[str, dict[str, object]]:
    """Return a sketch's nodes by name."""
    decomposition = expansion_of(source, **shapes)
    drawn = sketch(decomposition, display_names(decomposition.trace), 1.0)
    assert drawn is not None
    assert json.loads(json.dumps(drawn)) == json.loads(json.dumps(drawn))
    return {node["name"] or str(place): node for place, node in enumerate(drawn["nodes"])}


def steps_of(source: str, **shapes: tuple[int, ...]) -> dict[str, str]:
    decomposition = expansion_of(source, **shapes)
    names = display_names(decomposition.trace)
    return {names[traced]: text for traced, (text, _) in chain_rule(decomposition, names, 1.0).items()}


@pytest.mark.parametrize(
    ("moved", "places"),
    [
        (X, (Place(0, 1, 0), Place(0, 1, 1), Place(0, 1, 2))),
        (X.permute(2, 0, 1), (Place(0, 1, 1), Place(0, 1, 2), Place(0, 1, 0))),
        (X[1, :, ::2], (Place(1), Place(0, 1, 0), Place(0, 2, 1))),
        (X.flip(1), (Place(0, 1, 0), Place(2, -1, 1), Place(0, 1, 2))),
        (X[:, None, 2], (Place(0, 1, 0), Place(2), Place(0, 1, 2))),
        (X[0].expand(5, 3, 4), (Place(0), Place(0, 1, 1), Place(0, 1, 2))),
        (X.diagonal(0, 0, 1), (Place(0, 1, 1), Place(0, 1, 1), Place(0, 1, 0))),
        (X[1, 2, 3], (Place(1), Place(2), Place(3))),
    ],
)
def test_affine_maps_are_decoded(moved: torch.Tensor, places: tuple[Place, ...]) -> None:
    assert decode(moved.reshape(-1), tuple(moved.shape), (2, 3, 4)) == places


@pytest.mark.parametrize(
    "moved",
    [X.reshape(4, 6), X.flatten(), X[:, [0, 2, 1]], X.roll(1, 2), X.unfold(2, 2, 1), X.repeat(1, 2, 1), X[:0]],
)
def test_other_maps_are_not(moved: torch.Tensor) -> None:
    assert decode(moved.reshape(-1), tuple(moved.shape), (2, 3, 4)) is None


def test_a_leaf_has_a_name_and_no_definition() -> None:
    leaf = sketch_of("x*y", x=(2,), y=(2,))["x"]
    assert leaf == {"shape": [2], "name": "x", "inputs": []}


def test_a_primitive_says_which_axes_its_labels_stand_for() -> None:
    node = sketch_of("A + b", A=(2, 3), b=(2, 1))["A + b"]
    assert node["operands"] == {"input": {"node": 0, "axes": [[0], [1]]}, "other": {"node": 1, "axes": [[0]]}}


def test_axes_that_are_summed_together_are_one_label() -> None:
    node = sketch_of("sum(x, dim=(0, 2))", x=(2, 3, 4))["sum(x, dim=(0, 2))"]
    assert node["operands"] == {"input": {"node": 0, "axes": [[1], [0, 2]]}}
    assert node["result"] == [[0]]


def test_a_view_reads_affinely_and_a_reshape_that_merges_axes_does_not() -> None:
    assert sketch_of("x.T[1]", x=(2, 3))["x.T"]["read"] == {"node": 0, "places": [[0, 1, 1], [0, 1, 0]]}
    assert "read" not in sketch_of("x.reshape(6)", x=(2, 3))["x.reshape(6)"]


@pytest.mark.parametrize("source", ["amax(x, dim=1)", "max(x, dim=1).values", "x[tensor([1, 0])]"])
def test_what_the_data_chooses_is_no_affine_read(source: str) -> None:
    nodes = sketch_of(source, x=(2, 3)).values()
    assert any(node["inputs"] and "read" not in node and "formula" not in node for node in nodes)


def test_an_implicit_definition_stays_closed() -> None:
    assert "formula" not in sketch_of("inv(A)", A=(1, 1))["inv(A)"]


def test_comparisons_are_formulas() -> None:
    assert sketch_of("where(x > 0, x, 2*x)", x=(2,))["x > 0"]["formula"] == "input > other"


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


def test_a_large_program_is_not_sketched_and_costs_little() -> None:
    small, large = long_chain(100), long_chain(400)
    for decomposition, names in (small, large):
        assert len(decomposition.tape.nodes) > MOST_NODES
        assert sketch(decomposition, names, 1.0) is None
    assert calls_of(lambda: sketch(*large, 1.0)) < 3 * len(large[0].tape.nodes)
    assert calls_of(lambda: chain_rule(*large)) < 4.5 * calls_of(lambda: chain_rule(*small))
    assert max(len(text) for text, _ in chain_rule(*large).values()) < 4 * (2 * LONGEST_NAME + 20)


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
