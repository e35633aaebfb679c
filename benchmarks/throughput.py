"""Checks a second: `gradcli check` on the suite of 1,000 against pytest with gradcheck on the same programs and points.

python benchmarks/throughput.py [--suite benchmarks/suite.toml] [-j 2]

Both sides run on as many processes, in turn, and compare every entry of every gradient. Exits 1 below the bound.
"""

from __future__ import annotations

import argparse
import compileall
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from sides import point

import gradcli
from gradcli.settings import Settings
from gradcli.suite.given import Given
from gradcli.suite.read import read_suite

BOUND = 3.0
TESTS = """
import sys
import warnings

import pytest
import torch

sys.path.insert(0, {folder!r})
from sides import gradcheck

torch.set_num_threads(1)
CHECKS = torch.load({points!r})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CHECKS)
def test_gradient(name):
    source, leaves = CHECKS[name]
    assert gradcheck(source, leaves, raise_exception=True)
"""


def main() -> None:
    """Run both sides in turn and print checks a second."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--suite", default=str(Path(__file__).with_name("suite.toml")))
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs")
    parser.add_argument("-j", type=int, default=2, help="processes of each side")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # PyTorch's, of what is deprecated
    compileall.compile_dir(Path(gradcli.__file__).parent, quiet=1)  # as pip does with what it installs
    checks = read_suite(options.suite, Given(Settings(command="check")))
    with tempfile.TemporaryDirectory() as folder:
        tests = write_tests(Path(folder), {check.name: (check.program, check.settings) for check in checks})
        ours = [sys.executable, "-m", "gradcli", "check", options.suite, "-j", str(options.j), "--format", "jsonl"]
        theirs = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(options.j), str(tests)]
        pairs = [(seconds(ours, folder), seconds(theirs, folder)) for _ in range(options.rounds)]
    print_ratio(len(checks), pairs)


def write_tests(folder: Path, checks: dict[str, tuple[str, Settings]]) -> Path:
    """Write a pytest file with a gradcheck for each check, at the point at which gradcli looks."""
    points = folder / "points.pt"
    torch.save({name: (source, point(source, settings)) for name, (source, settings) in checks.items()}, points)
    tests = folder / "test_gradients.py"
    tests.write_text(TESTS.format(folder=str(Path(__file__).parent), points=str(points)), encoding="utf-8")
    return tests


def seconds(command: list[str], folder: str) -> float:
    """Return how long a command takes, start included; it must pass."""
    started = time.perf_counter()
    with Path(folder, "out").open("wb") as out:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, check=False)
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}:\n{Path(folder, 'out').read_text()[-3000:]}")
    return time.perf_counter() - started


def print_ratio(count: int, pairs: list[tuple[float, float]]) -> None:
    """Print checks a second on both sides, and fail below the bound."""
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"{count} checks: gradcli {count / ours:.1f} a second, gradcheck {count / theirs:.1f}, {ratio:.2f} times")
    if ratio < BOUND:
        sys.exit(f"expected at least {BOUND:g} times")


if __name__ == "__main__":
    main()
