"""What only `jvp` reports: the Jacobian-vector product."""

from __future__ import annotations

from gradcli.escaping import escape
from gradcli.render.grid import Grid, Lines
from gradcli.render.numbers import tensor_lines
from gradcli.render.presentation import Presentation
from gradcli.report.jvp import JvpDetails
from gradcli.report.verdict import Verdict, fails


def grids(details: JvpDetails) -> tuple[Grid, ...]:
    """Return the grid of the product."""
    product = details.jvp
    rows: list[tuple[Lines | Verdict, ...]] = [(("Jv",), tensor_lines(product.value))]
    if product.symbolic is not None and fails(product.verdict):
        rows.append((("symbolic",), tensor_lines(product.symbolic.value)))
    if product.verdict is not None:
        rows.append((("verdict",), product.verdict))
    return (Grid("Jacobian-vector product", (), tuple(rows), _sentences(product.note)),)


def _sentences(note: str | None) -> Lines:
    return (escape(" ".join(note.split())),) if note else ()


PRESENTATION = Presentation(grids, shows_gradient=False)
