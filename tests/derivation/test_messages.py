"""Every message is the same after its journey to the other process."""

from __future__ import annotations

import json
import pickle

import pytest

from gradcli.derivation.formulas import (
    AffineRead,
    CallNodes,
    Formula,
    FormulaNode,
    FormulaRequest,
    WantedContribution,
    formulas_from_data,
    formulas_to_data,
)
from gradcli.derivation.messages import Arbitration, DerivativeRequest, Derived
from gradcli.derivation.moves import AffineIndex
from gradcli.derivation.protocol import Answer, Query
from gradcli.symbolic.derive.derive import derive
from gradcli.symbolic.warm import small_request

REQUESTS = [
    DerivativeRequest("sin(x)*k", (("x", "ij"),), (("k", 2.5),), "ij", ("x",)),
    DerivativeRequest("a[i, k]*b[k, j]", (("a", ""), ("b", "")), (), "ij", ("a", "b"), None, ("a", "b")),
    DerivativeRequest("a[i, k]*out[k, j] - delta(i, j)", (("a", ""), ("out", "")), (), "ij", ("a",), "out", ("a",)),
    DerivativeRequest("exp(x)", (("x.real", "i"), ("x.imag", "i")), (), "i", ("x.real",), part="imag"),
]
READ = AffineRead(0, (AffineIndex(1, 2, 0), AffineIndex(3)))
NODES = (FormulaNode((5, 4), "x"), FormulaNode((2,), None, (0,), None, READ), FormulaNode((), "m", is_shift=True))
ASKED = FormulaRequest(
    NODES, (CallNodes((1,), (0,), (1,)),), 1, None, (("x", 0),), 2.0, (WantedContribution("0", 0, 0, local=True),)
)


def sent(data: object) -> dict[str, object]:
    journey = json.loads(json.dumps(data))
    assert isinstance(journey, dict)
    return journey


@pytest.mark.parametrize("request_", REQUESTS)
def test_derivative_requests(request_: DerivativeRequest) -> None:
    assert DerivativeRequest.from_data(sent(request_.to_data())) == request_


@pytest.mark.parametrize("number", [True, 1, 1.0, 0.0, "sum", None])
def test_numbers_keep_their_types(number: object) -> None:
    request = DerivativeRequest("x", (), (("k", number),), "", ())
    ((_, same),) = DerivativeRequest.from_data(sent(request.to_data())).numbers
    assert type(same) is type(number)
    assert same == number


@pytest.mark.parametrize("request_", REQUESTS[:3])
def test_derivatives(request_: DerivativeRequest) -> None:
    derived = derive(request_)
    assert Derived.from_data(sent(derived.to_data())) == derived


@pytest.mark.parametrize("request_", [ASKED, small_request(0.5)])
def test_formula_requests(request_: FormulaRequest) -> None:
    assert FormulaRequest.from_data(sent(request_.to_data())) == request_
    assert hash(FormulaRequest.from_data(sent(request_.to_data()))) == hash(request_)


def test_formulas() -> None:
    formulas = {"x": Formula("2*y", "2 y")}
    assert formulas_from_data(sent(formulas_to_data(formulas))) == formulas


def test_arbitrations() -> None:
    request = Arbitration("x*k", (("k", 2),), "x", ((("x", "1/3"),), (("x", "2"),)), ("1", "-1/2"))
    assert Arbitration.from_data(sent(request.to_data())) == request


def test_lines_are_ascii_and_one_line_each() -> None:
    question = Query(7, "derive", {"formula": "ü\n\u2028"})
    line = question.to_line()
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert Query.from_line(line) == question
    answer = Answer(7, {"x": [1, "\u2029"]}, "ärger", exhausted=True)
    assert Answer.from_line(answer.to_line()) == answer


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"7", b'{"number": 1, "other": 2}', b"\xff"])
def test_a_line_that_is_no_answer_is_refused(line: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        Answer.from_line(line)


def test_equal_requests_have_one_hash_and_take_none_to_another_process() -> None:
    """That of text is another one in each process."""
    one, other = (DerivativeRequest("sin(x)", (("x", "i"),), (), "i", ("x",)) for _ in range(2))
    assert hash(one) == hash(other)
    assert {one: 1}[other] == 1
    copy = pickle.loads(pickle.dumps(one))  # noqa: S301 (its own)
    assert copy == one
    assert not hasattr(copy, "_hash")
