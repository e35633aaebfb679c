"""How a gradient comes about: what the program computes, then the gradient of each of its tensors, a rule a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.notation.brackets import readable
from gradcli.derivation.notation.latex import Writer
from gradcli.derivation.notation.parsed import parsed
from gradcli.derivation.notation.plain import unicode
from gradcli.escaping import latex_name
from gradcli.execution.formulas.closed import Target, closed_forms, known_shapes
from gradcli.execution.formulas.expected import expected
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.shaped import shaped
from gradcli.execution.formulas.verified import compare, new_findings, trusted
from gradcli.execution.forward.run import display_names
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.ops.record import Kind
from gradcli.report.derivation import DerivationStep
from gradcli.report.verdict import Verdict

DEFINITION = "definition"
NO_FORMULA = "no formula in terms of the leaves alone"
RULES = {
    Kind.POINTWISE: "chain rule, entry by entry: the derivative of {op}",
    Kind.COMPOSITE: "chain rule through the definition of {op}",
    Kind.INDEXED: "{op} in index notation: the deltas of what it reads are removed",
    Kind.EINSUM: "the sum in index notation: the deltas of what it reads are removed",
    Kind.MOVEMENT: "{op} only moves entries: each gradient goes back to where its entry was read",
    Kind.IMPLICIT: "{op}, differentiated implicitly by the equation that it solves",
    Kind.CONSTANT: "{op} is a constant",
}


def steps_of(point: Point, derivations: Derivations) -> tuple[DerivationStep, ...]:
    """Return the steps; each gradient has been compared with autograd's."""
    names = display_names(point.trace)
    made = [output for call in point.trace.calls for output in call.outputs if output.tensor.requires_grad]
    ordered = [traced for traced in dict.fromkeys([*reversed(made), *point.wanted]) if traced in names]
    leading = [traced for traced in ordered if _readers(point, traced)]
    targets = tuple(Target((traced,), (names[traced],), size=tuple(traced.tensor.shape)) for traced in leading)
    forms = shaped(point, trusted(point, closed_forms(point, targets, derivations)))
    found = new_findings(targets)
    compare(point, forms, expected(point, [*forms]), found)
    ranks = {name: len(shape) for name, shape in known_shapes(point).items()}
    written = Writer(ranks)
    steps = [*_definitions(point)]
    for target in targets:
        text = forms[target].text if target in forms and found[target].checked().verdict is Verdict.MATCH else None
        tree = None if text is None else parsed(text)
        latex = None if tree is None or tree.indices is not None else written.write(tree.body).text
        shown = NO_FORMULA if text is None else unicode(readable(text, ranks))
        steps.append(DerivationStep(target.label, shown, latex, _rule(point, target.by[0]), is_gradient=True))
    return tuple(steps)


def _definitions(point: Point) -> Iterator[DerivationStep]:
    """Yield what the program's own names stand for."""
    for call in point.trace.calls:
        for output in call.outputs:
            if output.name is not None:
                yield DerivationStep(output.name, output.text, latex_name(output.name), DEFINITION, is_gradient=False)


def _readers(point: Point, traced: TracedTensor) -> Sequence[TracedCall]:
    """Return the calls that read a tensor on the way to the output."""
    leading = {point.output}
    for call in reversed(point.trace.calls):
        leading.update(call.inputs if leading.intersection(call.outputs) else ())
    return [call for call in point.trace.calls if traced in call.inputs and leading.intersection(call.outputs)]


def _rule(point: Point, traced: TracedTensor) -> str:
    rules = [_through(call, traced) for call in _readers(point, traced)]
    several = list(dict.fromkeys(rules))
    return several[0] if len(rules) == 1 else f"sum over the {len(rules)} calls that read it: {'; '.join(several)}"


def _through(call: TracedCall, traced: TracedTensor) -> str:
    """Return the rule by which a gradient goes through a call."""
    kind, result = call.op.kind, call.outputs[0].tensor
    rule = (
        "product of matrices: the other factor, transposed" if call.op.product else RULES[kind].format(op=call.op.name)
    )
    is_repeated = kind is Kind.POINTWISE and traced.tensor.shape != result.shape
    return f"{rule}; summed over the axes along which it is repeated" if is_repeated else rule
