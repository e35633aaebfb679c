"""Snippets as they stand in tutorials and answers, each beside what PyTorch itself computes when it runs them."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.errors import GradcliError
from gradcli.settings import Settings

SNIPPETS = {
    path.stem: path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent / "pasted").glob("*.txt"))
}
# What computes with gradients, and differentiates again.
OF_A_GRADIENT = (
    "gradient_penalty", "hessian_rows", "hvp_double_backward", "maml_inner", "newton_second_derivative",
    "pinn_derivative", "pinn_loss", "second_derivative_backward", "second_derivative_simple",
    "third_derivative", "wgan_gp",
)  # fmt: skip
# What is refused: by gradcli, and by PyTorch itself. A part of the message, and of the hint.
REFUSED = {
    "inplace_error_forum": ("a leaf Variable that requires grad is being used in an in-place operation", "a new name"),
    "inplace_saved_error": ("modified by an inplace operation", "with a new name"),
}
READ = [name for name in SNIPPETS if name not in REFUSED]
# Float32's rounding in the notebook: gradcli computes in double precision.
CLOSE = 2e-4


class Stop(Exception):  # noqa: N818 (it is not an error)
    """The snippet has differentiated."""


def gradients_of(text: str, monkeypatch: pytest.MonkeyPatch, *, further: bool = False) -> dict[str, torch.Tensor]:
    """Return what PyTorch gives for the leaves of a snippet where it first differentiates, by name.

    With `further` it is where it differentiates what a gradient with a graph was computed with.
    """
    found: dict[str, torch.Tensor] = {}
    space: dict[str, Any] = {
        "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "math": math, "Variable": torch.autograd.Variable,
        "__name__": "__main__",
    }  # fmt: skip
    grad, plain = torch.autograd.grad, torch.Tensor.backward

    def stop(
        output: Any, of: Any = None, upstream: Any = None, *args: Any, grad_outputs: Any = None, **more: Any
    ) -> Any:
        if further and more.get("create_graph"):
            given = {"grad_outputs": grad_outputs if upstream is None else upstream}
            return grad(more.pop("outputs", output), more.pop("inputs", of), *args, **given, **more)
        output, upstream = more.get("outputs", output), upstream if upstream is not None else grad_outputs
        named = {name: tensor for top, value in space.items() for name, tensor in tensors_in(value, top)}
        leaves = {name: value for name, value in named.items() if value.is_leaf and value.requires_grad}
        for name, leaf in leaves.items():
            gradient = grad(output, leaf, upstream, retain_graph=True, allow_unused=True)[0]
            found[name] = torch.zeros_like(leaf) if gradient is None else gradient.detach()
        raise Stop

    def backward(output: torch.Tensor, gradient: Any = None, **more: Any) -> None:
        if further and more.get("create_graph"):
            plain(output, gradient, **more)
        else:
            stop(output, None, gradient)

    monkeypatch.setattr(torch.Tensor, "backward", backward)
    monkeypatch.setattr(torch.Tensor, "register_hook", lambda *_: types.SimpleNamespace(remove=lambda: None))
    monkeypatch.setattr(torch.autograd, "grad", lambda outputs=None, *args, **more: stop(outputs, *args, **more))
    monkeypatch.setitem(__import__("sys").modules, "torchviz", types.SimpleNamespace(make_dot=lambda *_, **__: None))
    torch.manual_seed(0)
    with pytest.raises(Stop):
        exec(_code(text), space)  # noqa: S102 (the snippets are ours)
    return found


def tensors_in(value: Any, name: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of a value of a notebook by the names that they have there; `_` and loop variables are none."""
    if isinstance(value, torch.Tensor) and name not in ("_", "p", "param"):
        yield name, value
    elif isinstance(value, torch.nn.Module) and name != "param":
        yield from value.named_parameters(name)
    elif isinstance(value, list | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        yield from ((f"{name}[{key!r}]", item) for key, item in items if isinstance(item, torch.Tensor))


def _code(text: str) -> str:
    if ">>>" not in text:
        return text.replace("torch.set_default_device(device)", "")
    return "\n".join(line[4:] for line in text.split("\n") if re.match(r">>> |\.\.\. ", line))


def test_there_are_sixty() -> None:
    assert len(SNIPPETS) >= 60
    assert len(REFUSED) <= 0.05 * len(SNIPPETS)


@pytest.mark.filterwarnings("ignore:Using backward")
@pytest.mark.parametrize("name", READ)
def test_a_snippet_is_read_as_it_stands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patches:
        expected = gradients_of(SNIPPETS[name], patches, further=name in OF_A_GRADIENT)
    report = evaluate_program(SNIPPETS[name], Settings(formulas=False))
    assert report.verdict is not None
    assert report.verdict.passes
    leaves = {tensor.name: tensor for tensor in report.tensors if tensor.kind == "leaf" and tensor.requires_grad}
    compared = expected.keys() & leaves.keys()
    assert compared or not expected
    assert not [name for name in expected if "." in name and name not in compared]
    for leaf in compared:
        known, got = expected[leaf].double(), leaves[leaf].gradient
        assert got.shape == known.shape
        assert (got - known).abs().max() <= CLOSE * max(1.0, float(known.abs().max())), leaf


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_has_a_hint(name: str) -> None:
    message, hint = REFUSED[name]
    with pytest.raises(GradcliError) as caught:
        evaluate_program(SNIPPETS[name], Settings())
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
