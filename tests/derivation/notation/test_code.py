"""Code written from a formula says what the formula says: Python's own loops over entries are the reference."""

from __future__ import annotations

import builtins
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from gradcli.derivation.notation.backends import NUMPY
from gradcli.derivation.notation.code import NAME, Wanted, source
from gradcli.errors import NotSupportedError
from gradcli.ops.functions import FUNCTION_OF

SHAPES = {"X": (3, 4), "W": (3, 4), "x": (4,), "y": (3,), "s": ()}
ENTRIES = [
    ("[p, q]: sum(X[i, q]*W[p, j]*x[j] for i in range(3) for j in range(4))", (3, 4)),
    ("[p]: sum(x[i] for i in range(p, 4))", (4,)),
    ("[p]: sum(x[i]*sum(x[j] for j in range(i + 1)) for i in range(p + 1))", (4,)),
    ("[p]: y[p - 1] if p >= 1 else 0", (4,)),
    ("[p]: x[(p - 1)//2] if p % 2 == 1 and p >= 1 else 0", (8,)),
    ("[p]: 4 - p", (4,)),
    ("[p]: (4 - p)/3", (4,)),
    ("[p, q]: (1 if p == q else 0)*x[q]", (4, 4)),
    ("[0, q]: x[q]*s", (1, 4)),
    ("[p]: where(x[p] > 0, 2, -1)", (4,)),
    ("[p]: where(x[p] > 1/2, x[p], 0) + exp(1)*pi", (4,)),
    ("[p, q]: sum(2 for i in range(3))*X[p, q]", (3, 4)),
    ("[p]: x[3 - p]", (4,)),
    ("[p]: (y[p] if p <= 2 else 0) + (s if p >= 3 else 0)", (4,)),
]
WHOLE = [
    ("X.T @ W", (4, 4)),
    ("x[:, None]*y", (4, 3)),
    ("sum(X, dim=1)/4", (3,)),
    ("where(x > 0, 1/10, 2/10)", (4,)),
    ("1/4", (3, 4)),
    ("eye(3)", (3, 3)),
    ("softmax(X, dim=-1)", (3, 4)),
    ("sigmoid(x)*abs(x)", (4,)),
    ("X*s", (3, 4)),
]


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return {name: torch.randn(shape, dtype=torch.float64) for name, shape in SHAPES.items()}


def run(text: str, shape: tuple[int, ...], to: str, *, exact: bool) -> torch.Tensor:
    known = tensors()
    known["target"] = torch.zeros(shape, dtype=torch.float64)
    code = source(to, {name: value.shape for name, value in known.items()}, [Wanted(text, ("target",), shape, exact)])
    space: dict[str, object] = {}
    exec(code, space)  # noqa: S102 (the code is what is tested)
    values = known.values() if to == "torch" else [value.numpy() for value in known.values()]
    return torch.as_tensor(space[NAME](*values).copy() if to == "numpy" else space[NAME](*values))  # type: ignore[operator]


def number(value: object) -> float:
    return float(value)  # type: ignore[arg-type]


def by_loops(text: str, shape: tuple[int, ...]) -> torch.Tensor:
    letters, _, body = text[1:].partition("]: ")
    scope = dict(tensors()) | {"exp": math.exp, "pi": math.pi, "where": lambda test, one, other: one if test else other}
    result = torch.zeros(shape, dtype=torch.float64)
    for place in itertools.product(*map(range, shape)):
        indices = dict(zip(letters.split(", "), place, strict=True))
        result[place] = number(eval(body, {**vars(builtins), **scope, **indices}))  # noqa: S307 (a text above)
    return result


@pytest.mark.parametrize("to", ["torch", "numpy"])
@pytest.mark.parametrize(("text", "shape"), ENTRIES)
def test_an_entry_becomes_code_without_loops(text: str, shape: tuple[int, ...], to: str) -> None:
    value = run(text, shape, to, exact=False)
    assert value.dtype == torch.float64
    assert torch.allclose(value, by_loops(text, shape), rtol=1e-14)
    assert " for " not in source(to, SHAPES, [Wanted(text, ("x",), shape)])


@pytest.mark.parametrize("to", ["torch", "numpy"])
@pytest.mark.parametrize(("text", "shape"), WHOLE)
def test_the_formula_of_a_whole_tensor_becomes_code(text: str, shape: tuple[int, ...], to: str) -> None:
    scope = {name: getattr(torch, name) for name in ("sum", "softmax", "sigmoid", "abs")} | tensors()
    scope |= {
        "eye": lambda size: torch.eye(size, dtype=torch.float64),
        "where": lambda test, one, other: torch.where(test, torch.tensor(one, dtype=torch.float64), other),
    }
    expected = torch.as_tensor(eval(text, scope), dtype=torch.float64).expand(shape)  # noqa: S307 (a text above)
    value = run(text, shape, to, exact=False)
    assert value.dtype == torch.float64
    assert value.shape == expected.shape
    assert torch.allclose(value, expected, rtol=1e-14)


def test_a_leaf_that_is_called_as_something_in_the_code_gets_another_name_there() -> None:
    code = source("torch", {"torch": (), "math": (), "sum": ()}, [Wanted("torch*math*sum", ("torch",), (), exact=True)])
    space: dict[str, object] = {}
    exec(code, space)  # noqa: S102 (the code is what is tested)
    assert space[NAME](*[torch.tensor(value) for value in (2.0, 3.0, 5.0)]) == 30  # type: ignore[operator]


def test_several_gradients_are_a_tuple_in_their_order() -> None:
    code = source(
        "torch", {"a": (), "b": ()}, [Wanted("b", ("a",), (), exact=True), Wanted("a", ("b",), (), exact=True)]
    )
    space: dict[str, object] = {}
    exec(code, space)  # noqa: S102 (the code is what is tested)
    assert space[NAME](torch.tensor(2.0), torch.tensor(3.0)) == (3, 2)  # type: ignore[operator]


def test_what_a_library_lacks_is_an_error_that_names_it() -> None:
    with pytest.raises(NotSupportedError, match="numpy has no function for 'digamma'"):
        source("numpy", {"x": (4,)}, [Wanted("digamma(x)", ("x",), (4,))])


@pytest.mark.parametrize(
    "name", [row.name for row in FUNCTION_OF.values() if row.torch.startswith("torch.") and row.name != "where"]
)
def test_every_function_of_derivatives_is_one_of_pytorchs_in_code(name: str) -> None:
    code = source("torch", {"x": (4,)}, [Wanted(f"{name}(x)", ("x",), (4,), exact=True)])
    assert code.rstrip().rpartition("return ")[2].startswith("torch.")


def test_code_for_jax_says_the_same_as_that_for_numpy() -> None:
    formula = [Wanted("[p]: sum(x[i]*X[i, p] for i in range(4))", ("x",), (4,))]
    there, here = (source(to, {"x": (4,), "X": (4, 4)}, formula) for to in ("jax", "numpy"))
    assert there.replace("jnp.", "np.").partition("def ")[2] == here.partition("def ")[2]
    assert there.startswith("import jax\nimport jax.numpy as jnp\n")


def test_the_sigmoid_of_numpy_keeps_the_digits_of_its_tail() -> None:
    space: dict[str, Any] = {"np": np}
    exec(NUMPY.helpers["sigmoid"], space)  # noqa: S102
    values = np.array([-800.0, -700.0, -40.0, 0.0, 40.0, 800.0])
    expected = torch.sigmoid(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(space["_sigmoid"](values), expected, rtol=1e-15)
