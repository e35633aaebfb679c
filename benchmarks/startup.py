"""How much longer gradcli takes than the least that could do the same.

Two pairs, run alternately: `gradcli --help` against the `--help` of a Typer program with one empty command, and
`gradcli eval` of the textbook example against a plain PyTorch script that makes the same leaves, runs forward and
backward and prints the leaf gradients, verifying nothing. Both run once before that, so the derivatives are kept; with
`PYTHONDONTWRITEBYTECODE` set, gradcli's modules would be compiled each time, and are timed with that.

    python benchmarks/startup.py --command .venv/bin/gradcli
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TYPER_SCRIPT = """
import typer

app = typer.Typer()


@app.command()
def hello(name: str) -> None:
    "Say hello."


app()
"""

TORCH_SCRIPT = """
import torch

w1, w2, w3 = (torch.full((2, 2), prime, dtype=torch.float64, requires_grad=True) for prime in (2, 3, 5))
output = (w1 + w2 + w2 * w3).mean()
output.backward()
print(output.item())
for leaf in (w1, w2, w3):
    print(leaf.grad.tolist())
"""


def seconds(argv: list[str]) -> float:
    """Return the wall time of a command, which must succeed."""
    started = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    elapsed = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"{argv} ended with {done.returncode}:\n{done.stderr.decode()}")
    return elapsed


def compare(label: str, gradcli: list[str], plain: list[str], pairs: int) -> None:
    """Time the two commands in turn and print the medians and the median of the ratios."""
    seconds(gradcli), seconds(plain)  # warm the file cache
    times = [(seconds(gradcli), seconds(plain)) for _ in range(pairs)]
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(a / b for a, b in times)
    print(f"{label}: gradcli {ours:.3f} s, plain {theirs:.3f} s, ratio {ratio:.2f} (medians of {pairs} pairs)")


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--command", type=Path, default=Path(".venv/bin/gradcli"), help="the gradcli to time")
    parser.add_argument("--python", type=Path, help="the Python for the plain scripts (default: beside the command)")
    parser.add_argument("--pairs", type=int, default=10, help="how many times each command runs")
    options = parser.parse_args()
    gradcli = str(options.command)
    python = str(options.python or options.command.with_name("python"))
    with tempfile.TemporaryDirectory() as folder:
        typer_script, torch_script = Path(folder, "typer_script.py"), Path(folder, "torch_script.py")
        typer_script.write_text(TYPER_SCRIPT)
        torch_script.write_text(TORCH_SCRIPT)
        compare("--help", [gradcli, "--help"], [python, str(typer_script), "--help"], options.pairs)
        example = [gradcli, "eval", "w1+w2+w2*w3", "--shape", "2x2", "--reduce", "mean"]
        compare("eval", example, [python, str(torch_script)], options.pairs)


if __name__ == "__main__":
    main()
