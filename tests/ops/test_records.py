"""Every record of the op table has all its parts."""

from __future__ import annotations

import inspect
import re
from collections import Counter

import pytest
import torch

from gradcli.execution.forward.callables import function
from gradcli.execution.forward.domains import MATRICES
from gradcli.language.parser import parse
from gradcli.ops.record import Kind, Op
from gradcli.ops.signature import parse_signature
from gradcli.ops.table import OPS

NUMBER = r"-?(?:\d+(?:\.\d+)?|inf|pi)"
INTERVAL = re.compile(rf"\({NUMBER}, {NUMBER}\)")
RECORDS = [record for op in OPS for record in (op, *op.overloads)]


def identified(op: Op) -> str:
    return op.signature


def accepted(op: Op) -> set[str] | None:
    """Return the names of the callable's parameters: of its Python signature, or of aten's schemas; None: unknown."""
    target = function(op.torch)
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        name = op.torch.rpartition(".")[2]
        packets = [getattr(torch.ops.aten, prefix + name, None) for prefix in ("", "linalg_", "special_")]
        found = [getattr(packet, overload)._schema for packet in packets if packet for overload in packet.overloads()]
        return {argument.name for schema in found for argument in schema.arguments} or None
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters) else {p.name for p in parameters}


@pytest.mark.parametrize("op", RECORDS, ids=identified)
def test_an_option_is_one_of_the_callable_s(op: Op) -> None:
    known = accepted(op)
    options = {p.name for p in parse_signature(op.signature) if not p.required and not p.variadic}
    assert known is None or options <= known


def test_most_callables_say_what_they_take() -> None:
    assert sum(accepted(op) is None for op in RECORDS) < len(RECORDS) / 10


@pytest.mark.parametrize("op", RECORDS, ids=identified)
def test_a_domain_is_an_interval_or_a_kind_of_matrix(op: Op) -> None:
    for domain in op.domain.values():
        assert domain in MATRICES or INTERVAL.fullmatch(domain)


@pytest.mark.parametrize("op", RECORDS, ids=identified)
def test_a_definition_reads_nothing_but_parameters(op: Op) -> None:
    parameters = {parameter.name for parameter in parse_signature(op.signature)}
    texts = [op.kinks, op.discontinuities, op.definition if op.kind in {Kind.POINTWISE, Kind.COMPOSITE} else None]
    for text in filter(None, texts):
        assert {leaf.name for leaf in parse(text, definition=True).leaves} <= parameters


def test_a_family_has_several_ops() -> None:
    families = Counter(op.family for op in OPS)
    assert {family for family, count in families.items() if count < 3} == set()
    assert all(overload.family in families for op in OPS for overload in op.overloads)
