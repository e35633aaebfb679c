"""Whose fault a wrong gradient of code is: Functions whose backward is wrong by itself, hooks, what was saved.

What goes into the backward of each Function and what comes out is caught. Its forward's derivative is taken of the very
upstream gradient that it was given, so that nothing that was wrong before counts against it. A Function that was
applied where code cannot be followed (in a checkpoint, under vmap) gets a random one, in the graph that was made then.
Hooks are blamed if they were seen to change something. Who is blamed for the gradient of a tensor has had it pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules._functions import BackwardHookFunction

from gradcli.derivation.derivations import Derivations
from gradcli.execution.comparison.blame_twice import Twice, blamed_twice, differentiated_twice
from gradcli.execution.comparison.blame_words import applied, at
from gradcli.execution.comparison.causes import Clues
from gradcli.execution.comparison.compare import compare
from gradcli.execution.comparison.failing import derivatives
from gradcli.execution.comparison.faults import Fault, Faults
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.followed import Followed, Ran, Step, actual, edge_known, steps_behind
from gradcli.execution.forward.observed import Alteration, Observer, altering, unobserved
from gradcli.execution.forward.plain import copied
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.targets.frames import defined_at
from gradcli.report.notes import Note, NoteKind, Notes
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

Gradients = Sequence[Tensor | None]


@dataclass(slots=True)
class Caught:
    """What went through the backward of a Function."""

    step: Step
    given: Gradients = ()
    found: Gradients = ()

    def catch(self, found: Gradients, given: Gradients) -> None:
        """Keep what backward was given, and what it found."""
        self.given, self.found = tuple(map(copied, given)), tuple(map(copied, found))

    @property
    def faces(self) -> list[Followed]:
        """Return the values that the Function made, as autograd knows them."""
        made = [traced for call in self.step.calls for traced in call.outputs]
        return [traced for traced in made if isinstance(traced, Followed) and edge_known(traced) is not None]

    @property
    def node(self) -> Any:
        """Return the Function's node in autograd's graph; None where it is not known."""
        edges = [edge for traced in self.faces if (edge := edge_known(traced)) is not None]
        return edges[0].node if edges else None

    @property
    def is_aside(self) -> bool:
        """Return whether the code's own backward does not come to it."""
        return bool(self.faces) and self.faces[0].edge is None

    def run(self) -> None:
        """Run backward by itself, of a random upstream gradient, and catch what it finds; nothing where it raises."""
        edges = {traced: edge for traced in self.faces if (edge := edge_known(traced)) is not None}
        generator = torch.Generator().manual_seed(0)
        upstream = [torch.randn(traced.tensor.shape, generator=generator).to(traced.tensor) for traced in edges]
        wanted = [edge for traced in self.step.inputs if (edge := edge_known(traced)) is not None]
        with suppress(Exception):  # it is the user's code; what it raises by itself is no verdict
            torch.autograd.grad([*edges.values()], wanted, upstream, retain_graph=True, allow_unused=True)


@dataclass(slots=True)
class Watch:
    """The Functions of a run and what is hooked, while backward runs."""

    caught: list[Caught] = field(default_factory=list)
    twice: list[Twice] = field(default_factory=list)
    """Of code that asks for gradients to compute with them: its Functions' backward, differentiated."""
    altered: Sequence[Alteration] = ()

    @staticmethod
    @contextmanager
    def over(trace: Trace, *, twice: bool = False) -> Iterator[Watch]:
        """Watch the Functions behind the output of some code, and what is hooked, while backward runs.

        `twice` is for second derivatives.
        """
        asks = twice or any(call.inner is not None for call in trace.calls)
        ran, watch = trace.ran, Watch(twice=differentiated_twice(trace) if asks else [])
        if not isinstance(ran, Ran):
            yield watch
            return
        for step in ran.steps:
            caught = Caught(step)
            if step.function is not None and caught.node is not None:
                caught.node.register_hook(caught.catch)
                watch.caught.append(caught)
        ran.altered.clear()  # the code may have differentiated itself
        with _leaves_observed(trace, Observer(ran.altered)):
            yield watch
        watch.altered = tuple(ran.altered)

    def faults(self, derivations: Derivations, tolerance: Tolerance) -> Faults:
        """Return who is to blame for wrong gradients."""
        touched = {node for alteration in self.altered for node in alteration.by}
        for caught in self.caught:
            if caught.is_aside:
                caught.run()
        judged = [caught for caught in reversed(self.caught) if caught.node not in touched]
        found = [fault for caught in judged for fault in _judged(caught, derivations, tolerance)]
        return Faults(found, altering(self.altered), blamed_twice(self.twice, derivations, tolerance))


@contextmanager
def _leaves_observed(trace: Trace, observer: Observer) -> Iterator[None]:
    """Let the hooks that leaves had before the code ran be observed meanwhile."""
    before: list[tuple[Any, Any, Any]] = []
    for leaf in trace.leaves:
        hooks = actual(leaf)._backward_hooks or {}  # noqa: SLF001 (there is no public way)
        edge = edge_known(leaf) if isinstance(leaf, Followed) else None
        for key, hook in hooks.items():
            if not observer.has_marked(hook):
                before.append((hooks, key, hook))
                said = f"a hook on '{leaf.name or leaf.text}'{at(defined_at(hook))} changes the gradient"
                place = None if edge is None else (edge.node, edge.output_nr)
                hooks[key] = observer.on_tensor(unobserved(hook), partial(str, said), place)
    try:
        yield
    finally:
        for hooks, key, hook in before:
            if key in hooks:
                hooks[key] = hook


def _judged(caught: Caught, derivations: Derivations, tolerance: Tolerance) -> Iterator[Fault]:
    """Yield what is wrong with the backward of a Function, for what it was given: by input."""
    if not caught.given or any(call.gap is not None for call in caught.step.calls):
        return
    right, step = _right(caught, derivations), caught.step
    for traced in step.inputs:
        found = _found(caught, traced)
        if found is None or traced not in right or found.shape != right[traced].shape:
            continue
        clues = Clues(who="backward", subject="backward's gradient", factors=_factors(caught))
        comparison = compare(double(found), right[traced], tolerance, 0.0, clues)
        if comparison.verdict is Verdict.MISMATCH:
            cause = next((note.words for note in comparison.notes if note.kind is NoteKind.CAUSE), None)
            note = Note(NoteKind.BLAME, _words(step, traced, cause), None)
            who = step.function, step.place, step.module
            yield Fault(who, note, _behind(traced), is_hook=step.function is BackwardHookFunction)


def _behind(traced: Followed) -> frozenset[TracedTensor]:
    """Return a value with all that it is made of."""
    return frozenset([traced, *(one for step in steps_behind(traced) for one in step.inputs)])


def _right(caught: Caught, derivations: Derivations) -> dict[TracedTensor, Tensor]:
    """Return the derivative of a Function's forward, for the upstream gradient that its backward was given."""
    upstream: dict[TracedTensor, Tensor] = {}
    for face in caught.faces:
        edge = edge_known(face)
        place = 0 if edge is None else edge.output_nr
        given = caught.given[place] if place < len(caught.given) else None
        if given is not None:
            upstream[face] = given
    return derivatives(caught.step.calls, upstream, derivations) if upstream else {}


def _found(caught: Caught, traced: Followed) -> Tensor | None:
    """Return what backward gave an input; zeros where it gave None."""
    edge = edge_known(traced)
    if edge is None:
        return None
    places = [
        place
        for place, (following, number) in enumerate(caught.node.next_functions)
        if following is edge.node and number == edge.output_nr
    ]
    given = [caught.found[place] for place in places if place < len(caught.found)]
    known = [gradient for gradient in given if gradient is not None]
    return sum(known[1:], known[0]) if known else torch.zeros_like(traced.tensor, requires_grad=False)


def _factors(caught: Caught) -> dict[str, Any]:
    upstream = next((gradient for gradient in caught.given if gradient is not None), None)
    named = {f"'{traced.name or traced.text}'": double(traced.tensor.detach()) for traced in caught.step.inputs}
    return named if upstream is None else {"the upstream gradient": double(upstream), **named}


def _words(step: Step, traced: Followed, cause: str | None) -> str:
    assert step.function is not None  # noqa: S101 (only Functions are judged)
    if step.function is BackwardHookFunction:  # PyTorch's own: it does nothing but to call the hooks of a module
        module = f"module '{step.module}'" if step.module else "the module"
        return f"a backward hook of {module} changes the gradient"
    words = f"{applied(step)} is not the derivative of its forward with respect to '{traced.name or traced.text}'"
    return words if cause is None else f"{words}: {cause}"


def blamed_of(trace: Trace, cotangent: Tensor, derivations: Derivations, tolerance: Tolerance, *, twice: bool) -> Notes:
    """Return who is to blame for a wrong derivative of code, or `twice` a second one, whose graph is still there."""
    if not isinstance(trace.ran, Ran):
        return ()
    leaves = [leaf for leaf in trace.leaves if leaf.tensor.requires_grad]
    with Watch.over(trace, twice=twice) as watch, suppress(RuntimeError):
        own = [actual(leaf) for leaf in leaves]
        torch.autograd.grad(actual(trace.output), own, cotangent, retain_graph=True, allow_unused=True)
    faults = watch.faults(derivations, tolerance)
    return tuple(dict.fromkeys(note for leaf in leaves for note in faults.of(leaf)))


def forward_rules(trace: Trace) -> Notes:
    """Return which Functions of the code have a `jvp` of their own, which forward mode has run."""
    steps = trace.ran.steps if isinstance(trace.ran, Ran) else ()
    functions = dict.fromkeys(step.function for step in steps if step.function is not None)
    rules = [(kind.__name__, kind.jvp) for kind in functions if kind.jvp is not torch.autograd.Function.jvp]  # type: ignore[attr-defined]
    words = [f"forward mode runs the jvp of {name}{at(defined_at(rule))}, and no backward" for name, rule in rules]
    return tuple(Note(NoteKind.BLAME, word, None) for word in words)
