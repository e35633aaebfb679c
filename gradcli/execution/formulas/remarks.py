"""What is to be said of a Function whose gradients are not autograd's: there is no derivative, or PyTorch errs.

Who errs is judged by all that `eval` knows: the definitions, one-sided derivatives, difference quotients and rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.verified import DIGITS, difference
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import TracedTensor
from gradcli.report.verdict import Verdict
from gradcli.tolerance import CLOSENESS


@dataclass(frozen=True, slots=True)
class Judged:
    """Autograd's gradient by one tensor, judged."""

    verdict: Verdict
    derivative: Tensor | None
    """What the definitions say; None if they say nothing."""


Judge = Callable[[Point], Mapping[TracedTensor, Judged]]


class _Kind(StrEnum):
    """Why a gradient that is not autograd's is no mistake."""

    NONE = "there is no derivative by {names}, and autograd's is a convention"
    AUTOGRAD = "autograd's gradient by {names} is not the derivative, which is what backward gives"
    DIGITS = "autograd's gradient by {names} loses digits, and backward gives the derivative"


# By the verdict on autograd's gradient, what is said where backward gives the derivative.
_BESIDE: Mapping[Verdict, _Kind] = {
    Verdict.MISMATCH: _Kind.AUTOGRAD,
    Verdict.MATCH: _Kind.DIGITS,
}


@dataclass(slots=True)
class Remarks:
    """What has been said of a Function, and who is asked."""

    judge: Judge
    _said: dict[tuple[_Kind, str], dict[str, None]] = field(default_factory=dict)

    def excuse(
        self, there: Point, found: Sequence[Tensor], wrong: Sequence[bool], where: str, most: float = DIGITS
    ) -> bool:
        """Tell whether gradients that are not autograd's at a point are no mistake, and remember to say so.

        They are no further than `most` from what the definitions say, if these say anything.
        """
        try:
            judged = self.judge(there)
        except (GradcliError, *REFUSALS):
            return False
        off = [traced for traced, is_wrong in zip(there.wanted, wrong, strict=True) if is_wrong]
        values, own = dict(zip(there.wanted, found, strict=True)), there.gradients()
        kinds = {traced: _kind(judged.get(traced), values[traced], own[traced], most) for traced in off}
        for kind in dict.fromkeys(kind for kind in kinds.values() if kind is not None and None not in kinds.values()):
            names = " and ".join(one.name or one.text for one, own in kinds.items() if own is kind)
            self._said.setdefault((kind, names), {})[where] = None
        return None not in kinds.values()

    @property
    def sentences(self) -> list[str]:
        """Return what is to be said, a sentence each."""
        return [f"{_joined([*places])}, {kind.format(names=names)}." for (kind, names), places in self._said.items()]


def _joined(places: Sequence[str]) -> str:
    first, *others = places
    return ", ".join([first, *(f"{other[0].lower()}{other[1:]}" for other in others)])


def _kind(judged: Judged | None, found: Tensor, autograd: Tensor, most: float) -> _Kind | None:
    """Return why a gradient is no mistake; None if it is one, or loses digits that autograd's keeps."""
    if judged is None:
        return None
    if judged.verdict is Verdict.UNDEFINED:
        return _Kind.NONE
    if judged.derivative is None or is_apart(found, judged.derivative, most):
        return None
    kind = _BESIDE.get(judged.verdict)
    is_nearer = difference(found.detach(), judged.derivative) < difference(autograd.detach(), judged.derivative)
    return kind if kind is not _Kind.DIGITS or is_nearer else None


def is_apart(value: Tensor, reference: Tensor, most: float = CLOSENESS) -> bool:
    """Tell whether tensors differ by more than a part of the larger one's entries."""
    return not difference(value.detach(), reference.detach()) <= most
