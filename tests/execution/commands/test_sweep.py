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
