"""Wall time and peak memory of one `gradcli eval`, its worker process included (Linux)."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PARENT = re.compile(r"^PPid:\s*(\d+)", re.MULTILINE)
PEAK = re.compile(r"^VmHWM:\s*(\d+) kB", re.MULTILINE)
OVERALL_VERDICT = re.compile(rb'"verdict":\s*"(\w+)"\s*\}\s*$')
POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run took; `peak_bytes` adds up each process's own peak, so it never understates the tree's."""

    seconds: float
    peak_bytes: int
    processes: int
    verdict: str


def measure(command: str, arguments: list[str], program: str) -> Measurement:
    """Run `gradcli eval - ARGUMENTS --json` on a program given through standard input."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as report:
        source.write(program.encode())
        source.seek(0)
        started = time.perf_counter()
        process = subprocess.Popen([command, "eval", "-", *arguments, "--json"], stdin=source, stdout=report)
        peaks: dict[int, int] = {}
        while process.poll() is None:
            peaks |= tree_peaks(process.pid)
            time.sleep(POLL_SECONDS)
        elapsed = time.perf_counter() - started
        if process.returncode != 0:
            sys.exit(f"gradcli eval ended with {process.returncode}")
        return Measurement(elapsed, sum(peaks.values()), len(peaks), overall_verdict(report))


def tree_peaks(root: int) -> dict[int, int]:
    """Return the peak resident bytes so far of each live process in the tree of `root`."""
    parents, peaks = {}, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:  # it ended between listing and reading
            continue
        if (parent := PARENT.search(text)) and (peak := PEAK.search(text)):
            pid = int(status.parent.name)
            parents[pid], peaks[pid] = int(parent[1]), int(peak[1]) * 1024
    return {pid: peaks[pid] for pid in peaks if root in ancestry(pid, parents)}


def ancestry(pid: int, parents: dict[int, int]) -> list[int]:
    """Return a process and its ancestors."""
    line = [pid]
    while line[-1] in parents:
        line.append(parents[line[-1]])
    return line


def overall_verdict(report: IO[bytes]) -> str:
    """Return the verdict that ends a report, without reading the rest, which may be large."""
    report.seek(max(0, report.seek(0, 2) - 200))
    found = OVERALL_VERDICT.search(report.read())
    return found[1].decode() if found else "none"


def main(label: str, arguments: list[str], program: str, description: str) -> None:
    """Measure one program, print the result, and fail on a verdict but `match` or on too much memory."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--command", default=".venv/bin/gradcli", help="the gradcli to measure")
    parser.add_argument("--limit", type=int, default=2048, metavar="MIB", help="fail above this peak memory")
    options = parser.parse_args()
    result = measure(options.command, arguments, program)
    mebibytes = result.peak_bytes / 2**20
    print(
        f"{label}: {result.verdict}, {result.seconds:.2f} s,"
        f" peak memory {mebibytes:.0f} MiB over {result.processes} processes"
    )
    if result.verdict != "match" or mebibytes > options.limit:
        sys.exit(f"expected match within {options.limit} MiB")
