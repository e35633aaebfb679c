"""What is to blame for the wrong gradients of code, and for those of which tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gradcli.execution.forward.followed import edge_known
from gradcli.execution.forward.observed import Altering
from gradcli.execution.forward.trace import TracedTensor
from gradcli.report.notes import Note, NoteKind, Notes

# What has changed a gradient is named, but for what comes after so many others.
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """A Function that is to blame for the gradients of one of its inputs, and of all that this is made of."""

    who: object
    note: Note
    behind: frozenset[TracedTensor]
    is_hook: bool = False
    """Whether it is PyTorch's own, which calls the hooks of a module."""


@dataclass(frozen=True, slots=True)
class Faults:
    """All that is to blame for wrong gradients of a run."""

    functions: Sequence[Fault] = ()
    altering: Mapping[str, Altering] = field(default_factory=dict)
    """What has changed gradients between the ops, in words."""
    twice: Notes = ()
    """Whose backward cannot be differentiated right, of code that differentiates one."""

    def of(self, traced: TracedTensor) -> Notes:
        """Return who is to blame for the gradient of a tensor, as far as that is a Function, a hook or the like."""
        notes: dict[object, Note] = {}
        for fault in self.functions:  # a loop, or vmap, applies one at a line many times
            if traced in fault.behind:
                notes.setdefault(fault.who, fault.note)
        altered = [Note(NoteKind.BLAME, words, None) for words in self.altering_of(traced)]
        return (*notes.values(), *altered[:MOST_NAMED]) or self.twice

    def has_altered(self, traced: TracedTensor) -> bool:
        """Return whether the gradient of a tensor was changed between the ops, be it by the hooks of a module."""
        return any(fault.is_hook and traced in fault.behind for fault in self.functions) or bool(
            self.altering_of(traced)
        )

    def altering_of(self, traced: TracedTensor) -> list[str]:
        """Return what has changed the gradient of a tensor between the ops, in words."""
        edge = edge_known(traced)
        if edge is None:
            return []
        return [words for words, own in self.altering.items() if own.reaches((edge.node, edge.output_nr))]
