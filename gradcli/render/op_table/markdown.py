"""The op table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from gradcli.render.op_table.families import KINDS, by_family
from gradcli.report.op_page import OpPage

HEAD = """# The op table

Written by `gradcli ops --format markdown -o docs/ops.md` from the table that gradcli itself works with: {count} ops. An
op is given by its definition alone; every derivative here is derived from it.

| kind | the definition is |
|---|---|
{kinds}

*Domain* is where random test points are drawn from: all real numbers unless it says otherwise. At *kinks* the
derivative is one-sided, and at *jumps* there is none. An example is a command that verifies the op at a random point.
Derivatives are shown of pointwise ops, at a single number; `gradcli ops NAME` derives any of them."""
# These are defined by the call or the callable itself, which a sentence describes.
SENTENCES = frozenset({"einsum", "movement", "constant"})


def markdown(pages: Sequence[OpPage]) -> str:
    """Return a section for each family, and in it one for each op."""
    kinds = "\n".join(f"| {kind} | {meaning} |" for kind, meaning in KINDS.items())
    parts = [HEAD.format(count=len(pages), kinds=kinds)]
    for family, members in by_family(pages).items():
        parts += [f"## {family[0].upper()}{family[1:]}", *map(section, members)]
    return "\n\n".join(parts) + "\n"


def section(page: OpPage) -> str:
    """Return what is known about one op, under a heading."""
    also = f", also {', '.join(f'`{alias}`' for alias in page.aliases)}" if page.aliases else ""
    parts = [f"### `{page.name}`", f"`{page.signature}`, {page.kind}{also}", _definition(page, page.definition)]
    for signature, definition in page.overloads.items():
        parts += [f"or `{signature}`", *([] if definition == page.definition else [_definition(page, definition)])]
    return "\n\n".join([*parts, *_bullets(page)])


def _definition(page: OpPage, text: str) -> str:
    return f"{text}." if page.kind in SENTENCES else f"```python\n{text}\n```"


def _bullets(page: OpPage) -> list[str]:
    formulas = page.derivative.formulas.items() if page.derivative else ()
    bullets = [f"derivative by {name}: `{formula}`" for name, formula in formulas]
    bullets += [f"domain of {name}: {domain}" for name, domain in page.domain.items()]
    bullets += [f"kinks where `{page.kinks}`"] if page.kinks else []
    bullets += [f"jumps where `{page.discontinuities}`"] if page.discontinuities else []
    bullets += [f"example: `{example.command}`" for example in page.examples[:1]]
    return ["\n".join(f"- {bullet}" for bullet in bullets)] if bullets else []
