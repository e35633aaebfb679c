"""What is refused takes no memory, and what would crash PyTorch is refused: each row in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

MIB = 400  # above torch
DOUBLED = "y = [1]; " + "y = y + y; " * 40 + "x*y[0]"
NESTED = "y = x; " + "y = [y, y]; " * 40 + "stack(y)"
LARGE = [
    ["(x*eye(20000)).sum()"],
    ["(x*eye(3, 400000000)).sum()"],
    ["diag_embed(x).sum()", "20000"],
    ["cov(x).sum()", "20000x2"],
    ["corrcoef(x).sum()", "20000x2"],
    ["vander(x).sum()", "20000"],
    ["F.pdist(x).sum()", "20000x2"],
    ["cdist(x, x).sum()", "20000x1"],
    ["combinations(x, 3).sum()", "700"],
    ["combinations(x, 4).sum()", "150"],
    ["(x*arange(1e9)).sum()"],
    ["(x*arange(0, 1, 1e-9)).sum()"],
    ["(x*linspace(0, 1, 10**9)).sum()"],
    ["F.interpolate(x, scale_factor=1e8).sum()", "1x1x3"],
    ["F.interpolate(x, size=20000).sum()", "1x1x3x3"],
    ["(x*F.one_hot(tensor([400000000]))).sum()"],
    ["repeat_interleave(x, tensor([400000000])).sum()", "1"],
    ["repeat_interleave(x, 400000000).sum()", "1"],
    ["x.tile(100000, 100000).sum()"],
    ["x.expand(100000, 100000).clone().sum()"],
    ["kron(x, x).sum()", "20000"],
    ["tensordot(x, x, 0).sum()", "20000"],
    ["einsum('a,b->ab', x, x).sum()", "20000"],
    ["F.conv_transpose2d(x, y, stride=10000).sum()", "1x1x2x2"],
    ["F.unfold(x, (300, 300)).sum()", "1x1x1000x1000"],
    ["unbind(x)[0]", "9000000"],
    ["split(x, 1)[0].sum()", "9000000"],
    ["unbind(x)[0]", "1000000"],
    ["block_diag(*([x]*12000)).sum()"],
    ["linalg.vander(x, N=10**9).sum()", "1"],
    ["torch.special.multigammaln(x + 10**9, 10**9)"],
    ["(zeros(10**9)*x).sum()"],
    ["(full((10**9,), 2.0)*x).sum()"],
    ["x; y = [0]*10**11; x"],
    ["y = (0,)*10**8; x"],
    [DOUBLED],
    [NESTED],
    ["+".join("abcdefghijklmnopqrstuvwxyz") + "+aa+bb", "10000000"],
]
MORE = [
    ["accumulate", "x*x", "--times", "1000000000"],
    ["double-backward", "x*x", "--times", "1000000000"],
    ["jacobian", "x*2", "--shape", "20000"],
    ["hessian", "(x*x).sum()", "--shape", "20000"],
]
FILES = ["bomb.npz", "expanded.pt", "lists.json"]
NORM = "torch.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5)[0].sum()"
CRASHES = [
    ["eval", "F.pdist(x).sum()", "--shape", "0x3"],
    ["eval", "F.pdist(x, 1.0).sum()", "--shape", "0x0"],
    ["eval", NORM, "--shape", "x=4x2x3", "--shape", "w=0", "--shape", "b=2"],
    ["eval", NORM, "--shape", "x=0x2", "--shape", "w=2", "--shape", "b=2"],
]


def row(program: str, shape: str = "scalar") -> list[str]:
    return ["eval", program, "--shape", shape, "--no-verify", "--timeout", "20"]


ROWS = [row(*large) for large in LARGE] + MORE


def write_files(folder: Path) -> None:
    """Write files that are small, and unpack to gigabytes."""
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("big.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f8", "fortran_order": False, "shape": (60_000_000,)}
            np.lib.format.write_array_header_1_0(member, header)
            for _ in range(60):
                member.write(bytes(8_000_000))
        with archive.open("x.npy", "w") as member:
            np.lib.format.write_array(member, np.ones(3))
    torch.save({"x": torch.zeros(1).expand(10**9)}, folder / "expanded.pt")
    (folder / "lists.json").write_text('{"x": 1, "y": [' + ",".join(["[]"] * 8_000_000) + "]}")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    files = [["eval", "x*x", "--values", str(folder / name), "--no-verify"] for name in FILES]
    rows = [*ROWS, *files, *CRASHES]
    found = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("peaks.py"))],
        input=json.dumps(rows), capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    names = [*map(str, ROWS), *FILES, *map(str, CRASHES)]
    return dict(zip(names, json.loads(found.stdout), strict=True))


@pytest.mark.parametrize("name", [*map(str, ROWS), *FILES])
def test_what_is_too_large_is_refused_and_takes_no_memory(ended: dict[str, list[Any]], name: str) -> None:
    code, peak, message = ended[name]
    assert code == 2, message
    assert "--max-" in message
    assert peak < MIB


@pytest.mark.parametrize("name", [str(crash) for crash in CRASHES])
def test_what_would_crash_pytorch_is_refused(ended: dict[str, list[Any]], name: str) -> None:
    code, _, message = ended[name]
    assert code == 2
    assert "crash" in message
    assert "^" in message
