"""Every record of the op table has all its parts."""

from __future__ import annotations

import inspect
import re
from collections import Counter

import pytest
import sympy
import torch

from gradcli.execution.forward.callables import function
from gradcli.execution.forward.domains import MATRICES, leaves_for, parse_example
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.tree import field_names
from gradcli.inputs.programs import read
from gradcli.language.parser import parse
from gradcli.limits import Limits
from gradcli.ops.programs import parse_program
from gradcli.ops.record import Kind, Op
from gradcli.ops.signature import parse_signature
from gradcli.ops.table import OPS, find
from gradcli.settings import Settings
from gradcli.symbolic.derive.translate import pointwise

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
    texts = [
        op.kinks,
        op.discontinuities,
        op.cuts,
        op.definition if op.kind in {Kind.POINTWISE, Kind.COMPOSITE} else None,
    ]
    for text in filter(None, texts):
        assert {leaf.name for leaf in parse(text, definition=True).leaves} <= parameters


def test_a_family_has_several_ops() -> None:
    families = Counter(op.family for op in OPS)
    assert {family for family, count in families.items() if count < 3} == set()
    assert all(overload.family in families for op in OPS for overload in op.overloads)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("op", [op for op in OPS if op.examples], ids=identified)
def test_the_fields_are_those_of_pytorch_s_named_tuple(op: Op) -> None:
    for example in op.examples:
        program, shapes = parse_example(example)
        settings = Settings(shapes=shapes)
        parsed = read(program, settings)
        with double_precision():
            trace = run_program(parsed, settings, leaves_for(parsed, shapes, find, 0))
        for call in trace.calls:
            assert call.op.fields == field_names(call.result), call.op.signature


@pytest.mark.parametrize("op", [op for op in RECORDS if op.product], ids=identified)
def test_the_operands_of_a_product_are_multiplied_as_matrices(op: Op) -> None:
    assert op.product is not None
    required = [parameter.name for parameter in parse_signature(op.signature) if parameter.required]
    assert set(op.product) <= set(required)
    shape = (3, 3, 3) if "b" in op.name.removeprefix("add")[:2] else (3, 3)
    shapes = {name: (3,) if name in {"vec", "tensor"} or op.name == "dot" else shape for name in required}
    values = {name: torch.randn(shapes[name]) if name in op.product else torch.zeros(()) for name in required}
    left, right = (values[name] for name in op.product)
    wanted = (left @ right).sum(0) if op.name == "addbmm" else left @ right
    zero = torch.zeros_like(wanted)
    result = function(op.torch)(*[values[name] if name in op.product else zero for name in required])
    assert torch.allclose(result, wanted, atol=1e-5)


@pytest.mark.parametrize("op", [op for op in RECORDS if op.remedy], ids=identified)
def test_a_remedy_is_a_program_over_the_operands_that_there_are(op: Op) -> None:
    tensors = [parameter for parameter in parse_signature(op.signature) if parameter.required]
    for remedy in op.remedy:
        names = [leaf.name for leaf in parse_program(remedy.over(x="x", y="y"), Limits()).leaves]
        assert set(names) <= ({"x", "y"} if remedy.operand is None and len(tensors) > 1 else {"x"})
        assert (remedy.operand or 0) < len(tensors)


@pytest.mark.parametrize("op", [op for op in OPS if op.remedy], ids=identified)
def test_an_overload_has_its_op_s_remedy(op: Op) -> None:
    assert {overload.remedy for overload in op.overloads} <= {op.remedy}


@pytest.mark.parametrize("op", [op for op in RECORDS if op.formula], ids=identified)
def test_the_formula_of_a_constant_is_its_value(op: Op) -> None:
    assert op.kind is Kind.CONSTANT
    assert op.formula is not None
    names = [parameter.name for parameter in parse_signature(op.signature)]
    for numbers in [(0.5, -1.5), (-1.5, 0.5), (2.0, 2.0), (0.0, 1.0)]:
        bound = dict(zip(names, numbers, strict=False))
        wanted = function(op.torch)(*[torch.tensor(number) for number in bound.values()])
        formula = pointwise(op.formula, {name: sympy.Rational(number) for name, number in bound.items()})
        assert float(formula) == float(wanted), bound
