from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest
from gradcli.derivation.tensor_program import COTANGENT, TensorProgram
from gradcli.errors import NotSupportedError
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.reference.tensor_eval import evaluate
from gradcli.symbolic.derive.derive import derive
from gradcli.symbolic.derive.entries import build
from gradcli.symbolic.derive.lowering import lower

Axes = tuple[tuple[str, str], ...]
STEP = 1e-6

SHAPES = {"a": (2, 3), "b": (3, 4), "s": (3, 3), "x": (2, 3), "y": (3,), "v": (4,), "n": (), "input": (4,)}
POSITIONS = {"sources": torch.tensor([2, 0, 2]), "targets": torch.tensor([1, 4, 0])}

# A formula, its operands' axes, and the labels and shape of its result.
FORMULAS: dict[str, tuple[str, Axes, str, tuple[int, ...]]] = {
    "product": ("a[i, k]*b[k, j]", (("a", ""), ("b", "")), "ij", (2, 4)),
    "transposed product": ("b[k, i]*a[j, k]", (("a", ""), ("b", "")), "ij", (4, 2)),
    "row sums": ("a[i, k]", (("a", ""),), "i", (2,)),
    "trace": ("s[i, i]", (("s", ""),), "", ()),
    "diagonal": ("s[i, i]", (("s", ""),), "i", (3,)),
    "transposed": ("a[j, i]", (("a", ""),), "ij", (3, 2)),
    "quadratic form": ("y[i]*s[i, j]*y[j]", (("y", ""), ("s", "")), "", ()),
    "outer square": ("y[i]*y[j]", (("y", ""),), "ij", (3, 3)),
    "cumulative sum": ("(k <= i)*v[k]", (("v", ""),), "i", (4,)),
    "strictly before": ("(k < i)*v[k]*v[i]", (("v", ""),), "i", (4,)),
    "broadcast": ("exp(x)*y/(2 + sin(n))", (("x", "ij"), ("y", "j"), ("n", "")), "ij", (2, 3)),
    "choice": ("where(x > y, x**3, -tanh(y))", (("x", "ij"), ("y", "j")), "ij", (2, 3)),
    "power": ("(2 + sin(x))**y", (("x", "ij"), ("y", "j")), "ij", (2, 3)),
    "two terms": ("a[i, k]*b[k, j] - a[i, k]*a[i, k]*b[k, j]", (("a", ""), ("b", "")), "ij", (2, 4)),
    "gather": ("input[sources[j]]", (("input", ""), ("sources", "")), "j", (3,)),
    "scatter": ("delta(i, targets[j])*input[sources[j]]", (("input", ""), ("sources", ""), ("targets", "")), "i", (5,)),
}


def operands_of(axes: Axes) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    known = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in SHAPES.items()}
    return {name: (known | POSITIONS)[name] for name, _ in axes}


def sized(program: TensorProgram) -> TensorProgram:
    """Return a value's program with the lengths of its result read from the cotangent, as its adjoints do."""
    lengths = tuple((letter, COTANGENT, axis) for axis, letter in enumerate(program.out))
    return replace(program, sizes=(*program.sizes, *lengths))


@pytest.mark.parametrize("case", FORMULAS)
def test_an_adjoint_is_the_slope_of_the_value(case: str) -> None:
    formula, axes, out, shape = FORMULAS[case]
    operands = operands_of(axes)
    wrt = tuple(name for name in operands if name not in POSITIONS)
    derived = derive(DerivativeRequest(formula, axes, (), out, wrt))
    assert derived.value is not None
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    for name in wrt:
        with double_precision():
            found = evaluate(derived.adjoints[name], operands | {COTANGENT: weights})
            slopes = quotients(sized(derived.value), operands, name, weights)
        assert found.shape == operands[name].shape
        assert torch.allclose(found, slopes, rtol=1e-7, atol=1e-7)


def quotients(program: TensorProgram, operands: dict[str, Tensor], name: str, weights: Tensor) -> Tensor:
    def value(place: int, step: float) -> Tensor:
        moved = operands[name].clone()
        moved.view(-1)[place] += step
        return (evaluate(program, operands | {name: moved, COTANGENT: weights}) * weights).sum()

    pairs = [(value(place, STEP), value(place, -STEP)) for place in range(operands[name].numel())]
    return torch.stack([(above - below) / (2 * STEP) for above, below in pairs]).reshape(operands[name].shape)


def functions(formula: str, axes: Axes, out: str, name: str) -> list[str]:
    return [step.function for step in derive(DerivativeRequest(formula, axes, (), out, (name,))).adjoints[name].steps]


def test_a_product_is_one_contraction() -> None:
    steps = functions("a[i, k]*b[k, j]", (("a", ""), ("b", "")), "ij", "a")
    assert [step for step in steps if step != "relabel"] == ["einsum"]


def test_a_diagonal_is_read_without_a_delta() -> None:
    program = derive(DerivativeRequest("s[i, i]", (("s", ""),), (), "i", ("s",))).value
    assert program is not None
    assert [(step.function, step.labels) for step in program.steps] == [("relabel", ("ii",))]


def test_data_that_is_moved_is_scattered_back() -> None:
    assert functions("input[sources[j]]", (("input", ""), ("sources", "")), "j", "input") == ["scatter"]


def test_equal_subexpressions_are_one_step() -> None:
    steps = functions("sin(exp(x))", (("x", "i"),), "i", "x")
    assert steps.count("exp") == 1


def test_an_operand_that_nothing_reads_has_a_zero_gradient() -> None:
    derived = derive(DerivativeRequest("exp(x)", (("x", "ij"), ("y", "j")), (), "ij", ("y",)))
    operands = operands_of((("x", "ij"), ("y", "j"))) | {COTANGENT: torch.ones(2, 3)}
    assert evaluate(derived.adjoints["y"], operands).tolist() == [0.0, 0.0, 0.0]


def test_a_size_of_zero() -> None:
    derived = derive(DerivativeRequest("a[i, k]*b[k, j]", (("a", ""), ("b", "")), (), "ij", ("a",)))
    operands = {"a": torch.ones(2, 0), "b": torch.ones(0, 4), COTANGENT: torch.ones(2, 4)}
    assert evaluate(derived.adjoints["a"], operands).shape == (2, 0)


def test_a_program_survives_the_way_between_processes() -> None:
    program = derive(DerivativeRequest("(k <= i)*v[k]", (("v", ""),), (), "i", ("v",))).adjoints["v"]
    assert TensorProgram.from_data(program.to_data()) == program


def test_a_function_without_a_step_is_refused() -> None:
    import sympy

    entry = replace(build("exp(x)", {"x": ""}, {}, ""), terms=(sympy.zeta(sympy.Symbol("x", real=True)),))
    with pytest.raises(NotSupportedError, match="zeta"):
        lower(entry, {"x": ""}, {})
