"""Which columns a section has, so that it fits the width; the same for every renderer that has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gradcli.render.grid import Lines
from gradcli.render.view import Row, Section
from gradcli.report.verdict import Verdict

GAP = 2
INDENT = 2
REPRODUCE = "reproduce: "  # before a command, on a line of its own that is never wrapped
LONGEST_FORMULA_CELL = 48

ASCII_MARKS = {
    Verdict.MATCH: "+",
    Verdict.SUBGRADIENT: "~",
    Verdict.UNVERIFIED: "-",
    Verdict.MISMATCH: "x",
    Verdict.UNDEFINED: "!",
    Verdict.UNDECIDED: "?",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading and the cell that it takes from a row."""

    heading: str
    cell: Callable[[Row], Lines]

    def width(self, rows: tuple[Row, ...]) -> int:
        """Return the width of the widest line."""
        return max([len(self.heading), *(len(line) for row in rows for line in self.cell(row))])


NAME = Column("name", lambda row: (row.name,))
SHAPE = Column("shape", lambda row: (row.shape,))
GRAD_FN = Column("grad_fn", lambda row: (row.grad_fn,))
VALUE = Column("value", lambda row: row.value)
TANGENT = Column("tangent", lambda row: row.tangent)
GRAD = Column(".grad", lambda row: row.grad)
GRADIENT = Column("gradient", lambda row: row.gradient)
BOTH = Column(".grad = gradient", lambda row: row.gradient)
SYMBOLIC = Column("symbolic", lambda row: row.symbolic)
FORMULA = Column("formula", lambda row: (row.formula,))
VERDICT = Column("verdict", lambda row: (f"{mark(row.verdict)} {row.verdict_text}",))


def mark(verdict: Verdict | None) -> str:
    """Return the character that stands before a verdict, in ASCII."""
    return "-" if verdict is None else ASCII_MARKS[verdict]


def choose(section: Section, width: int) -> tuple[Column, ...] | None:
    """Return the fullest set of columns that fits, or None where each tensor needs lines of its own."""
    for columns in _arrangements(section):
        if INDENT + sum(column.width(section.rows) + GAP for column in columns) - GAP <= width:
            return columns
    return None


def fields(section: Section) -> tuple[Column, ...]:
    """Return the columns that become lines where no set of columns fits."""
    return tuple(column for column in _all(section) if column not in {NAME, SHAPE, VERDICT, FORMULA})


def has_formulas_below(section: Section, columns: tuple[Column, ...] | None) -> bool:
    """Tell whether formulas have to stand below the table because it has no column for them."""
    return section.shows_formula and (columns is None or FORMULA not in columns)


def _arrangements(section: Section) -> list[tuple[Column, ...]]:
    """Return the sets of columns from the fullest to the barest that loses nothing but grad_fn."""
    everything = _all(section)
    without_formula = tuple(column for column in everything if column is not FORMULA)
    barest = tuple(column for column in without_formula if column is not GRAD_FN)
    fits_a_cell = all(len(row.formula) <= LONGEST_FORMULA_CELL for row in section.rows)
    return [everything, without_formula, barest] if fits_a_cell else [without_formula, barest]


def _all(section: Section) -> tuple[Column, ...]:
    wanted = [
        (NAME, True),
        (SHAPE, section.shows_shape),
        (GRAD_FN, section.shows_grad_fn),
        (VALUE, True),
        (TANGENT, section.shows_tangent),
        (GRAD, section.shows_grad and not section.grad_is_gradient),
        (GRADIENT, section.shows_gradient and not section.grad_is_gradient),
        (BOTH, section.shows_gradient and section.grad_is_gradient),
        (SYMBOLIC, section.shows_symbolic),
        (FORMULA, section.shows_formula),
        (VERDICT, section.shows_verdict),
    ]
    return tuple(column for column, is_wanted in wanted if is_wanted)
