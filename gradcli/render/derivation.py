"""A derivation as text: formulas in the notation asked for, or code that can be pasted, and how both were checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from gradcli.escaping import escape
from gradcli.phrases import every, show_shape
from gradcli.render.cases import case_lines
from gradcli.render.coloured import BAD, GOOD, OPEN, coloured, plain
from gradcli.render.formula_lines import formula_lines
from gradcli.render.indented_json import indented_json
from gradcli.render.style import Style
from gradcli.render.wrapping import wrap
from gradcli.report.derivation import Checked, Derivation, DerivedFormula
from gradcli.report.verdict import Verdict

INDENT = 2
RULE, HANGING = 4, 8  # how far to the right a step's rule stands, and the further lines of its formula
AT_WIDTH = re.compile("   +")  # between what is chosen and when, in a table
MARKUP = ("mathml", "typst")
CODE = ("torch", "numpy", "jax", "function")
# What a line of a comment begins with, in what is to be pasted.
COMMENTS = {"latex": "% ", "sympy": "# ", "typst": "// ", "mathml": ""} | dict.fromkeys(CODE, "# ")
# A program, formulas, and how they were checked.
LOOKS = {
    r"\A.+(?=  with )": "bold",
    r"(?m)^ {2,}\S.*": "cyan",
    r"(?m)^(?:[\w, ]+: )?checked: equal": GOOD,
    r"(?m)^(?:[\w, ]+: )?(?:not checked|undecided)": OPEN,
    r"(?m)^(?:[\w, ]+: )?mismatch": BAD,
}
LANGUAGES = {"latex": "latex", "sympy": "python", "typst": "typst", "mathml": "xml"} | dict.fromkeys(CODE, "python")


def text(derivation: Derivation, style: Style) -> str:
    """Return a derivation as a reader sees it, or as it is pasted where code, LaTeX or sympy was asked for."""
    mark = COMMENTS.get(derivation.to)
    notes = [part for line in _notes(derivation) for part in wrap(line, style.width - len(mark or ""))]
    if mark is not None:
        about = _commented([*notes, *(line for line in _steps(derivation, style, len(mark)) if line)], mark)
        return "\n".join([*about, *_pasted(derivation)]) + "\n"
    lines = [*_steps(derivation, style, INDENT), *_formulas(derivation, style.width - INDENT, unicode=style.unicode)]
    formulas = [" " * INDENT + line if line else line for line in lines]
    return coloured("\n".join([_head(derivation), "", *formulas, "", *notes]) + "\n", style, LOOKS)


def _commented(notes: Sequence[str], mark: str) -> list[str]:
    """Return notes as comments; without a mark they stand in one of XML's, which holds no two hyphens."""
    if mark:
        return [mark + line for line in notes]
    return ["<!-- " + "\n".join(notes).replace("--", "- -") + " -->"]


def markdown(derivation: Derivation, style: Style) -> str:
    """Return a derivation for a page in Markdown."""
    formulas = _pasted(derivation) if derivation.to in COMMENTS else _formulas(derivation, None, unicode=style.unicode)
    block = [f"```{LANGUAGES.get(derivation.to, 'text')}", *formulas, "```"]
    items = [f"- {line}" for line in _notes(derivation)]
    return "\n".join([f"`{_head(derivation)}`", "", *block, "", *items]) + "\n"


DERIVATION_FORMATS: Mapping[str, Callable[[Derivation, Style], str]] = {
    "table": text,
    "plain": plain(text),
    "markdown": markdown,
    "json": lambda derivation, _: indented_json(derivation.to_dict()),
}


def _head(derivation: Derivation) -> str:
    leaves = ", ".join(f"{name} {_named(shape, derivation)}" for name, shape in derivation.leaves.items())
    return escape(f"{' '.join(derivation.program.split())}  with {leaves}")


def _named(shape: Sequence[int], derivation: Derivation) -> str:
    """Return a shape with the names of its lengths."""
    names = {length: name for name, length in (derivation.sizes or {}).items()}
    return "x".join(names.get(size, str(size)) for size in shape) if names and shape else show_shape(tuple(shape))


def _formulas(derivation: Derivation, room: int | None, *, unicode: bool) -> Iterator[str]:
    """Yield the formulas, and the parts that they name, in lines that have room; None for room without end."""
    own = unicode and derivation.to == "unicode"
    heads = [_of(one, derivation, unicode=own) for one in derivation.derivatives]
    width = max(map(len, heads), default=0)
    for head, one in zip(heads, derivation.derivatives, strict=True):
        shown = derivation.where.formulas.get(one.wrt, "")
        shown = one.unicode or "" if own and one.notation == "index" else shown
        body = shown.removeprefix(_place(one)).removeprefix(": ")
        if not shown:
            yield f"{head:<{width}}: {one.reason}"
            continue
        yield from _equation(f"{head:<{width}} = ", [*map(escape, case_lines(body))], room)

    for name, part in derivation.where.parts.items():
        yield from _equation(f"where {name} = ", [escape(part)], room)


def _equation(head: str, rows: Sequence[str], room: int | None) -> Iterator[str]:
    """Yield the lines of an equation: its cases below each other, and what is too long broken at operators."""
    if room is None or len(head) + max(map(len, rows)) <= room:
        yield head + rows[0]
        yield from (" " * len(head) + row for row in rows[1:])
        return
    hanging = min(len(head), HANGING)
    yield from formula_lines(head + AT_WIDTH.sub("  ", rows[0]), room, hanging)
    for row in rows[1:]:
        lines = formula_lines(AT_WIDTH.sub("  ", row), room - hanging, INDENT)
        yield from (" " * hanging + line for line in lines)


def _steps(derivation: Derivation, style: Style, taken: int) -> Iterator[str]:
    """Yield how the gradients come about: a formula, and the rule below it; `taken` columns stand before a line."""
    sign, room = "\u2202" if style.unicode else "d", style.width - taken
    output = f"<{derivation.upstream}, out>" if derivation.upstream else ""
    for step in derivation.steps or ():
        name = step.name if step.name.isidentifier() else f"({step.name})"
        head = f"{sign}{output}/{sign}{name}" if step.is_gradient else step.name
        yield from formula_lines(escape(f"{head} = {step.formula}"), room, HANGING)
        yield from (" " * RULE + line for line in wrap(escape(step.rule), room - RULE))
    if derivation.steps:
        yield ""


def _place(one: DerivedFormula) -> str:
    """Return the indices of the entry that a formula is of, `[p, q]`; nothing of a whole tensor's."""
    is_entry = one.formula is not None and one.notation == "index"
    return (one.formula or "").partition("]: ")[0] + "]" if is_entry else ""


def _of(one: DerivedFormula, derivation: Derivation, *, unicode: bool) -> str:
    """Return what the formula is of: ∂/∂x of the output, ∂²/∂x∂y of it, of its product with the upstream gradient."""
    sign, square = ("\u2202", "\u00b2") if unicode else ("d", "^2")
    if derivation.product == "jvp":
        return escape(f"d out{_place(one)}")
    if derivation.product == "hvp":
        return escape(f"d {sign}/{sign}{one.wrt}{_place(one)}")
    output = f"<{derivation.upstream}, out>" if derivation.upstream else " out" if derivation.product else ""
    names = (one.wrt.split(",") * one.order)[: one.order] if one.order > 1 else [one.wrt]
    below = f"{sign}{one.wrt}{square}" if one.order > 1 and len(set(names)) == 1 else "".join(sign + n for n in names)
    return escape(f"{sign}{square if one.order > 1 else ''}{output}/{below}{_place(one)}")


def _pasted(derivation: Derivation) -> list[str]:
    if derivation.to in CODE:
        if derivation.refused:
            return [f"# {escape(derivation.refused)}"]
        if derivation.to not in derivation.codes:
            return [f"# no code for {one.wrt}: {one.reason}" for one in derivation.derivatives if one.formula is None]
        return derivation.codes[derivation.to].rstrip("\n").split("\n")
    if derivation.to in MARKUP:
        return derivation.markup[derivation.to].rstrip("\n").split("\n")
    return _latex(derivation) if derivation.to == "latex" else _sympy(derivation)


def _latex(derivation: Derivation) -> list[str]:
    rows = [derivation.equation(one, "&=") for one in derivation.derivatives if one.latex]
    missing = [f"% no formula for {one.wrt}: {one.reason}" for one in derivation.derivatives if not one.latex]
    breaks = [r" \\"] * (len(rows) - 1) + [""]
    lines = [f"  {row}{end}" for row, end in zip(rows, breaks, strict=False)]
    return [*missing, *([r"\begin{align*}", *lines, r"\end{align*}"] if rows else [])]


def _sympy(derivation: Derivation) -> list[str]:
    """Return an expression a line, after what its names are."""
    lines = [*derivation.declarations]
    for one in derivation.derivatives:
        lines.append("")
        lines.append(f"# by {one.wrt}" + (f", at [{', '.join(one.free)}]" if one.free else ""))
        lines.append(one.sympy or f"# none: {one.reason}")
    return lines


def _notes(derivation: Derivation) -> Iterator[str]:
    yield f"layout: {derivation.layout}"
    if derivation.upstream:
        shape = _named(derivation.output.shape, derivation)
        yield f"{derivation.upstream}: the upstream gradient, of the output's shape {shape}"
    if derivation.tangents:
        yield "tangents: " + ", ".join(f"{tangent} of {name}" for name, tangent in derivation.tangents.items())
    for one in derivation.derivatives:
        for words in one.rewritten or ():
            yield escape(f"{one.wrt}: {words}")
        for words in (*([one.exception] if one.exception else []), *(one.left_out or ())):
            yield escape(f"{one.wrt}: {words}")
    yield from _said(derivation)
    if derivation.tried:
        yield derivation.tried
    for note in derivation.notes or ():
        yield escape(note)


def _said(derivation: Derivation) -> Iterator[str]:
    """Yield how the formulas were checked; a Function that has none says so itself."""
    said: dict[str, list[str]] = {}
    for one in derivation.derivatives:
        if one.formula is not None or not derivation.tried:
            said.setdefault(_checked(one.checked), []).append(one.wrt)
    for words, names in said.items():
        yield words if len(said) == 1 else f"{', '.join(names)}: {words}"


def _checked(checked: Checked) -> str:
    """Return how a derivative was checked, in words."""
    note = f"; {checked.note}" if checked.note else ""
    if checked.verdict is Verdict.UNDECIDED:
        return f"undecided{note or ': there was nothing to check'}"
    if not checked.points or checked.verdict is Verdict.UNVERIFIED:
        return f"not checked{'' if checked.note == 'not checked' else note}"
    sizes = "; ".join(_shapes(shapes) for shapes in checked.shapes)
    where = f"at {checked.points} random points ({sizes}), run as {every(checked.ran)}{note}"
    if checked.verdict is Verdict.MATCH:
        return f"checked: equal to autograd's {where}"
    return f"mismatch: {checked.max_rel_error:.1e} from autograd's {where}"


def _shapes(shapes: Mapping[str, Sequence[int]]) -> str:
    return ", ".join(f"{name} {show_shape(shape)}" for name, shape in shapes.items())
