"""Where a Function comes from, and what its reference is: a class, and its own body or a program."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import ExecutionError, InputError
from gradcli.execution.custom.examine import examine
from gradcli.execution.forward.calls import bound
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.forward.memory import in_force
from gradcli.execution.forward.recording import Recording, record
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.forward.tracer import Tracer
from gradcli.execution.forward.tracer import run as run_trace
from gradcli.execution.targets.function.fitting import hint_of_inputs
from gradcli.execution.targets.function.inline import inline_function
from gradcli.execution.targets.function.integers import hint_of_kind, taken_as_integers, with_constants
from gradcli.execution.targets.function.subject import Subject, Values, joined
from gradcli.execution.targets.function.trial import Applied, ReferenceFunction, apply, leaves_of
from gradcli.execution.targets.function.untold import hint_of_number
from gradcli.execution.targets.loading import checked, load
from gradcli.execution.targets.parameters import ForwardParameter, checked_arguments, parameters_of
from gradcli.inputs.names import check_names
from gradcli.language.program import Program
from gradcli.ops.table import find
from gradcli.phrases import did_you_mean
from gradcli.report.notes import NoteKind, noted
from gradcli.report.report import Report, TensorReport
from gradcli.settings import Settings


def check_function(
    function: type | str,
    program: Program | None,
    settings: Settings,
    given: Mapping[str, Any],
    derivations: Derivations,
) -> Report:
    """Return the report of a Function, a class or `FILE.py:Class`; `program` is a reference or a surrogate.

    Without one it is forward's own body, recorded by autograd. `given` are arguments of forward from Python.
    """
    with default_dtype(settings), in_force(settings.limits):
        loaded = load(function) if isinstance(function, str) else checked(function, getattr(function, "__name__", "?"))
        return _check(loaded, program, settings, given, derivations)


def check_inline(
    forward: Program,
    backwards: Mapping[str, Program],
    settings: Settings,
    given: Mapping[str, Any],
    derivations: Derivations,
    *,
    program: Program,
) -> Report:
    """Return the report of a Function whose forward and backward are programs; `program` is what is derived."""
    with default_dtype(settings), in_force(settings.limits):
        function = inline_function(forward, backwards, settings.limits)
        return _check(function, program, settings, given, derivations)


def _check(
    function: type[torch.autograd.Function],
    program: Program | None,
    settings: Settings,
    given: Mapping[str, Any],
    derivations: Derivations,
) -> Report:
    subject, settings = subject_of(function, settings, given)
    reference = reference_of(subject, program, settings)
    tensors = {name: value for name, value in given.items() if name in subject.tensors}
    try:
        return examine(subject, reference, settings, tensors, derivations)
    except ExecutionError as error:
        whole = taken_as_integers(subject, settings, tensors, lambda point: bool(apply(subject, point)))
        if not whole:
            error.hint = error.hint or _hint(subject, settings, tensors, error)
            raise
    report = examine(subject, reference, with_constants(settings, whole), tensors, derivations)
    return dataclasses.replace(report, tensors=tuple(_noted(tensor, whole) for tensor in report.tensors))


def subject_of(
    function: type[torch.autograd.Function], settings: Settings, given: Mapping[str, Any]
) -> tuple[Subject, Settings]:
    """Return a Function with its arguments, and the settings for those that are tensors; InputError for wrong ones."""
    if settings.reduce != "none":
        raise InputError("custom takes no --reduce", hint="`--grad-output` gives the upstream gradient of the output")
    parameters = parameters_of(function)
    checked_arguments(parameters, settings.arguments)
    subject = _subject(function, parameters, settings, given)
    kept = {name: value for name, value in settings.values.items() if name not in subject.plain}
    settings = dataclasses.replace(settings, values=kept)
    check_names(list(subject.tensors), settings)
    _check_given([parameter.name for parameter in parameters], given)
    return subject, settings


def reference_of(subject: Subject, program: Program | None, settings: Settings) -> ReferenceFunction:
    """Return what backward should be the derivative of: a program, or forward's own body."""
    return _body(subject) if program is None else _of_program(program, subject, settings)


def _hint(subject: Subject, settings: Settings, given: Mapping[str, Any], error: ExecutionError) -> str | None:
    """Return how the inputs of a forward that raises are given so that it does not; None if no such way is found."""
    return (
        hint_of_kind(subject, settings, given, lambda point: bool(apply(subject, point)))
        or hint_of_number(subject, settings, given, lambda changed, point: bool(apply(changed, point)))
        or hint_of_inputs(subject, settings, given, error, lambda point: _has_own_shapes(apply(subject, point)))
    )


def _has_own_shapes(applied: Applied) -> bool:
    """Return whether backward returns gradients of the inputs' shapes, by hand; ExecutionError if it raises."""
    ones = torch.ones_like(applied.output)
    applied.gradients(ones)
    pairs = zip(applied.given.values(), applied.returned(ones), strict=False)
    return all(item is None or item.shape == value.shape for value, item in pairs)


def _noted(tensor: TensorReport, whole: Sequence[str]) -> TensorReport:
    """Return a tensor's report, with the note that forward takes it as integers alone if it is among some."""
    if tensor.name not in whole:
        return tensor
    notes = noted(NoteKind.CONSTANT, "read as integers, and so a constant: forward raises for real numbers")
    return dataclasses.replace(tensor, notes=(*notes, *tensor.notes))


def _check_given(names: Sequence[str], given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in names:
            hint = did_you_mean(name, names, f"forward takes {', '.join(names)}")
            raise InputError(f"forward takes no '{name}'", hint=hint)


def _subject(
    function: type[torch.autograd.Function],
    parameters: tuple[ForwardParameter, ...],
    settings: Settings,
    given: Mapping[str, Any],
) -> Subject:
    """Tell tensors from other arguments: by forward's annotations, defaults and uses, and by what is given for them."""
    named = {**settings.arguments, **{name: value for name, value in given.items() if _is_plain(value)}}
    plain: dict[str, Any] = {}
    for parameter in parameters:
        name, value = parameter.name, settings.values.get(parameter.name)
        if parameter.use is not None and _is_given_as_tensor(name, settings, given):
            continue
        if name in named:
            plain[name] = named[name]
        elif not parameter.is_tensor and value is not None:
            plain[name] = value
        elif not parameter.is_tensor and parameter.required:
            raise _without_value(parameter)
        elif not parameter.is_tensor or (not parameter.required and not _is_given(name, settings, given)):
            plain[name] = parameter.default
    tensors = tuple(parameter.name for parameter in parameters if parameter.name not in plain)
    if not tensors:
        number = next((name for name, value in plain.items() if isinstance(value, int | float)), None)
        hint = None if number is None else f"'{number}' is a number: `torch.tensor({plain[number]})` is a tensor"
        raise InputError(f"'{function.__name__}.forward' gets no tensor to differentiate with respect to", hint=hint)
    return Subject(function, parameters, plain, tensors)


def _without_value(parameter: ForwardParameter) -> InputError:
    """Return the error that an argument which is not a tensor has no value."""
    name, use = parameter.name, parameter.use
    why = "" if use is None else f" (`{use.text}`)"
    hint = f"give it with `--argument {name}={'...' if use is None else use.example}`"
    hint += "" if use is None else f"; if it is a tensor, `--shape {name}=...` says so"
    return InputError(f"forward takes '{name}', which is not a tensor{why} and has no default", hint=hint)


def _is_given_as_tensor(name: str, settings: Settings, given: Mapping[str, Any]) -> bool:
    listed = isinstance(settings.values.get(name), list) or name in settings.shapes
    return listed or (name in given and not _is_plain(given[name]))


def _is_plain(value: Any) -> bool:
    """Return whether an argument from Python is given to forward as it is: it is not a tensor, array or nested list."""
    return not isinstance(value, Tensor | list) and not hasattr(value, "__array__")


def _is_given(name: str, settings: Settings, given: Mapping[str, Any]) -> bool:
    return name in settings.values or name in settings.shapes or name in given


def _body(subject: Subject) -> ReferenceFunction:
    def reference(point: Values, places: Sequence[int]) -> Recording:
        return record(lambda given: joined(subject.body(given), places), point)

    return reference


def _of_program(program: Program, subject: Subject, settings: Settings) -> ReferenceFunction:
    """Return a program as a reference: its leaves are the names of forward's arguments."""
    for leaf in program.leaves:
        if leaf.name not in subject.tensors and not isinstance(subject.plain.get(leaf.name), int | float):
            listed = ", ".join(subject.tensors)
            message = f"{_option(settings)} reads '{leaf.name}', which is not an input of forward"
            raise InputError(message, span=leaf.span, source=program.source, hint=f"forward takes {listed}")

    def reference(point: Values, _: Sequence[int]) -> Recording:
        leaves = leaves_of(point)
        numbers = {name: float(subject.plain[name]) for name in _names(program) if name not in leaves}
        constants = {name: torch.tensor(value) for name, value in numbers.items()}
        trace = run_trace(program, {**leaves, **constants}, settings.limits)
        trace.output = _whole(program, trace, settings)
        return Recording(leaves, trace, trace.output.tensor)

    return reference


def _option(settings: Settings) -> str:
    return "--reference" if settings.surrogate is None else "--surrogate"


def _names(program: Program) -> list[str]:
    return [leaf.name for leaf in program.leaves]


def _whole(program: Program, trace: Trace, settings: Settings) -> TracedTensor:
    """Return a program's output as one tensor: all entries one after the other, if it is a tuple of tensors."""
    if isinstance(trace.output, TracedTensor):
        return trace.output
    if not isinstance(trace.output, tuple | list) or not all(isinstance(item, TracedTensor) for item in trace.output):
        raise ExecutionError(
            f"the output of {_option(settings)} is not a tensor", hint="its last statement must be one, or a tuple"
        )
    machine = Tracer(program, trace, settings.limits)
    reshape, cat = find("reshape"), find("cat")
    assert reshape is not None  # noqa: S101 (the table has it)
    assert cat is not None  # noqa: S101
    flat = [machine.apply(*bound(reshape, [item, (-1,)], {}, method=False)) for item in trace.output]
    whole: TracedTensor = machine.apply(*bound(cat, [flat], {}, method=False))
    return whole
