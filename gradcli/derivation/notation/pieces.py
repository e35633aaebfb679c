"""Pieces of LaTeX, put side by side: in parentheses where they bind less tightly than what they stand in."""

from __future__ import annotations

from dataclasses import dataclass

from gradcli.escaping import escape_latex

# How tightly the outermost operation binds.
CHOICE, SUM, SIGN, HADAMARD, PRODUCT, POWER, ATOM = range(7)

# What LaTeX calls numbers and functions.
CONSTANTS = {"pi": r"\pi", "inf": r"\infty", "nan": r"\mathrm{nan}"}
PLAIN = frozenset({"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "det"})
FUNCTIONS = {"sigmoid": r"\sigma", "trace": r"\operatorname{tr}", "diagonal": r"\operatorname{diag}"}
FUNCTIONS |= {"asin": r"\arcsin", "acos": r"\arccos", "atan": r"\arctan", "lgamma": r"\log\Gamma"}
FUNCTIONS |= {"clamp_min": r"\max", "clamp_max": r"\min", "digamma": r"\psi", "expm_frechet": r"L_{\exp}"}


@dataclass(frozen=True, slots=True)
class Piece:
    """LaTeX, and how tightly it binds."""

    text: str
    binds: int = ATOM

    def at_least(self, binds: int) -> str:
        """Return the text, in parentheses if it binds less tightly than what it stands in."""
        return self.text if self.binds >= binds else rf"\left({self.text}\right)"


def number(text: str) -> Piece:
    """Return a number, 1e-05 as a power of ten."""
    digits, _, exponent = text.partition("e")
    if not exponent.lstrip("+-").isdigit():
        return Piece(text)
    ten = f"10^{{{int(exponent)}}}"
    return Piece(ten, POWER) if digits == "1" else Piece(rf"{digits} \cdot {ten}", PRODUCT)


def side_by_side(left: Piece, right: Piece) -> Piece:
    """Return a product without a sign."""
    first = left.at_least(PRODUCT if left.binds == HADAMARD else SIGN)
    return Piece(f"{first} {right.at_least(POWER if right.binds != PRODUCT else PRODUCT)}", binds(left))


def binds(left: Piece) -> int:
    """Return how tightly a product binds that begins with a piece."""
    return max(min(left.binds, PRODUCT), SIGN)


def times(factor: Piece, product: Piece) -> Piece:
    """Return a product with a number in front."""
    sign = r" \cdot " if product.text[:1].isdigit() else " "
    return Piece(f"{factor.at_least(SIGN)}{sign}{product.at_least(PRODUCT)}", binds(factor))


def function_name(name: str) -> str:
    """Return what LaTeX calls a function."""
    return FUNCTIONS.get(name) or (rf"\{name}" if name in PLAIN else rf"\operatorname{{{escape_latex(name)}}}")
