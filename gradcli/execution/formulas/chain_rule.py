"""The last step of the chain rule, in words of the tensors that depend on one: for a tensor without a formula.

`vjp(y, grad(y))` is y's vector-Jacobian product with the gradient of y, summed over all y.
"""

from __future__ import annotations

from collections.abc import Mapping

from gradcli.derivation.formulas import Formula
from gradcli.escaping import escape_latex, shortened
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import Decomposition

LONGEST_NAME = 60
MOST_TERMS = 4


def chain_rule(
    decomposition: Decomposition, names: Mapping[TracedTensor, str], upstream: float | None = None
) -> dict[TracedTensor, Formula]:
    """Return the chain rule's last step for every tensor; 0 where the output does not depend on it.

    `upstream` is what every entry of the upstream gradient is; None if it is a tensor.
    """
    output = decomposition.trace.output
    terms_of = {traced: ["0"] for traced in names}
    reached = {output}
    for call in reversed(decomposition.trace.calls):
        used = [traced for traced in call.outputs if traced in reached and traced.tensor.requires_grad]
        for traced in call.inputs if used else []:
            terms = [f"vjp({clip(names[result])}, grad({clip(names[result])}))" for result in used]
            terms_of[traced] = [*terms, *(terms_of[traced] if traced in reached else [])][:MOST_TERMS]
            reached.add(traced)
    terms_of[output] = ["1" if output.tensor.numel() == 1 and upstream == 1 else "grad_output"]
    return {traced: _sum(terms) for traced, terms in terms_of.items()}


def clip(name: str) -> str:
    """Return a name, its middle left out where it is long."""
    return shortened(name, LONGEST_NAME)


def _sum(terms: list[str]) -> Formula:
    text = " + ".join(terms[: MOST_TERMS - 1] + (["..."] if len(terms) == MOST_TERMS else []))
    return Formula(text, text if text.isdigit() else rf"\mathtt{{{escape_latex(text)}}}")
