"""A formula in Typst's math mode, from its LaTeX."""

from __future__ import annotations

from gradcli.derivation.notation.markup import (
    LETTERS,
    Cases,
    Fenced,
    Fraction,
    Kind,
    Markup,
    Root,
    Row,
    Scripts,
    Sign,
    read,
)

KNOWN = {letter: name for name, letter in LETTERS.items()}
KNOWN |= {"\u22a4": "top", "\u2299": "dot.o", "\u22c5": "dot.c", "\u2218": "compose", "\u2264": "<=", "\u2265": ">="}
KNOWN |= {"\u2260": "!=", "\u2227": "and", "\u2228": "or", "\u221e": "infinity", "\u2202": "diff", "\u2211": "sum"}
KNOWN |= {"\u223c": "tilde.op"}
# Words that Typst's math mode knows as operators.
OPERATORS = frozenset({"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "det", "tr", "mod", "arcsin"})
OPERATORS |= {"arccos", "arctan", "max", "min"}
# What a pair of signs around something is called.
FUNCTIONS = {("\u2016", "\u2016"): "norm", ("|", "|"): "abs", ("\u230a", "\u230b"): "floor"}
SPECIAL = frozenset('#$"\\_^/&@*~`')


def typst(latex: str) -> str:
    """Return a formula as what stands between dollar signs."""
    return _row(read(latex))


def _row(row: Row) -> str:
    return " ".join(map(_written, row.items)).replace(" ,", ",")


def _written(node: Markup) -> str:
    match node:
        case Sign():
            return _sign(node)
        case Row():
            return _row(node)
        case Fraction(above=above, below=below):
            return f"frac({_argument(above)}, {_argument(below)})"
        case Root(inner=inner):
            return f"sqrt({_argument(inner)})"
        case Fenced(left=left, inner=inner, right=right):
            return _fenced(left, inner, right)
        case Scripts(base=base, below=below, above=above):
            index = "" if below is None else f"_({_argument(below)})"
            return f"{_written(base)}{index}" + ("" if above is None else f"^({_argument(above)})")
        case Cases(rows=rows):
            lines = (" & ".join(_argument(cell) for cell in row) for row in rows)
            return f"cases({', '.join(lines)})"


def _sign(sign: Sign) -> str:
    if sign.kind is Kind.BOLD:
        return f"bold({sign.text})"
    if sign.kind is Kind.WORD:
        return sign.text if sign.text in OPERATORS else f'op("{_quoted(sign.text)}")'
    known = KNOWN.get(sign.text)
    return known or (f"\\{sign.text}" if sign.text in SPECIAL else sign.text)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _argument(row: Row) -> str:
    r"""Return an argument of a function: a comma of its own would end it."""
    return " ".join("\\," if _is_comma(item) else _written(item) for item in row.items).replace(" \\,", "\\,")


def _is_comma(item: Markup) -> bool:
    return isinstance(item, Sign) and item.text == ","


def _fenced(left: str, inner: Row, right: str) -> str:
    if (left, right) in FUNCTIONS:
        return f"{FUNCTIONS[left, right]}({_argument(inner)})"
    if (left, right) in {("(", ")"), ("[", "]")}:
        return f"{left}{_row(inner)}{right}"
    return f"lr({left} {_argument(inner)} {right})"
