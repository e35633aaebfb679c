"""What `gradcli run` costs a training loop, in the steps that it does not check: time for a step, and peak memory.

The loop times its own steps, so that neither the start of Python nor the checks count. To be run on an idle machine:

    python benchmarks/script.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

STEPS = 2_000
LOOP = """
import json, resource, sys, time
import torch
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.randn(64, 32), torch.randn(64, 1)
times = []
for step in range({steps}):
    begun = time.perf_counter()
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    times.append(time.perf_counter() - begun)
    if step == 199:
        early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
open(sys.argv[1], "w").write(json.dumps({{"times": times, "early": early, "late": late}}))
"""
WAYS = {
    "python": [sys.executable],
    "gradcli run --backward 1,2,50": [sys.executable, "-m", "gradcli", "run", "--backward", "1,2,50"],
    "gradcli run --backward last": [sys.executable, "-m", "gradcli", "run", "--backward", "last"],
}


def measured(command: list[str], folder: Path) -> dict[str, float]:
    """Return the median time of the later steps in milliseconds, and peak memory early and late in MiB."""
    script, found = folder / "loop.py", folder / "found.json"
    script.write_text(LOOP.format(steps=STEPS), encoding="utf-8")
    done = subprocess.run(
        [*command, str(script), str(found)], capture_output=True, text=True, check=False, env=os.environ
    )
    if done.returncode:
        sys.exit(done.stderr)
    seen = json.loads(found.read_text(encoding="utf-8"))
    later = sorted(seen["times"][100:])
    return {
        "median": 1e3 * later[len(later) // 2],
        "mean": 1e3 * sum(later) / len(later),
        "early": seen["early"] / 1024,
        "late": seen["late"] / 1024,
    }


def main() -> None:
    """Print a line for each way to run the loop."""
    with tempfile.TemporaryDirectory() as folder:
        plain = None
        for name, command in WAYS.items():
            found = measured(command, Path(folder))
            plain = plain or found
            ratio = found["median"] / plain["median"]
            print(
                f"{name:32} {found['median']:.3f} ms a step (mean {found['mean']:.3f}), {ratio:.2f} times; "
                f"{found['early']:.0f} MiB after 200 steps, {found['late']:.0f} MiB after {STEPS:,}"
            )


if __name__ == "__main__":
    main()
