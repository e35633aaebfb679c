"""The op table as text: a list by family, and everything about one op."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap

from rich.text import Text

from gradcli.render.console import documentation, printed
from gradcli.render.indented_json import indented_json
from gradcli.render.op_table.families import KINDS, by_family
from gradcli.render.op_table.markdown import markdown, section
from gradcli.render.style import Style
from gradcli.report.op_page import OpPage
from gradcli.report.records import jsonable

# What is said of a derivative that has no formula to show; nothing, where there is no derivative.
NO_FORMULA = {
    "composite": ["by the chain rule through the definition"],
    "indexed": ["by the chain rule through the definition"],
    "einsum": ["by the chain rule through the definition"],
    "movement": ["the entries of the upstream gradient, moved back and added up"],
    "implicit": ["by the linear system that the derivative of its equation is"],
}
LABEL = 12
KIND = 9


def render_list(pages: Sequence[OpPage], style: Style) -> str:
    """Return the table by family: name, kind and as much of the definition as fits on a line."""
    lines = [Text("The ops by family: name, kind, definition.")]
    lines += [Text.assemble("  ", (f"{kind:<{KIND}}", "cyan"), f"  {meaning}") for kind, meaning in KINDS.items()]
    for family, members in by_family(pages).items():
        lines += [Text(), Text(family, "bold"), *_family(members, style)]
    lines += [Text(), Text(f"{len(pages)} ops. `gradcli ops NAME` shows one in full, with its derivative.")]
    return printed(lines, style, as_is=True)


def _family(members: Sequence[OpPage], style: Style) -> list[Text]:
    width = max(len(page.name) for page in members)
    return [_line(page, width, style) for page in members]


def _line(page: OpPage, width: int, style: Style) -> Text:
    room = max(style.width - width - KIND - 6, 0)
    definition = _shortened("; ".join(map(str.strip, page.definition.splitlines())), room, style)
    kind = (f"{page.kind:<{KIND}}", "cyan")
    name, gap = (page.name, _named(page, style)), " " * (width - len(page.name) + 2)
    return Text.assemble("  ", name, gap, kind, "  ", definition)


def _named(page: OpPage, style: Style) -> str:
    """Return how a name is shown: as a link to PyTorch's page of it, where there is one and a terminal shows links."""
    url = documentation(page.torch) if style.links else None
    return f"bold link {url}" if url else "bold"


def _shortened(text: str, room: int, style: Style) -> str:
    more = "…" if style.unicode else "..."
    return text if len(text) <= room else text[: max(room - len(more) - 1, 0)] + " " + more if room > LABEL else ""


def render_page(page: OpPage, style: Style) -> str:
    """Return everything that is known about one op."""
    facts = [line for label, texts in _facts(page) for line in _fact(label, texts, style)]
    lines = [Text(page.signature, _named(page, style)), *facts]
    return printed(lines, style, as_is=True)


def _facts(page: OpPage) -> list[tuple[str, list[str]]]:
    derived = page.derivative
    formulas = [f"{name}: {formula}" for name, formula in derived.formulas.items()] if derived else []
    facts = [
        ("also", [", ".join(page.aliases)] if page.aliases else []),
        ("family", [page.family]),
        ("kind", [f"{page.kind}: {KINDS[page.kind]}"]),
        ("definition", page.definition.splitlines()),
        *(("overload", [signature, *definition.splitlines()]) for signature, definition in page.overloads.items()),
        ("derivative", [f"of {derived.program} by", *formulas] if derived else NO_FORMULA.get(page.kind, [])),
        ("domain", [f"{name}: {domain}" for name, domain in page.domain.items()]),
        ("kinks", [f"where {page.kinks}"] if page.kinks else []),
        ("jumps", [f"where {page.jumps}"] if page.jumps else []),
        ("examples", [example.command for example in page.examples]),
    ]
    return [(label, texts) for label, texts in facts if texts]


def _fact(label: str, texts: Sequence[str], style: Style) -> list[Text]:
    # A command is left whole, so that it can be copied.
    lines = [part for t in texts for part in ([t] if label == "examples" else _wrapped(t, style.width - LABEL))]
    labels = [label, *[""] * (len(lines) - 1)]
    return [Text.assemble((f"{name:<{LABEL}}", "dim"), line) for name, line in zip(labels, lines, strict=True)]


def _wrapped(text: str, width: int) -> list[str]:
    """Return a line, broken at spaces where it is too long; what follows stands further in than it does."""
    inset = " " * (len(text) - len(text.lstrip()))
    return wrap(
        text.strip(),
        max(width, LABEL),
        initial_indent=inset,
        subsequent_indent=inset + "    ",
        break_on_hyphens=False,
    ) or [""]


def _table_json(pages: Sequence[OpPage]) -> str:
    """Return the table as data; what an op's derivative is, its own page says."""
    listed = [{name: value for name, value in jsonable(page).items() if name != "derivative"} for page in pages]
    return indented_json(listed)


TABLE_FORMATS: Mapping[str, Callable[[Sequence[OpPage], Style], str]] = {
    "table": render_list,
    "json": lambda pages, _: _table_json(pages),
    "markdown": lambda pages, _: markdown(pages),
}
PAGE_FORMATS: Mapping[str, Callable[[OpPage, Style], str]] = {
    "table": render_page,
    "json": lambda page, _: indented_json(jsonable(page)),
    "markdown": lambda page, _: section(page) + "\n",
}
