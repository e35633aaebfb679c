"""A check loads no sympy in its own process, whatever PyTorch compares; what wants sympy itself gets it."""

from __future__ import annotations

import json
import subprocess
import sys

CHECK = r"""
import json, sys
from gradcli.engine import evaluate_program
from gradcli.settings import Settings
program = "mvlgamma(x + 1, 3) + gather(x, 0, zeros_like(x).long()) + F.pairwise_distance(x, x*2)"  # rehearsed
report = evaluate_program(program, Settings(command="check", shapes={None: (7, 7)}, formulas=False))
loaded = [name for name in ("sympy", "torch.fx.experimental.symbolic_shapes") if name in sys.modules]
from gradcli.execution.forward.plain_sizes import plain_sizes
with plain_sizes():
    import sympy as bound
    from torch.fx.experimental.symbolic_shapes import ShapeEnv, sym_eq
    import sympy.core.symbol
    x = sympy.Symbol("x")
symbol = ShapeEnv().create_unbacked_symint()
print(json.dumps([
    str(report.verdict), loaded, sympy.diff(x**2, x) == 2 * x, isinstance(x, bound.Basic), isinstance(1, bound.Basic),
    sym_eq((2, 3), (2, 3)), sym_eq((2, 3), (2, 4)), sym_eq((2,), (2, 3)), type(sym_eq(symbol, 3)).__name__,
]))
"""


def test_sympy_is_loaded_where_it_is_wanted_and_nowhere_else() -> None:
    ran = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, timeout=300, check=True)
    verdict, loaded, *found = json.loads(ran.stdout.splitlines()[-1])
    assert verdict in {"match", "subgradient"}
    assert loaded == []
    assert found == [True, True, False, True, False, False, "SymBool"]
