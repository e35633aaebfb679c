"""PyTorch's ops on PyTorch's own samples."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gradcli import engine
from gradcli.report.audit import AT_POINTS, NO_DEFINITION, AuditedOp
from gradcli.report.proof import EXCEPT, PROVED, REFUTED, UNDECIDED
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings
from gradcli.suite import audit
from gradcli.suite.audit import Answer, Audit, audited, lost
from gradcli.suite.executors import local_place
from gradcli.suite.schedule import outcomes_of

MATCH, MISMATCH, UNDEFINED, OPEN = Verdict.MATCH, Verdict.MISMATCH, Verdict.UNDEFINED, Verdict.UNDECIDED
SUBGRADIENT = Verdict.SUBGRADIENT
SETTINGS = Settings(timeout=120.0)


@pytest.fixture(autouse=True, scope="module")
def torch() -> Iterator[None]:
    engine.import_torch()
    yield
    engine.stop_worker()


# Of binary_cross_entropy PyTorch's backward divides by 1e-12 where x*(1 - x) is smaller.
@pytest.mark.parametrize(
    ("name", "verdict", "proof"),
    [
        ("sigmoid", PROVED, PROVED),
        ("nn.functional.relu", EXCEPT, EXCEPT),
        ("nn.functional.binary_cross_entropy", REFUTED, REFUTED),
        ("linalg.det", AT_POINTS, UNDECIDED),
    ],
)
def test_an_op_comes_to_what_is_known_of_it(name: str, verdict: str, proof: str) -> None:
    op = audited(Audit(name, SETTINGS))
    assert (op.verdict, op.proof) == (verdict, proof)
    assert {op.float64, op.float32, op.second, op.adjoint} <= {"match", "subgradient"}
    assert (op.reason is None) == (verdict == PROVED)


def test_an_op_of_single_entries_is_proved_of_single_numbers() -> None:
    assert audited(Audit("sigmoid", SETTINGS)).leaves == {"x0": ()}
    assert audited(Audit("cumsum", SETTINGS)).leaves != {"x0": ()}


@pytest.mark.parametrize("name", ["torch.ops.aten._safe_softmax.default", "to_sparse"])
def test_an_op_that_the_table_lacks_has_no_definition(name: str) -> None:
    op = audited(Audit(name, SETTINGS))
    assert (op.verdict, op.float64, op.proof) == (NO_DEFINITION, "undecided", "undecided")
    assert "unknown function" in (op.reason or "")


@pytest.mark.parametrize(
    ("found", "name", "verdict"),
    [
        ((MATCH, MISMATCH), "sin", REFUTED),
        ((MATCH, UNDEFINED), "sin", UNDECIDED),
        ((UNDEFINED, MISMATCH), "sin", REFUTED),
        ((MATCH, OPEN), "sin", UNDECIDED),
        ((MATCH, OPEN), "no_such_op", NO_DEFINITION),
        ((MATCH, SUBGRADIENT), "sin", PROVED),
    ],
)
def test_the_worst_of_the_comparisons_goes_before_a_proof(found: tuple[Verdict, ...], name: str, verdict: str) -> None:
    from gradcli.execution.forward.opinfo import Sample

    answers = [Answer(one, Sample(f"sample {place}", {}, (), ()), str(one)) for place, one in enumerate(found)]
    op = audit._judged(AuditedOp(name, "", program="smallest", proof=PROVED), answers, None)
    assert op.verdict == verdict
    worst = next((place for place, one in enumerate(found) if str(one) == op.reason), None)
    assert op.program == ("smallest" if verdict == PROVED else f"sample {worst}")


def test_an_op_whose_process_dies_costs_no_other() -> None:
    place = local_place(1)
    found = dict(outcomes_of(audit.OF_OPS, [Audit("no such op", SETTINGS), Audit("sin", SETTINGS)], place))
    assert (found[0].verdict, found[1].verdict) == (UNDECIDED, PROVED)
    assert lost(Audit("x", SETTINGS), "why") == AuditedOp("x", UNDECIDED, reason="why")


@pytest.mark.parametrize(
    ("name", "left_out", "shape"),
    [
        ("nn.functional.scaled_dot_product_attention", "dropout_p=0.5", (4, 3, 8)),
        ("nn.functional.rrelu", "training=True", (5,)),
        ("masked.log_softmax", "(x0, 0, mask=x1)", (5,)),
    ],
)
def test_a_sample_that_draws_or_is_infinite_is_left_out(name: str, left_out: str, shape: tuple[int, ...]) -> None:
    from gradcli.execution.forward.opinfo import samples

    found = [one.program for one in samples(name, "cpu") if one.shape == shape]
    assert found
    assert not any(left_out in program for program in found)
