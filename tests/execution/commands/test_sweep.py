"""Some runs of `benchmarks/sweep.py`: examples of the op table, by every command and in every format."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[3] / "benchmarks" / "sweep.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sweep", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["sweep"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SWEEP = load()


@pytest.mark.parametrize(
    "run",
    [*SWEEP.runs(["float32"], 0, 331), *SWEEP.runs(["bfloat16"], 200, 331), *SWEEP.runs(["complex64"], 100, 331)],
    ids=str,
)
def test_no_example_brings_a_defect_to_light(run: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not run.outcome().startswith("DEFECT")  # type: ignore[attr-defined]


@pytest.mark.parametrize("example", ["cosh(x) | x=2", "x.expand(2, 3) | x=3"])
def test_the_product_of_a_complex_program_is_no_defect(example: str) -> None:
    outcome = SWEEP.Run(example, "jvp", "complex64").outcome()
    assert outcome == "undecided"


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize(
    ("example", "command"),
    [
        ("view_as_real(torch.complex(x, y)) | x=2x3 y=2x3", "check"),
        ("imag(x*1j) | x=2x3", "hessian"),
        ("float_power(x, y) | x=2x3 y=3", "grad"),
        ("(x.double()*2).half() | x=2", "grad"),
    ],
)
def test_a_program_of_several_dtypes_is_no_defect(example: str, command: str) -> None:
    assert SWEEP.Run(example, command, "float16").outcome() == "match"


def test_a_jacobian_of_single_precision_is_allowed_its_rounding() -> None:
    """One of 576 entries is off by 1.1e-5 of the largest: so are those of float64 that are rounded on the way."""
    shapes = "q=3x2x4 k=5x2x4 v=5x2x4 w=12x4 b=12 o=4x4 c=4"
    attention = "F.multi_head_attention_forward(q, k, v, 4, 2, w, b, None, None, False, 0.0, o, c)[0]"
    assert SWEEP.Run(f"{attention} | {shapes}", "jacobian", "float32").outcome() == "match"
