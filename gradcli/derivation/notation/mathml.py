"""A formula as presentation MathML, from its LaTeX."""

from __future__ import annotations

from xml.sax.saxutils import escape

from gradcli.derivation.notation.markup import Cases, Fenced, Fraction, Kind, Markup, Root, Row, Scripts, Sign, read

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
TAGS = {Kind.NUMBER: "mn", Kind.OPERATOR: "mo", Kind.LETTER: "mi", Kind.WORD: "mi", Kind.BOLD: "mi"}


def mathml(latex: str) -> str:
    """Return a formula as a `<math>` element."""
    return f'<math xmlns="{NAMESPACE}" display="block">{_row(read(latex))}</math>'


def _row(row: Row) -> str:
    if len(row.items) == 1:
        return _written(row.items[0])
    return f"<mrow>{''.join(map(_written, row.items))}</mrow>"


def _written(node: Markup) -> str:
    match node:
        case Sign(text=text, kind=kind):
            variant = ' mathvariant="bold"' if kind is Kind.BOLD else ""
            return f"<{TAGS[kind]}{variant}>{escape(text)}</{TAGS[kind]}>"
        case Row():
            return _row(node)
        case Fraction(above=above, below=below):
            return f"<mfrac>{_row(above)}{_row(below)}</mfrac>"
        case Root(inner=inner):
            return f"<msqrt>{_row(inner)}</msqrt>"
        case Fenced(left=left, inner=inner, right=right):
            return f"<mrow><mo>{escape(left)}</mo>{_row(inner)}<mo>{escape(right)}</mo></mrow>"
        case Scripts():
            return _scripts(node)
        case Cases(rows=rows):
            return _cases(rows)


def _scripts(node: Scripts) -> str:
    base, below, above = _written(node.base), node.below, node.above
    stands = "underover" if isinstance(node.base, Sign) and node.base.text == "\u2211" else "subsup"
    first, second = ("under", "over") if stands == "underover" else ("sub", "sup")
    if below is not None and above is not None:
        return f"<m{stands}>{base}{_row(below)}{_row(above)}</m{stands}>"
    if below is not None:
        return f"<m{first}>{base}{_row(below)}</m{first}>"
    return f"<m{second}>{base}{_row(above or Row(()))}</m{second}>"


def _cases(rows: tuple[tuple[Row, ...], ...]) -> str:
    cells = ("".join(f"<mtd>{_row(cell)}</mtd>" for cell in row) for row in rows)
    table = "".join(f"<mtr>{row}</mtr>" for row in cells)
    return f'<mrow><mo>{{</mo><mtable columnalign="left">{table}</mtable></mrow>'
