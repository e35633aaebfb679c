"""How a table makes the record of a composite op."""

from __future__ import annotations

from gradcli.ops.record import Kind, Op


def composite(
    family: str,
    signature: str,
    definition: str,
    *examples: str,
    torch: str = "",
    aliases: tuple[str, ...] = (),
    domain: dict[str, str] | None = None,
    kinks: str | None = None,
    discontinuities: str | None = None,
    overloads: tuple[Op, ...] = (),
    complex: str | None = None,  # noqa: A002 (the record's own word)
) -> Op:
    """Return a record; its callable is torch's of the same name, unless `torch` is the dotted name of another."""
    return Op(
        signature,
        torch or f"torch.{signature.partition('(')[0]}",
        Kind.COMPOSITE,
        definition,
        family,
        aliases=aliases,
        domain=domain or {},
        kinks=kinks,
        discontinuities=discontinuities,
        examples=examples,
        overloads=overloads,
        complex=complex,
    )
