"""What a tensor's name is in LaTeX."""

from __future__ import annotations

import re

from gradcli.escaping import escape_latex

GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa mu nu xi rho sigma tau phi chi psi omega"
CAPITALS = ("Gamma", "Delta", "Theta", "Sigma", "Phi", "Psi", "Omega")
LETTERS = frozenset((*GREEK.split(), *CAPITALS))


def latex_name(name: str) -> str:
    """Return a tensor's name in LaTeX: w1 has a subscript, alpha is the letter, expressions stand upright."""
    match = re.fullmatch(r"([A-Za-z]+)_?(\d*)", name)
    if match is None:
        return rf"\mathtt{{{escape_latex(name)}}}"
    stem, number = match.groups()
    if stem in LETTERS:
        stem = rf"\{stem}"
    elif len(stem) > 1:
        stem = rf"\mathrm{{{stem}}}"
    return f"{stem}_{{{number}}}" if number else stem
