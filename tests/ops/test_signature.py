from __future__ import annotations

import gc
import math

import pytest

from gradcli.errors import ProgramError
from gradcli.language.parser import parse
from gradcli.language.program import Call, Evaluate, Expression, Sequence
from gradcli.ops import signature
from gradcli.ops.record import Kind, Op
from gradcli.ops.signature import Parameter, bind, fitting, parse_signature
from gradcli.ops.table import find


def call(text: str) -> Call:
    (statement,) = parse(text).statements
    assert isinstance(statement, Evaluate)
    assert isinstance(statement.value, Call)
    return statement.value


def bound(signature: str, text: str) -> dict[str, str]:
    arguments = bind(Op(signature, "torch.f", Kind.POINTWISE, "", "test"), call(text))
    return {name: text[value.span.start : value.span.end] for name, value in arguments.items()}


def test_parameters() -> None:
    assert parse_signature("var(input, dim=None, *, correction=1, keepdim=False)") == (
        Parameter("input"),
        Parameter("dim", default=None, required=False),
        Parameter("correction", default=1, required=False, keyword_only=True),
        Parameter("keepdim", default=False, required=False, keyword_only=True),
    )
    assert parse_signature("einsum(equation, *operands)") == (
        Parameter("equation"),
        Parameter("operands", variadic=True),
    )
    assert parse_signature("f()") == ()


def test_defaults_are_values() -> None:
    parameters = parse_signature("f(x, a=-1, b='mean', c=(2, -1), d=inf, e=1e-05, g=1/8, h=-inf)")
    assert [parameter.default for parameter in parameters[1:]] == [
        -1,
        "mean",
        (2, -1),
        math.inf,
        1e-5,
        0.125,
        -math.inf,
    ]


def test_every_signature_of_the_table_can_be_read() -> None:
    table = pytest.importorskip("gradcli.ops.table")
    for op in table.OPS:
        names = [parameter.name for parameter in parse_signature(op.signature)]
        assert len(names) == len(set(names)), op.name


@pytest.mark.parametrize(
    ("signature", "text", "expected"),
    [
        ("softmax(input, dim, dtype=None)", "softmax(x, 0)", {"input": "x", "dim": "0"}),
        ("softmax(input, dim, dtype=None)", "x.softmax(dim=-1)", {"input": "x", "dim": "-1"}),
        ("softmax(input, dim, dtype=None)", "softmax(dim=0, input=x)", {"input": "x", "dim": "0"}),
        (
            "sum(input, dim=None, keepdim=False)",
            "sum(x, axis=0, keepdims=True)",
            {"input": "x", "dim": "0", "keepdim": "True"},
        ),
        ("add(input, other, *, alpha=1)", "a + b", {"input": "a", "other": "b"}),
        ("reshape(input, *shape)", "x.reshape(2, 3)", {"input": "x", "shape": "2, 3"}),
        ("reshape(input, *shape)", "x.reshape((2, 3))", {"input": "x", "shape": "(2, 3)"}),
        ("reshape(input, *shape)", "reshape(x, shape=(2, 3))", {"input": "x", "shape": "(2, 3)"}),
        ("einsum(equation, *operands)", "einsum('i,i', a, b)", {"equation": "'i,i'", "operands": "a, b"}),
    ],
)
def test_arguments_find_their_parameters(signature: str, text: str, expected: dict[str, str]) -> None:
    assert bound(signature, text) == expected


def test_bound_nodes_are_the_calls_own() -> None:
    node = call("x.reshape(2, y)")
    arguments = bind(Op("reshape(input, *shape)", "torch.reshape", Kind.MOVEMENT, "", "test"), node)
    gathered: Expression = arguments["shape"]
    assert isinstance(gathered, Sequence)
    assert arguments["input"] is node.arguments[0]
    assert all(mine is theirs for mine, theirs in zip(gathered.items, node.arguments[1:], strict=True))


@pytest.mark.parametrize(
    ("signature", "text", "marked", "message", "hint"),
    [
        ("sin(input)", "sin(w, v, u)", "v", "sin() takes 1 argument without a name, and 3 were given", "sin(input)"),
        ("var(input, *, correction=1)", "var(x, 1)", "1", "var() takes 1 argument without a name", "give 'correction'"),
        ("softmax(input, dim)", "softmax(x)", "softmax", "softmax() needs 'dim'", "softmax(input, dim)"),
        ("softmax(input, dim)", "softmax(x, dmi=0)", "0", "softmax() has no argument 'dmi'", "did you mean 'dim'?"),
        ("softmax(input, dim)", "softmax(x, 0, dim=1)", "1", "softmax() got two values for 'dim'", ""),
        ("sum(input, dim=None)", "sum(x, dim=0, axis=1)", "1", "sum() got two values for 'dim'", ""),
        ("reshape(input, *shape)", "x.reshape()", "reshape", "reshape() needs 'shape'", ""),
        ("atan2(input, other)", "atan2()", "atan2", "atan2() needs 'input' and 'other'", ""),
    ],
)
def test_misfits_are_explained(signature: str, text: str, marked: str, message: str, hint: str) -> None:
    with pytest.raises(ProgramError) as caught:
        bound(signature, text)
    error = caught.value
    assert message in error.message
    assert hint in (error.hint or "")
    assert error.span is not None
    assert text[error.span.start : error.span.end] == marked


def test_signatures_that_do_not_fit_leave_nothing_to_collect() -> None:
    op, written = find("max"), call("max(x, 0)")
    assert op is not None
    gc.collect()
    gc.disable()
    try:
        found = fitting(op, written)
        assert gc.collect() == 0
    finally:
        gc.enable()
    assert 0 < len(found) < 1 + len(op.overloads)


def test_what_a_call_fits_is_kept_for_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    op, written, other = find("max"), call("max(x, 0)"), call("max(x)")
    assert op is not None
    known = {id(written): (other, op, fitting(op, other))}  # whose place in memory the call has now
    monkeypatch.setattr(signature, "_FITTING", known)
    monkeypatch.setattr(signature, "MOST_KEPT", 2)
    for one in (written, written, *(call("max(x, 0)") for _ in range(3))):
        assert [set(bound) for _, bound in fitting(op, one)] == [{"input", "dim"}, {"input", "other"}]
        assert len(known) <= 2
