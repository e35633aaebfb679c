"""Pay sympy's first-call costs while the parent is still importing torch."""

from __future__ import annotations

from gradcli.derivation.messages import Signature
from gradcli.symbolic.derive import derive


def warm() -> None:
    """Derive one small definition of each kind, so that sympy's lazy parts are loaded."""
    derive(Signature("1/(1 + exp(-input))", (("input", "ij"),), (), "ij", ("input",)))
    derive(Signature("input[i, k] * other[k, j]", (("input", ""), ("other", "")), (), "ij", ("input", "other")))
