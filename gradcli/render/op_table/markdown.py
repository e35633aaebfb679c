"""The op table in Markdown: as one document, or as a page for each family with an index."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from gradcli.render.op_table.families import KINDS, by_family
from gradcli.report.op_page import OpPage

HEAD = """# The op table

Written by `gradcli ops --format markdown` from the table that gradcli itself works with: {count} ops. An op is
given only by its definition; every derivative here is derived from it.

| kind | the definition is |
|---|---|
{kinds}

*Domain* is where random test points are drawn from: all real numbers unless it says otherwise. At *kinks* the
derivative is one-sided, and at *jumps* there is none. An example is a command that verifies the op at a random point.
Derivatives are shown of pointwise ops, at a single number; `gradcli ops NAME` derives any of them."""
# These are defined by the call or the callable itself, which a sentence describes.
SENTENCES = frozenset({"einsum", "movement", "constant"})


def markdown(pages: Sequence[OpPage]) -> str:
    """Return one document: a section for each family, and in it one for each op."""
    parts = [_head(pages)]
    for family, members in by_family(pages).items():
        parts += [f"## {_title(family)}", *map(section, members)]
    return "\n\n".join(parts) + "\n"


def index(pages: Sequence[OpPage], folder: str) -> str:
    """Return the index of the pages in a folder that lies beside it."""
    rows = []
    for family, members in by_family(pages).items():
        address = f"{folder}/{file_name(family)}"
        names = ", ".join(f"[`{page.name}`]({address}#{anchor})" for page, anchor in _anchored(family, members))
        rows.append(f"| [{_title(family)}]({address}) | {len(members)} | {names} |")
    table = "\n".join(["| family | ops | names |", "|---|---|---|", *rows])
    return f"{_head(pages)}\n\n{table}\n"


def family_pages(pages: Sequence[OpPage], index_name: str) -> Mapping[str, str]:
    """Return a page for each family, by the name of its file; the index lies one folder up."""
    found = {}
    for family, members in by_family(pages).items():
        intro = f"{len(members)} ops of [the op table](../{index_name}), which says how to read this page."
        sections = [section(page, "##") for page in members]
        found[file_name(family)] = "\n\n".join([f"# {_title(family)}", intro, *sections]) + "\n"
    return found


def file_name(family: str) -> str:
    """Return the name of a family's page."""
    return f"{family.replace(' ', '_')}.md"


def section(page: OpPage, heading: str = "###") -> str:
    """Return what is known about one op, under a heading."""
    also = f", also {', '.join(f'`{alias}`' for alias in page.aliases)}" if page.aliases else ""
    parts = [f"{heading} `{page.name}`", f"`{page.signature}`, {page.kind}{also}", _definition(page, page.definition)]
    for signature, definition in page.overloads.items():
        parts += [f"or `{signature}`", *([] if definition == page.definition else [_definition(page, definition)])]
    return "\n\n".join([*parts, *_bullets(page)])


def _head(pages: Sequence[OpPage]) -> str:
    kinds = "\n".join(f"| {kind} | {meaning} |" for kind, meaning in KINDS.items())
    return HEAD.format(count=len(pages), kinds=kinds)


def _title(family: str) -> str:
    return f"{family[0].upper()}{family[1:]}"


def _anchored(family: str, members: Sequence[OpPage]) -> Iterator[tuple[OpPage, str]]:
    """Yield the ops of a page with their anchors as GitHub gives them: a heading that repeats is numbered."""
    seen = Counter([_slug(family)])
    for page in members:
        slug = _slug(page.name)
        yield page, f"{slug}-{seen[slug]}" if seen[slug] else slug
        seen[slug] += 1


def _slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


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
