"""Why a tensor has no gradient, in the user's names: errors that show the place, quote PyTorch and say the remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradcli.errors import ExecutionError, GradcliError, InputError, Span
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.language.program import Program
from gradcli.phrases import did_you_mean

NO_GRAD_FN = "element 0 of tensors does not require grad and does not have a grad_fn"
NOT_REQUIRED = "One of the differentiated Tensors does not require grad"
UNUSED = "appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior."
FLOATS_ONLY = "Only Tensors of floating point and complex dtype can require gradients"
MOST_LISTED = 20


def no_gradient(program: Source, trace: Trace, output: TracedTensor) -> GradcliError:
    """Return the error that no gradient reaches the output: an operation cuts it off, or a leaf is a constant."""
    name = output.name or output.text
    message = f"no gradient reaches the output '{name}'; PyTorch says: {NO_GRAD_FN}"
    cut = _cutting(trace, output)
    if cut is not None:
        reason = f"'{cut.outputs[0].text}' cuts the gradient off: the result of {cut.op.name} is a constant"
        hint = f"{reason}; compute the output with differentiable operations only"
        return ExecutionError(message, span=cut.arguments.node.span, source=program.source, hint=hint)
    constants = [leaf for leaf in trace.leaves if not leaf.tensor.requires_grad]
    if constants and len(constants) == len(trace.leaves):
        return ExecutionError(message, hint=_about_constants(constants))
    return ExecutionError(message, hint="the output must depend on a leaf that requires grad")


def not_required(program: Source, trace: Trace, traced: TracedTensor, option: str) -> GradcliError:
    """Return the error that a tensor to differentiate by does not require grad."""
    name = traced.name or traced.text
    message = f"{option}: '{name}' does not require grad, so that it has no gradient; PyTorch says: {NOT_REQUIRED}"
    if traced.is_leaf:
        return InputError(message, span=place(program, trace, traced), source=program.source, hint=_constant(traced))
    cut = _cutting(trace, traced)
    reason = (
        f"it depends only on constants: '{cut.outputs[0].text}' cuts the gradient off" if cut else "its leaves do not"
    )
    return InputError(message, span=place(program, trace, traced), source=program.source, hint=reason)


def unused(program: Source, trace: Trace, tensors: Sequence[TracedTensor], index: int) -> GradcliError:
    """Return the error that the output does not depend on some tensors; PyTorch tells the first by its index."""
    names = ", ".join(f"'{traced.name or traced.text}'" for traced in tensors)
    verb = "is" if len(tensors) == 1 else "are"
    return InputError(
        f"{names} {verb} not used in the output; PyTorch says: The differentiated Tensor at index {index} {UNUSED}",
        span=place(program, trace, tensors[0]),
        source=program.source,
        hint="leave it out of `--wrt`, or give `--allow-unused` for None in its place",
    )


def unknown(name: str, known: Mapping[str, object], option: str) -> GradcliError:
    """Return the error that the program has no tensor of a name; a name is near other names only."""
    words = [word for word in known if word.isidentifier()]
    listed = ", ".join([*known][:MOST_LISTED]) + (", ..." if len(known) > MOST_LISTED else "")
    hint = did_you_mean(name, words if name.isidentifier() else known, f"the program has {listed}")
    return InputError(f"the program has no tensor '{name}'", option=option, hint=hint)


def place(program: Source, trace: Trace, traced: TracedTensor) -> Span | None:
    """Return where the program first reads a leaf, or makes a tensor."""
    if not isinstance(program, Program):
        return None
    if traced.is_leaf:
        return next((leaf.span for leaf in program.leaves if leaf.name == traced.name), None)
    return next((call.arguments.node.span for call in trace.calls if traced in call.outputs), None)


def _cutting(trace: Trace, traced: TracedTensor) -> TracedCall | None:
    """Return the last call before a tensor that is given a gradient's path and does not continue it."""
    behind = {traced}
    for call in reversed(trace.calls):
        if not behind.isdisjoint(call.outputs):
            if any(argument.tensor.requires_grad for argument in call.inputs):
                return call
            behind.update(call.inputs)
    return None


def _constant(leaf: TracedTensor) -> str:
    tensor, name = leaf.tensor, leaf.name
    if tensor.is_floating_point() or tensor.is_complex():
        return f"leave out `--constant {name}`"
    what = str(tensor.dtype).removeprefix("torch.")
    return f"'{name}' is of type {what}, and PyTorch says: {FLOATS_ONLY}; give it floats, and not as `--constant`"


def _about_constants(constants: Sequence[TracedTensor]) -> str:
    if len(constants) == 1:
        return f"its only leaf is a constant: {_constant(constants[0])}"
    return f"all leaves are constants: {_constant(constants[0])}"
