"""Proofs at exact points: what they refute, and what they do not."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import pytest  # noqa: TC002 (fixtures are asked for by type)

from gradcli.derivation.proof import ProofRequest
from gradcli.symbolic.prove.prove import Prover

# The derivative of max(x, y) by x, and a backward that shares it where the two tie.
NODES: list[tuple[Any, ...]] = [
    ("leaf", "x"),
    ("leaf", "y"),
    ("number", "0"),
    ("number", "1"),
    ("number", "0.5"),
    ("gt", 1, 0),
    ("where", 5, 2, 3),
    ("eq", 1, 0),
    ("where", 7, 4, 6),
]
DERIVED, SHARED = 6, 8


def prover() -> Prover:
    request = ProofRequest(tuple(NODES), (), (), (), (), (), 60.0)
    return Prover(NODES, request, time.monotonic())


def test_ties_at_random_points_refute_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prover, "drawn", lambda *_: Fraction(1))
    assert prover()._by_points(SHARED, DERIVED).verdict == "undecided"


def test_other_random_points_do() -> None:
    assert prover()._by_points(SHARED, DERIVED).verdict == "exact"
    assert prover()._by_points(4, DERIVED).verdict == "different"


def test_a_point_is_one_of_what_only_the_output_depends_on_too() -> None:
    nodes = [*NODES, ("leaf", "z"), ("log", 9)]
    request = ProofRequest(tuple(nodes), (10,), (), (), (), (), 60.0)
    assert Prover(nodes, request, time.monotonic())._by_points(4, DERIVED).verdict == "different"
