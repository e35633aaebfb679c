"""What `derive` reports: derivatives as formulas and as code, and how each was checked before it was shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gradcli.errors import ExitCode, NotSupportedError
from gradcli.report.records import jsonable, optional
from gradcli.report.verdict import Verdict, worst

DERIVATION_SCHEMA = "gradcli.derivation/1"


@dataclass(frozen=True, slots=True)
class Checked:
    """How a derivative was checked: its code was run at random points, and compared with PyTorch's autograd."""

    verdict: Verdict
    points: int
    """How many random points."""
    shapes: tuple[dict[str, tuple[int, ...]], ...]
    """The shapes of the leaves at these points, each once."""
    max_rel_error: float | None
    """The largest difference, relative to the largest entry of autograd's derivative."""
    ran: tuple[str, ...]
    """The code that was run: torch, numpy."""
    note: str | None = None
    """What could not be checked, and why."""


@dataclass(frozen=True, slots=True)
class DerivedFormula:
    """One derivative."""

    wrt: str
    """The leaf that it is by; of a mixed second derivative both, with a comma between them."""
    order: int
    """1 or 2."""
    shape: tuple[int, ...]
    """Its shape: that of the leaf; of a second derivative, of both one after the other."""
    formula: str | None
    """As PyTorch's text, or as an entry `[p, q]: ...` in Python's; None if there is none."""
    latex: str | None
    """As LaTeX."""
    unicode: str | None
    """As a reader of mathematics writes it."""
    sympy: str | None
    """As an expression of sympy's, where that is asked for: of one entry, at indices from 0."""
    notation: str | None
    """`matrix` or `index`."""
    names_latex: tuple[str, ...]
    """What it is by, in LaTeX: one name, or two."""
    indices: tuple[str, ...]
    """The indices in the expression of sympy's, those of its sums among them."""
    free: tuple[str, ...]
    """The indices of the entry that the expression of sympy's is of; 0 along an axis of length 1."""
    checked: Checked
    mathml: str | None = None
    """As presentation MathML."""
    rewritten: tuple[str, ...] | None = optional()
    """With `--stable`: what was rewritten, and why, and what the code still loses in single precision."""
    exception: str | None = optional()
    """What the derivative is at single points at which the formula has no value: `0 where norm(x) == 0`."""
    left_out: tuple[str, ...] | None = optional()
    """What the formula leaves out that is far from usual values, such as what `eps` is for, and whether code has it."""
    reason: str | None = optional()
    """Why there is no formula, or no expression of sympy's where that is asked for."""


@dataclass(frozen=True, slots=True)
class DerivationStep:
    """One step of how a gradient comes about."""

    name: str
    """The tensor that it is about."""
    formula: str
    """What the tensor is, or what the output's gradient by it is."""
    latex: str | None
    """The same in LaTeX, where it is a formula of the whole tensor."""
    rule: str
    """By what rule."""
    is_gradient: bool
    """Whether it is a gradient; else it is a definition."""


@dataclass(frozen=True, slots=True)
class DerivedOutput:
    """What is differentiated."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Abbreviations:
    """The formulas with what they have in common named once."""

    parts: dict[str, str]
    """Name -> formula; each reads leaves, and parts before it."""
    formulas: dict[str, str]
    """What the derivative is by -> formula."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """The derivatives of a program by its leaves."""

    gradcli: str
    torch: str
    program: str
    output: DerivedOutput
    leaves: dict[str, tuple[int, ...]]
    """The shapes of the program's leaves, in their order."""
    upstream: str | None
    """What the upstream gradient is called in the formulas; None if there is none."""
    layout: str
    """One sentence."""
    derivatives: tuple[DerivedFormula, ...]
    where: Abbreviations
    to: str = "unicode"
    """The notation that was asked for."""
    codes: dict[str, str] = field(default_factory=dict)
    """The code for each library that has all functions in it."""
    markup: dict[str, str] = field(default_factory=dict)
    """The equations in Typst and in MathML, where that was asked for."""
    notes: tuple[str, ...] | None = optional()
    """What was read otherwise than it is written."""
    product: str = ""
    """`jvp`, `hvp` or `jacobian`, where that was asked for in the place of gradients."""
    tangents: dict[str, str] | None = optional()
    """What the tangent of each leaf is called in the formulas."""
    sizes: dict[str, int] | None = optional()
    """The lengths that have names, and what they are in the shapes here."""
    steps: tuple[DerivationStep, ...] | None = optional()
    """How the gradients come about, a rule a step."""
    tried: str | None = optional()
    """How the Function was checked, in words."""
    refused: str | None = optional()
    """Why there is no Function, or no code for the library that was asked for."""
    declarations: tuple[str, ...] = ()
    """The lines that declare what sympy's expressions hold, where these are asked for."""
    verify: bool = True
    schema: str = DERIVATION_SCHEMA

    @property
    def verdict(self) -> Verdict:
        """Return the worst of the verdicts; a Function has been checked itself, whatever has no formula."""
        if self.refused:
            return worst([Verdict.UNDECIDED, *(one.checked.verdict for one in self.derivatives)])
        shown = [one for one in self.derivatives if one.formula is not None or not self.tried]
        return worst([one.checked.verdict for one in shown] or [Verdict.MATCH])

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code that this asks for: nothing that is unchecked passes, unless that was asked for."""
        return self.verdict.exit_code_where(verify=self.verify)

    def to_dict(self) -> dict[str, Any]:
        """Return the derivation as strict JSON data: the schema first, the verdict last."""
        data: dict[str, Any] = jsonable(self)
        del data["verify"], data["codes"], data["markup"], data["declarations"]
        code = (self.codes | self.markup).get(self.to)
        return {"schema": data.pop("schema"), **data, "code": code, "verdict": str(self.verdict)}

    def equation(self, one: DerivedFormula, sign: str = "=") -> str:
        """Return a derivative as LaTeX, with what it is the derivative of in front."""
        return f"{self._head(one)} {sign} {one.latex}"

    def _head(self, one: DerivedFormula) -> str:
        names = (one.names_latex * one.order)[: one.order] if len(one.names_latex) < one.order else one.names_latex
        if self.product == "jvp":
            return r"\mathrm{d} f"
        if self.product == "hvp":
            return rf"\mathrm{{d}} \frac{{\partial f}}{{\partial {names[0]}}}"
        output = rf"\langle {self.upstream}, f \rangle" if self.upstream else "f"
        same = len(set(names)) == 1 and one.order > 1
        below = rf"\partial {names[0]}^2" if same else " ".join(rf"\partial {name}" for name in names)
        power = "^2" if one.order > 1 else ""
        return rf"\frac{{\partial{power} {output}}}{{{below}}}"

    def __getitem__(self, wrt: str) -> DerivedFormula:
        """Return the derivative by a leaf, or by two (`"x,y"`); KeyError if there is none."""
        for one in self.derivatives:
            if one.wrt == wrt:
                return one
        raise KeyError(f"no derivative by {wrt!r}; there are {', '.join(one.wrt for one in self.derivatives)}")

    @property
    def formula(self) -> str | None:
        """Return the formula of the only derivative; ValueError if there are several."""
        return self._only.formula

    @property
    def latex(self) -> str | None:
        """Return that formula as LaTeX."""
        return self._only.latex

    @property
    def mathml(self) -> str | None:
        """Return that formula as MathML."""
        return self._only.mathml

    @property
    def _only(self) -> DerivedFormula:
        if len(self.derivatives) != 1:
            names = ", ".join(one.wrt for one in self.derivatives)
            raise ValueError(f"there are derivatives by {names}; `derivation[NAME].formula` is one of them")
        return self.derivatives[0]

    def code(self, to: str = "torch") -> str:
        """Return the source of `gradient(...)` for a library; NotSupportedError if there is none."""
        if to not in self.codes:
            without = any(one.formula is None for one in self.derivatives)
            none = "a derivative has no formula" if without else "what it returns is not what autograd says"
            has = f"there is code for {', '.join(self.codes)}" if self.codes else none
            raise NotSupportedError(f"there is no code for {to}: {has}")
        return self.codes[to]

    def _repr_latex_(self) -> str:
        """Return the formulas as a notebook shows them."""
        rows = [f"{one.wrt}: {one.latex}" if len(self.derivatives) > 1 else one.latex for one in self.derivatives]
        lines = r" \\ ".join(row or "" for row in rows)
        return rf"$$\begin{{gathered}}{lines}\end{{gathered}}$$"
