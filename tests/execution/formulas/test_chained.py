"""Functions of elementwise chains, which save what they compute on the way: no more than autograd does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

import gradcli
from gradcli.engine import derive_program
from gradcli.errors import NotSupportedError
from gradcli.execution.formulas import function
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

PROGRAM = "tanh(x*y)*y"


@pytest.fixture(scope="module")
def code() -> str:
    return gradcli.derive(PROGRAM, {"x": (3, 2), "y": (3, 2)}).function()


@pytest.fixture(scope="module")
def space(code: str) -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "derived"}
    exec(code, found)  # noqa: S102 (the code is what is tested)
    return found


@pytest.fixture(scope="module")
def apart() -> dict[str, Any]:
    """A chain that writes over what it computes on the way back."""
    found: dict[str, Any] = {"__name__": "derived"}
    code = gradcli.derive("cos(x)*sin(y)*exp(y)", {"x": (3,), "y": (3,)}).function()
    assert ".mul_(" in code.partition("def backward")[2]
    exec(code, found)  # noqa: S102 (as above)
    return found


def program(x: Tensor, y: Tensor) -> Tensor:
    return torch.tanh(x * y) * y


def leaves(*shape: int) -> list[Tensor]:
    torch.manual_seed(5)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in "xy"]


def saved(forward: Callable[[], Tensor]) -> set[int]:
    found: list[Tensor] = []
    with saved_tensors_hooks(lambda tensor: found.append(tensor) or tensor, lambda tensor: tensor):
        output = forward()
    del output
    return {one.untyped_storage().data_ptr() for one in found}


def test_it_is_differentiated_twice_where_its_results_on_the_way_are_used_too(space: dict[str, Any]) -> None:
    for shape in ((3,), (2, 2)):
        assert gradcheck(space["mul"], leaves(*shape), check_forward_ad=True)
        assert gradgradcheck(space["mul"], leaves(*shape))
    assert gradcheck(space["Mul"].apply, leaves(3), check_forward_ad=True)
    torch.testing.assert_close(space["mul"](*leaves(3)), program(*leaves(3)))


def test_no_more_is_saved_than_autograd_saves(space: dict[str, Any]) -> None:
    given = leaves(50)
    assert len(saved(lambda: space["mul"](*given))) <= len(saved(lambda: program(*given))) == len([*given, "tanh"])


def test_a_leaf_that_neither_backward_nor_jvp_reads_is_not_saved() -> None:
    """Autograd saves x, t = x - y, and exp(-t**2): not y."""
    found: dict[str, Any] = {"__name__": "derived"}
    exec(gradcli.derive("exp(-(x - y)**2)*x", {"x": (3,), "y": (3,)}).function(), found)  # noqa: S102 (as above)
    x, y = leaves(50)
    kept = saved(lambda: found["mul"](x, y))
    assert y.untyped_storage().data_ptr() not in kept
    assert len(kept) == len(saved(lambda: torch.exp(-((x - y) ** 2)) * x)) == 3
    assert gradcheck(found["mul"], leaves(3), check_forward_ad=True)


def test_nothing_that_forward_computed_is_computed_again(code: str) -> None:
    backward = code.partition("def backward")[2].partition("def jvp")[0]
    assert "torch.tanh(" not in backward


@pytest.mark.filterwarnings("ignore")  # of what PyTorch has deprecated
def test_one_of_the_leaves_may_be_a_constant_a_sample_or_without_a_tangent(space: dict[str, Any]) -> None:
    x, y = (one.detach() for one in leaves(4, 3))
    by_y = y.clone().requires_grad_()
    expected = torch.autograd.grad(program(x, by_y).sum(), by_y)
    torch.testing.assert_close(torch.autograd.grad(space["mul"](x, by_y).sum(), by_y), expected)
    mapped = torch.vmap(torch.func.grad(lambda x, y: space["mul"](x, y).sum()), (0, None))(x, y[0])
    torch.testing.assert_close(
        mapped, torch.vmap(torch.func.grad(lambda x, y: program(x, y).sum()), (0, None))(x, y[0])
    )
    with forward_ad.dual_level():
        found, own = (run(forward_ad.make_dual(x, y), y) for run in (space["mul"], program))
        torch.testing.assert_close(forward_ad.unpack_dual(found), forward_ad.unpack_dual(own))


@pytest.mark.filterwarnings("ignore")  # of what PyTorch has deprecated
def test_what_is_written_over_has_every_axis_that_is_mapped(apart: dict[str, Any]) -> None:
    """No tensor that is saved depends on both leaves: where nothing arrives at the output, neither do its zeros."""

    def second(run: Callable[..., Tensor], axes: tuple[int | None, int | None]) -> Any:
        def gradient(x: Tensor, y: Tensor) -> Any:
            return torch.func.grad(lambda x, y: run(x, y).sum(), (0, 1))(x, y)

        given = [one.detach() if axis == 0 else one.detach()[0] for one, axis in zip(leaves(2, 3), axes, strict=True)]
        return torch.vmap(torch.func.jacrev(gradient, (0, 1)), axes)(*given)

    def plain(x: Tensor, y: Tensor) -> Tensor:
        return torch.cos(x) * torch.sin(y) * torch.exp(y)

    for axes in ((0, 0), (0, None), (None, 0)):
        torch.testing.assert_close(second(apart["mul"], axes), second(plain, axes))


def test_what_arrives_at_a_result_on_the_way_may_be_mapped_alone() -> None:
    found: dict[str, Any] = {"__name__": "derived"}
    code = gradcli.derive("tanh(x - y)*y", {"x": (3,), "y": (3,)}).function()
    assert ".sub_(" in code.partition("def backward")[2]
    exec(code, found)  # noqa: S102 (as above)
    x, y = (one.detach() for one in leaves(3))

    def gradients(run: Callable[..., Any]) -> Any:
        _, back = torch.func.vjp(run, x, y)
        return torch.vmap(lambda mapped: back((x, mapped)))(torch.eye(3).double())

    expected = gradients(lambda x, y: (torch.tanh(x - y) * y, torch.tanh(x - y)))
    torch.testing.assert_close(gradients(found["Mul"].apply), expected)


def test_gradcli_custom_passes_it(code: str, tmp_path: Path) -> None:
    file = tmp_path / "derived.py"
    file.write_text(code, encoding="utf-8")
    report = gradcli.check_function(f"{file}:Mul", dict(zip("xy", (one.detach() for one in leaves(3, 2)), strict=True)))
    assert report.verdict is Verdict.MATCH, str(report)


def test_what_is_no_cheaper_returns_its_output_alone() -> None:
    code = gradcli.derive("(x + y)*x", {"x": (3,), "y": (3,)}).function()
    assert "return (x + y) * x\n" in code
    assert "def mul" not in code


FUSED = "softplus(x*y)*silu(y)"


@pytest.fixture(scope="module")
def fused() -> Callable[..., Tensor]:
    """A chain of functions of which PyTorch has kernels: one cannot be differentiated."""
    found: dict[str, Any] = {"__name__": "derived"}
    code = gradcli.derive(FUSED, {"x": (3,), "y": (3,)}).function()
    backward = code.partition("def backward")[2].partition("def jvp")[0]
    assert all(name in backward for name in ("aten.softplus_backward", "_silu_backward"))
    assert not any(name in backward for name in ("where", "torch.sigmoid"))
    exec(code, found)  # noqa: S102 (as above)
    return found["mul"]  # type: ignore[no-any-return]


def of_kernels(x: Tensor, y: Tensor) -> Tensor:
    return functional.softplus(x * y) * functional.silu(y)


@pytest.mark.filterwarnings("ignore")  # of what PyTorch has deprecated
def test_pytorchs_own_kernels_are_differentiated_twice_and_mapped(fused: Callable[..., Tensor]) -> None:
    assert gradcheck(fused, leaves(3), check_forward_ad=True)
    assert gradgradcheck(fused, leaves(3))

    def second(run: Callable[..., Tensor], axes: tuple[int | None, int | None]) -> Any:
        given = [one.detach() if axis == 0 else one.detach()[0] for one, axis in zip(leaves(2, 3), axes, strict=True)]
        gradient = torch.func.grad(lambda x, y: run(x, y).sum(), (0, 1))
        return torch.vmap(torch.func.jacrev(gradient, (0, 1)), axes)(*given)

    for axes in ((0, 0), (0, None), (None, 0)):
        torch.testing.assert_close(second(fused, axes), second(of_kernels, axes))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_pytorchs_own_kernels_take_any_type_and_strides(fused: Callable[..., Tensor], dtype: torch.dtype) -> None:
    given = [one.detach().mul(9).to(dtype).T.requires_grad_() for one in leaves(4, 3)]
    expected, found = (torch.autograd.grad(run(*given).sum(), given) for run in (of_kernels, fused))
    torch.testing.assert_close(found, expected)


def test_a_chain_whose_gradients_have_no_formulas_of_the_leaves_is_one_a_step_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: Any) -> Any:
        raise NotSupportedError("no formula")

    monkeypatch.setattr(function, "_parts", refused)
    code = gradcli.derive("exp(x)*y", {"x": (3,), "y": (3,)}).function()
    assert "Gradients: from the upstream one, g, back by the chain rule" in code
    assert "Constants" not in code
    found: dict[str, Any] = {"__name__": "derived"}
    exec(code, found)  # noqa: S102 (as above)
    assert gradcheck(found["mul"], leaves(3), check_forward_ad=True)


def test_a_stable_function_keeps_the_digits_that_pytorchs_formula_loses() -> None:
    x = torch.tensor([-1e6, -30.0, 0.5], dtype=torch.float64, requires_grad=True)
    expected = [1e6, 30.03326, 0.50916]  # by the series x + 1/x of the tail, and by tables
    found = {}
    for is_stable in (False, True):
        settings = Settings(command="derive", to="function", shapes={"x": (3,)}, stable=is_stable)
        space: dict[str, Any] = {"__name__": "derived"}
        exec(derive_program("log_ndtr(x)", settings).codes["function"], space)  # noqa: S102 (what gradcli wrote)
        (found[is_stable],) = torch.autograd.grad(space["LogNdtr"].apply(x).sum(), x)
    assert found[True].tolist() == pytest.approx(expected, rel=1e-5)
    assert abs(found[False][0].item() / 1e6 - 1) > 1e-5


def test_a_power_of_0_within_a_chain_has_the_gradient_of_autograd() -> None:
    space: dict[str, Any] = {"__name__": "derived"}
    exec(gradcli.derive("atan2(x, y**atan2(y, x + y))*x", {"x": (3,), "y": (3,)}).function(), space)  # noqa: S102 (ours)
    x = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.7, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad((torch.atan2(x, y ** torch.atan2(y, x + y)) * x).sum(), x)
    assert expected.isfinite().all()
    (found,) = torch.autograd.grad(space["mul"](x, y).sum(), x)
    torch.testing.assert_close(found, expected)
