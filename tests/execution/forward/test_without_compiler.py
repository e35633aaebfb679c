"""Neither forward mode nor a rehearsal loads PyTorch's compiler, and leaves nothing behind that would matter to it."""

from __future__ import annotations

import json
import subprocess
import sys

CHECK = r"""
import json, sys
from gradcli.engine import evaluate_program
from gradcli.settings import Settings
program = "y = x*2 + 1; (y*ones(90)).sum() + huber_loss(x, y)"  # the loss is rehearsed
report = evaluate_program(program, Settings(command="check", shapes={None: (90,)}, formulas=False))
loaded = sorted(name for name in sys.modules if name.startswith("torch._dynamo"))
adjoint = report.tensors[0].witnesses["adjoint"].verdict
import torch
doubled = torch.compile(lambda x: x*2 + 1, backend="eager")(torch.ones(2)).tolist()
print(json.dumps([loaded, str(adjoint), doubled, "torch._dynamo" in sys.modules]))
"""


def test_the_compiler_is_not_loaded_and_can_be_afterwards() -> None:
    ran = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, timeout=300, check=True)
    assert json.loads(ran.stdout.splitlines()[-1]) == [[], "match", [3.0, 3.0], True]


def test_what_wants_more_of_the_compiler_is_run_with_it() -> None:
    from gradcli.execution.forward.without_compiler import uncompiled

    runs = []

    def run() -> str:
        runs.append(sys.modules.get("torch._dynamo"))
        if len(runs) == 1:
            raise ModuleNotFoundError("torch._dynamo.config")
        return "tangent"

    assert uncompiled(run) == "tangent"
    assert len(runs) == 2
    assert runs[0] is None or runs[0] is not runs[1] or "torch._dynamo" in sys.modules
