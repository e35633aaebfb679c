"""How to avoid a NaN or an infinity that an op makes: what to write in place of an operand, or of the whole call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remedy:
    """One rewriting, which is tried at the point before a report shows it."""

    reason: str
    rewriting: str
    """A program over {x}, the operand; for the whole call over {x} and {y}, its first two."""
    operand: int | None = 0
    """Which operand it stands in place of, in the order of the signature; None for the call itself."""

    def over(self, **names: str) -> str:
        """Return the program over operands of these names, which may be expressions."""
        bracketed = {
            k: name if name.isidentifier() or "**" not in self.rewriting else f"({name})" for k, name in names.items()
        }
        return self.rewriting.format(**bracketed)


CLAMP = (Remedy("keep it away from 0", "clamp({x}, min=1e-12)"),)
ROOT = (Remedy("add a small number under the root", "{x} + 1e-12"), *CLAMP)
INSIDE = (Remedy("keep it inside the domain", "clamp({x}, -1 + 1e-7, 1 - 1e-7)"),)
ABOVE = (Remedy("keep it away from -1", "clamp({x}, min=-1 + 1e-12)"),)
DIVISOR = (Remedy("keep the divisor away from 0", "where({x} != 0, {x}, 1)", operand=1),)
LARGE = (Remedy("keep exp from overflowing, as softmax and logsumexp do by themselves", "clamp({x}, max=80)"),)
NORM = (Remedy("add a small number under the root", "sqrt(sum({x}**2) + 1e-12)", operand=None),)
LENGTH = (Remedy("add a small number under the root", "sqrt({x}**2 + {y}**2 + 1e-12)", operand=None),)
SPREAD = (Remedy("add a small number under the root", "sqrt(var({x}) + 1e-12)", operand=None),)
# What may help if the op's record knows no better.
SAFE = (
    Remedy("make the argument safe before the op", "where({x} != 0, {x}, 1)"),
    Remedy("keep it finite", "clamp({x}, -1e9, 1e9)"),
)
