"""Command lines, each run in a fork of one process that has loaded torch: what each ends in, and the memory it takes.

Reads a JSON list of argument lists on standard input; writes one of `[exit code, MiB above torch, standard error]`.
"""

import contextlib
import io
import json
import os
import resource
import sys
import tempfile
from pathlib import Path

import gradcli.engine
import gradcli.execution.commands.dispatch
from gradcli.cli.app import main

# Loads what other commands load; it ends before it computes anything, so that no thread is started.
REFUSED = ["eval", "(x*eye(20000)).sum()", "--no-verify"]
MOST = 16 << 30  # bytes of address space: what is not refused must not take the machine with it


def peak() -> int:
    """Return the most memory that this process held, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run(arguments: list[str], answer: Path) -> None:
    """Run one command line in this process, which ends with it."""
    before, errors = peak(), io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = main(arguments)
    answer.write_text(json.dumps([code, (peak() - before) / 1024, errors.getvalue()]), encoding="utf-8")
    gradcli.engine.stop_worker()
    os._exit(0)


def attempt(arguments: list[str], answer: Path) -> list[object]:
    """Return what a command line ended in; for a crash, minus the signal."""
    child = os.fork()
    if not child:
        run(arguments, answer)
    _, status = os.waitpid(child, 0)
    if status:
        return [os.waitstatus_to_exitcode(status), 0.0, ""]
    found: list[object] = json.loads(answer.read_text(encoding="utf-8"))
    return found


def peaks() -> None:
    """Run all command lines."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST, resource.getrlimit(resource.RLIMIT_AS)[1]))
    gradcli.engine.import_torch()
    with contextlib.redirect_stderr(io.StringIO()):
        main(REFUSED)
    with tempfile.TemporaryDirectory() as folder:
        found = [attempt(arguments, Path(folder, "answer")) for arguments in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    peaks()
