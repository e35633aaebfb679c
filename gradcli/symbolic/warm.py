"""Pay sympy's first-call costs while the parent is still importing torch."""

from __future__ import annotations

from typing import Any

from gradcli.derivation.messages import DerivativeRequest
from gradcli.symbolic.derive.derive import derive
from gradcli.symbolic.write.formulas import formulas

SECONDS = 0.5


def warm() -> None:
    """Derive one small definition of each kind, and write a formula, so that sympy's lazy parts are loaded."""
    derive(DerivativeRequest("1/(1 + exp(-input))", (("input", "ij"),), (), "ij", ("input",)))
    derive(DerivativeRequest("input[i, k] * other[k, j]", (("input", ""), ("other", "")), (), "ij", ("input", "other")))
    formulas(_sketch(), SECONDS)


def _sketch() -> dict[str, Any]:
    """Return the sketch of sum(a + a*b)/4."""
    leaves = [{"shape": [2, 2], "name": name, "inputs": []} for name in "ab"]
    product = _node("input*other", {"input": (0, "ij"), "other": (1, "ij")}, {}, "ij")
    both = _node("input + alpha*other", {"input": (0, "ij"), "other": (2, "ij")}, {"alpha": 1}, "ij")
    total = _node("input[..., k]", {"input": (3, "")}, {}, "")
    total["operands"]["input"]["axes"] = [[0, 1]]
    mean = _node("input*other", {"input": (4, "")}, {"other": 0.25}, "")
    nodes = [*leaves, product, both, total, mean]
    return {"nodes": nodes, "groups": [], "output": 5, "upstream": 1.0, "wanted": {"a": 0, "b": 1}}


def _node(formula: str, operands: dict[str, tuple[int, str]], numbers: dict[str, Any], out: str) -> dict[str, Any]:
    return {
        "shape": [2] * len(out),
        "name": None,
        "inputs": [place for place, _ in operands.values()],
        "formula": formula,
        "axes": [(name, labels) for name, (_, labels) in operands.items()],
        "numbers": list(numbers.items()),
        "out": out,
        "wrt": list(operands),
        "result": [[axis] for axis in range(len(out))],
        "operands": {
            name: {"node": place, "axes": [[axis] for axis in range(len(labels))]}
            for name, (place, labels) in operands.items()
        },
    }
