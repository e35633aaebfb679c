"""Formulas through spectra and other complex values: the code that is written of them is compared with autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradcli

NAMES = {"fft": torch.fft, "torch": torch, "stack": torch.stack}
PROGRAMS: list[tuple[str, dict[str, tuple[int, ...]]]] = [
    ("fft.fft(x).abs()", {"x": (5,)}),
    ("fft.fft(x, 2, 0, norm='forward').imag", {"x": (3, 2)}),
    ("fft.irfft(fft.rfft(x)*fft.rfft(y), n=5)", {"x": (5,), "y": (5,)}),
    ("fft.hfft(x, n=6, norm='ortho')", {"x": (2, 3)}),
    ("fft.ihfft(x).imag", {"x": (4,)}),
    ("fft.rfftn(x, s=(3, 2), norm='ortho').real", {"x": (2, 4)}),
    ("fft.irfft2(fft.fft2(x)[:, :2], s=(3, 3))", {"x": (3, 3)}),
    ("torch.view_as_real(torch.complex(x, y)*(1 + 2j))", {"x": (2,), "y": (2,)}),
    ("torch.polar(x, y).real", {"x": (2,), "y": (2,)}),
]


def both(program: str, shapes: dict[str, tuple[int, ...]]) -> tuple[Any, Any]:
    """Return autograd's gradients at random values, and those of the code that `derive` writes."""
    torch.manual_seed(0)
    leaves = {name: torch.rand(shape, dtype=torch.float64, requires_grad=True) for name, shape in shapes.items()}
    output = eval(program, {**NAMES, **leaves})  # noqa: S307
    upstream = torch.randn_like(output)
    references = torch.autograd.grad(output, [*leaves.values()], upstream)
    space: dict[str, Any] = {}
    exec(gradcli.derive(program, shapes).code("torch"), space)  # noqa: S102 (what is tested)
    found = space["gradient"](*[leaf.detach() for leaf in leaves.values()], upstream)
    return references, found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize(("program", "shapes"), PROGRAMS)
def test_the_code_is_what_autograd_says(program: str, shapes: dict[str, tuple[int, ...]]) -> None:
    references, found = both(program, shapes)
    for reference, one in zip(references, found, strict=True):
        assert one.dtype == torch.float64
        assert torch.allclose(one, reference, rtol=1e-10, atol=1e-12)


def test_a_transform_is_a_product_with_cosines_of_lengths_by_name() -> None:
    found = gradcli.derive("fft.fft(x).real", {"x": ("n",)})
    assert found["x"].formula == "g @ cos(2*pi*outer(arange(n), arange(n))/n)"
    assert found.verdict == "match"


def test_a_spectrum_is_called_by_its_name() -> None:
    found = gradcli.derive("(fft.fft(x).abs()**2).sum()", {"x": (8,)})
    assert found.where.parts["t"] == "fft.fft(x)"
    assert found.verdict == "match"


def test_an_entry_is_of_its_indices() -> None:
    asked = gradcli.derive("fft.rfft(x).real", {"x": (5,)}).asked
    assert asked is not None
    assert asked.derived(to="sympy").derivatives[0].sympy == "Sum(g[i] * cos(2 * pi * i * p / 5), (i, 0, 2))"
