"""What `check` alone reports: what the numerical witnesses say, claims, and the points that were looked at."""

from __future__ import annotations

from collections.abc import Sequence

from gradcli.escaping import escape
from gradcli.render.grid import Grid, Lines
from gradcli.render.numbers import tensor_lines
from gradcli.report import Point, TensorReport, Verdict, Witness

LONGEST = 28
MOST_ROWS = 24
HEADINGS = {"finite-difference": ("differences", "error"), "taylor": ("Taylor", "order")}


def grids_of_tensors(tensors: Sequence[TensorReport]) -> tuple[Grid, ...]:
    """Return a grid of the witnesses and one of the claims, where there are any."""
    heard = [tensor for tensor in tensors if tensor.witnesses]
    claimed = [tensor for tensor in tensors if tensor.claim]
    return (*([_witnesses(heard)] if heard else []), *([_claims(claimed)] if claimed else []))


def grids_of_points(points: Sequence[Point]) -> tuple[Grid, ...]:
    """Return a grid of the points and the verdict at each."""
    rows = tuple(((str(point.seed),), _or_dash(point.verdict)) for point in points[:MOST_ROWS])
    more = len(points) - len(rows)
    return (
        Grid("Points", ("seed", "verdict"), rows, (f"... {more:,} more left out; --json has all",) if more else ()),
    )


def _witnesses(tensors: Sequence[TensorReport]) -> Grid:
    names = [name for name in HEADINGS if any(name in (tensor.witnesses or {}) for tensor in tensors)]
    headings = ("name", *(heading for name in names for heading in HEADINGS[name]))
    dissent = any(tensor.dissenter for tensor in tensors)
    rows = []
    for tensor in tensors[:MOST_ROWS]:
        cells = [cell for name in names for cell in _cells((tensor.witnesses or {}).get(name))]
        rows.append(((_clip(tensor.name),), *cells, *([(tensor.dissenter or "",)] if dissent else [])))
    more = len(tensors) - len(rows)
    below = (f"... {more:,} more left out; --json has all",) if more else ()
    return Grid("Numerical witnesses", (*headings, *(["dissenter"] if dissent else [])), tuple(rows), below)


def _cells(witness: Witness | None) -> tuple[Lines | Verdict, Lines]:
    """Return the verdict of a witness and the number that it rests on."""
    if witness is None:
        return ("",), ("",)
    if witness.max_abs_error is not None:
        return witness.verdict, (f"{witness.max_abs_error:.1e}" if witness.max_abs_error else "0",)
    return witness.verdict, ("" if witness.order is None else f"{witness.order:.2f}",)


def _claims(tensors: Sequence[TensorReport]) -> Grid:
    rows = []
    for tensor in tensors:
        assert tensor.claim is not None  # noqa: S101 (only those with one are given)
        rows.append(
            ((_clip(tensor.name),), (_clip(tensor.claim.text),), tensor_lines(tensor.claim.value), tensor.claim.verdict)
        )
    return Grid("Claims", ("name", "claim", "value", "verdict"), tuple(rows))


def _clip(text: str) -> str:
    text = escape(" ".join(text.split()))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 12]} ... {text[-7:]}"


def _or_dash(verdict: Verdict | None) -> Lines | Verdict:
    return ("-",) if verdict is None else verdict
