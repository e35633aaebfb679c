"""Formulas with the decimals of a program: it has clamp(x, 0.8, 1.2), and so has its gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gradcli.derivation.notation.decimals import decimals_in, with_decimals
from gradcli.execution.formulas.closed import Form, Target


def with_spelled_numbers(forms: Mapping[Target, Form], program: str) -> dict[Target, Form]:
    """Return forms with a program's decimals as its text has them."""
    decimals = decimals_in(program)
    return {
        target: replace(form, text=with_decimals(form.text, decimals), code=with_decimals(form.code, decimals))
        for target, form in forms.items()
    }
