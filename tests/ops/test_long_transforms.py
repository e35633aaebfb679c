"""Fourier transforms that are made by rows and columns of a table: their gradients are those of PyTorch's kernels."""

from __future__ import annotations

import pytest
import torch

import gradcli
from gradcli.execution.kernels.fourier import SHORT, fourier_rows
from gradcli.report.verdict import Verdict

LONG, PRIME = 198, 199  # 11 rows of 18; no table
PROGRAMS = [
    "fft.fft(x, norm={norm}).abs()",
    "fft.ifft(x, norm={norm}).imag",
    "fft.rfft(x.real, norm={norm}).abs()",
    "fft.ihfft(x.real, norm={norm}).imag",
    "fft.irfft(x, n=x.shape[0], norm={norm})",
    "fft.hfft(x, n=x.shape[0], norm={norm})",
]


@pytest.mark.parametrize("length", [LONG, LONG + 2, PRIME])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_long_transform_has_its_gradient(program: str, length: int) -> None:
    values = {"x": torch.randn(length, dtype=torch.complex128, generator=torch.Generator().manual_seed(length))}
    for norm in (None, "ortho", "forward"):
        text = program.format(norm=repr(norm))
        report = gradcli.evaluate(text, values, grad_output="random")
        assert report["x"].verdict is Verdict.MATCH, text


def test_a_very_long_one_takes_no_matrix_of_its_length() -> None:
    """100,000 by 100,000 entries would be refused."""
    assert gradcli.evaluate("fft.rfft(x).abs().sum()", {"x": torch.randn(100_000)})["x"].verdict is Verdict.MATCH


def test_rows_divide_a_length() -> None:
    assert [fourier_rows(length) for length in (SHORT, LONG, LONG + 2, PRIME)] == [1, 11, 10, 1]
