"""Likely causes of a wrong gradient, in words: how it relates to the right one, and to what that is made of.

Works on anything with a tensor's methods, and imports neither torch nor sympy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from gradcli.tolerance import CLOSENESS, is_close

MATRIX_RANK = 2
MOST_AXES = 8
# A number that is this near to a simple one is shown as that.
SIMPLE = 1e-6
LARGEST_DENOMINATOR = 16
# A gradient that is no further off than this many times what counts as equal is near a multiple of the right one by 1.
NEARLY = 2.0


@dataclass(frozen=True, slots=True)
class Clues:
    """What a gradient may have gone wrong with: `factors` and `terms` of the right one, by what they are called.

    A factor is a tensor that the gradient could have been multiplied with: the upstream gradient, an operand. A term is
    one of the contributions that add up to the right gradient, in its shape. `who` gives the gradient, `subject` is
    what it is called, and `right` leads to the right value; `closeness` is how near two gradients are that count as
    equal, relative to the largest entry. `others` are wrong and right gradients of the same tensor for other upstream
    gradients and at other points: what relates the two does so for all of them. `elsewhere` says that whatever is found
    is looked for at another point too: then a factor may be one number.
    """

    who: str = "autograd"
    subject: str = "autograd's gradient"
    factors: Mapping[str, Any] = field(default_factory=dict)
    terms: Mapping[str, Any] = field(default_factory=dict)
    closeness: float = CLOSENESS
    right: str = "the derivative is"
    others: Sequence[tuple[Any, Any]] = ()
    elsewhere: bool = False

    def near(self, gradient: Any, reference: Any) -> bool:
        """Return whether two gradients count as equal."""
        return is_close(gradient, reference, self.closeness)

    def always(self, relates: Callable[[Any, Any], bool]) -> bool:
        """Return whether something relates the wrong gradient to the right one wherever both are known."""
        return all(relates(gradient, reference) for gradient, reference in self.others)

    def fits(self, gradient: Any, reference: Any, relates: Callable[[Any, Any], bool]) -> bool:
        """Return whether something relates a wrong gradient to the right one, and the others too."""
        return relates(gradient, reference) and self.always(relates)


NO_CLUES = Clues()


def likely_cause(gradient: Any, reference: Any, clues: Clues = NO_CLUES) -> str | None:
    """Return in words how a wrong gradient relates to the right one, of the same shape; or None."""
    return next(likely_causes(gradient, reference, clues), None)


def likely_causes(gradient: Any, reference: Any, clues: Clues = NO_CLUES) -> Iterator[str]:
    """Yield in words every way in which a wrong gradient relates to the right one, of the same shape."""
    finite = bool(gradient.isfinite().all()) and bool(reference.isfinite().all())
    nearly = is_close(gradient, reference, NEARLY * clues.closeness)
    if finite and bool((reference != 0).any()) and not nearly:
        yield from _causes(gradient, reference, clues)  # what is nearly right has no cause that a number could name


def _causes(gradient: Any, reference: Any, clues: Clues) -> Iterator[str]:
    """Yield explanations that fit, the simplest first."""
    if not bool((gradient != 0).any()):
        yield from (
            [f"{clues.subject} is zero everywhere"] if clues.always(lambda one, _: not bool((one != 0).any())) else []
        )
        return
    if clues.fits(gradient, reference, lambda one, other: clues.near(one, -other)):
        yield "the sign is wrong"
    if reference.is_complex() and clues.fits(gradient, reference, lambda one, other: clues.near(one.conj(), other)):
        yield "it is the conjugate of the right one"
    multiple = list(_of_numbers(gradient, reference, clues))
    if gradient.numel() > 1:  # one number is a multiple of another by a factor that may have a name
        yield from multiple
    if clues.fits(gradient, reference, lambda one, other: _is_transposed(one, other, clues)):
        yield "it is the transpose of the right one"
    yield from _of_factors(gradient, reference, clues)
    yield from _of_terms(gradient, reference, clues)
    yield from multiple
    yield from _of_places(gradient, reference, clues)


def _of_numbers(gradient: Any, reference: Any, clues: Clues) -> Iterator[str]:
    """Yield that a gradient is a multiple, if more than one number says so: any number is a multiple of any other."""
    factor = _scalar(_dot(reference, gradient) / _dot(reference, reference))
    told = (bool(clues.others) or _differ(reference)) and math.isfinite(abs(factor))
    if told and clues.fits(gradient, reference, lambda one, other: clues.near(one, other * factor)):
        yield f"{clues.subject} is the right one times {show_number(factor)}"


def _differ(reference: Any) -> bool:
    """Return whether a tensor has entries that are neither zero nor equal."""
    some = reference[reference != 0]
    return bool((some != some[0]).any())


def _of_places(gradient: Any, reference: Any, clues: Clues) -> Iterator[str]:
    shift = _scalar((gradient - reference).mean())
    if _differ(reference) and clues.fits(gradient, reference, lambda one, other: clues.near(one - shift, other)):
        yield f"{show_number(shift)} is added to every entry"
    if reference.is_complex() or not _differ(reference):
        return
    if clues.fits(gradient, reference, lambda one, other: clues.near(_sorted(one), _sorted(other))):
        yield "the entries are the right ones, in the wrong places"


def _sorted(value: Any) -> Any:
    return value.flatten().sort().values


def _of_factors(gradient: Any, reference: Any, clues: Clues) -> Iterator[str]:
    for name, factor in clues.factors.items():
        if not _broadcasts(tuple(factor.shape), tuple(reference.shape)) or not _tells(factor, reference):
            continue
        number = None if clues.elsewhere else _one_number(factor, gradient, reference, clues)
        if clues.near(gradient * factor, reference):
            yield f"the factor {name} is missing" if number is None else _as_number(clues, "divided by", number, name)
        elif clues.near(gradient, reference * factor):
            yield f"there is a factor {name} too many" if number is None else _as_number(clues, "times", number, name)


def _tells(factor: Any, reference: Any) -> bool:
    """Return whether entries show a factor: a product with 1 is what it was, and one with 0 hides what it was."""
    return bool(factor.isfinite().all()) and bool(((factor != 0) & (factor != 1) & (reference != 0)).any())


def _one_number(factor: Any, gradient: Any, reference: Any, clues: Clues) -> complex | None:
    """Return the number that a factor is wherever it counts; None if it is several, which no constant is."""
    counting = factor.expand(reference.shape)[(gradient != 0) | (reference != 0)]
    return _scalar(counting[0]) if clues.near(counting, counting[0].expand(counting.shape)) else None


def _as_number(clues: Clues, relation: str, number: complex, name: str) -> str:
    """Return in words that a gradient is a multiple by what a factor is here, and a constant may be too."""
    return f"{clues.subject} is the right one {relation} {show_number(number)} ({name} is {show_number(number)} here)"


def _of_terms(gradient: Any, reference: Any, clues: Clues) -> Iterator[str]:
    for name, term in clues.terms.items():
        square = float(_dot(term, term).real)
        if len(clues.terms) == 1 or not square or not math.isfinite(square):
            continue
        times = 1 + _scalar(_dot(term, gradient - reference)) / square
        if clues.near(gradient, reference + (times - 1) * term):
            yield from _of_term(name, times, told=_differ(term))


def _dot(left: Any, right: Any) -> Any:
    """Return the scalar product, conjugated on the left; so that it is positive for equal ones."""
    return (left.conj() * right).sum()


def _scalar(value: Any) -> complex:
    """Return a 0-d tensor as a number: a complex one whose imaginary part is only rounding as a real one."""
    number: complex = value.item()
    return number.real if abs(number.imag) <= CLOSENESS * abs(number) else number


def _of_term(name: str, times: complex, *, told: bool) -> Iterator[str]:
    """Yield how often a term is counted; any other number than a simple one only where more than one entry tells it."""
    for number, words in ((0, "is missing"), (-1, "has the wrong sign"), (2, "is counted twice")):
        if abs(times - number) <= SIMPLE:
            yield f"the term {name} {words}"
            return
    if told:
        yield f"the term {name} is taken times {show_number(times)}"


def cause_of_shape(gradient: Any, reference: Any, clues: Clues = NO_CLUES) -> str | None:
    """Return in words what makes a gradient of a wrong shape the right one: a sum over axes, a transpose; or None."""
    if _is_transposed(gradient, reference, clues):
        return "it is the transpose of the right one"
    for axes in _axes_to_sum(tuple(gradient.shape), tuple(reference.shape)):
        for keepdim in (True, False):
            summed = gradient.sum(dim=axes, keepdim=keepdim)
            if _same_shape(summed, reference) and clues.near(summed, reference):
                which = f"axis {axes[0]}" if len(axes) == 1 else f"the axes {', '.join(map(str, axes))}"
                return f"the sum over {which}, along which it is broadcast, is missing"
    return None


def _axes_to_sum(shape: tuple[int, ...], wanted: tuple[int, ...]) -> Iterator[Sequence[int]]:
    if len(shape) <= MOST_AXES and len(wanted) <= len(shape):
        for count in range(1, len(shape) + 1):
            yield from combinations(range(len(shape)), count)


def _is_transposed(gradient: Any, reference: Any, clues: Clues) -> bool:
    fits = gradient.ndim >= MATRIX_RANK and _same_shape(gradient.mT, reference)
    return fits and clues.near(gradient.mT, reference)


def _same_shape(left: Any, right: Any) -> bool:
    return tuple(left.shape) == tuple(right.shape)


def _broadcasts(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Return whether a shape broadcasts to another."""
    aligned = zip(reversed(shape), reversed(wanted), strict=False)
    return len(shape) <= len(wanted) and all(size in {1, full} for size, full in aligned)


def show_number(value: complex) -> str:
    """Return a number in digits, or as a fraction such as `1/3` where that is shorter."""
    digits = f"{value:.10g}"
    if isinstance(value, complex):
        return f"({digits})"
    for denominator in range(1, LARGEST_DENOMINATOR + 1):
        numerator = value * denominator
        if round(numerator) and abs(numerator - round(numerator)) <= CLOSENESS * abs(numerator):
            return min(digits, f"{round(numerator)}/{denominator}".removesuffix("/1"), key=len)
    return digits
