"""Pay sympy's first-call costs while the parent is still importing torch."""

from __future__ import annotations

from gradcli.derivation.formulas import FormulaNode, FormulaRequest, NodeDefinition, Operand
from gradcli.derivation.messages import DerivativeRequest
from gradcli.symbolic.derive.derive import derive
from gradcli.symbolic.write.as_read import formulas_as_read

SECONDS = 0.5
POINTWISE = ((0,), (1,))


def warm() -> None:
    """Derive one small definition of each kind, and write a formula, so that sympy's lazy parts are loaded."""
    derive(DerivativeRequest("1/(1 + exp(-input))", (("input", "ij"),), (), "ij", ("input",)))
    derive(DerivativeRequest("input[i, k] * other[k, j]", (("input", ""), ("other", "")), (), "ij", ("input", "other")))
    formulas_as_read(small_request(SECONDS))


def small_request(seconds: float) -> FormulaRequest:
    """Return a request for the gradients of mean(a + a*b)."""
    a, b = (FormulaNode((2, 2), name) for name in "ab")
    nodes = (
        a,
        b,
        _node("input*other", (Operand("input", 0, POINTWISE), Operand("other", 1, POINTWISE))),
        _node("input + alpha*other", (Operand("input", 0, POINTWISE), Operand("other", 2, POINTWISE)), alpha=1),
        _node("input[..., k]", (Operand("input", 3, ((0, 1),)),)),
        _node("input*other", (Operand("input", 4, ()),), other=0.25),
    )
    return FormulaRequest(nodes, (), 5, 1.0, (("a", 0), ("b", 1)), seconds)


def _node(formula: str, operands: tuple[Operand, ...], **numbers: float) -> FormulaNode:
    out = "ij" if operands[0].axes == POINTWISE else ""
    names = tuple(operand.name for operand in operands)
    request = DerivativeRequest(formula, tuple((name, out) for name in names), tuple(numbers.items()), out, names)
    definition = NodeDefinition(request, POINTWISE if out else (), operands)
    return FormulaNode((2,) * len(out), None, tuple(operand.node for operand in operands), definition)
