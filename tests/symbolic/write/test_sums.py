"""Sums over indices: equal ones are equal objects, and no index is taken for another."""

from __future__ import annotations

from sympy import IndexedBase, Integer, Symbol

from gradcli.symbolic.write.sums import bound_indices, total

L, J, K = (Symbol(name, integer=True, nonnegative=True) for name in ("i", "j", "k"))
SIZES = {L: 2, J: 3, K: 4}
A, X = IndexedBase("A", real=True), IndexedBase("X", real=True)


def test_equal_sums_cancel_whatever_their_indices_were_called() -> None:
    assert total(X[J], [J], SIZES) - total(X[L], [L], {L: 3}) == 0
    nested = total(A[L, J] * total(X[K], [K], SIZES) ** 2, [J], SIZES)
    assert nested == total(A[L, K] * total(X[J], [J], {J: 4}) ** 2, [K], {K: 3})


def test_nested_sums_bind_an_index_each() -> None:
    inner = total(X[J] * A[L, J], [J], SIZES)
    assert len(bound_indices(inner)) == 1
    assert len(bound_indices(total(inner**2, [L], SIZES))) == 2


def test_an_index_that_is_free_is_not_bound() -> None:
    (bound,) = bound_indices(total(X[J], [J], SIZES))
    found = total(A[bound, J], [J], SIZES)
    assert bound in found.free_symbols
    assert bound not in bound_indices(found)
    assert found.xreplace({bound: Integer(1)}) == total(A[1, J], [J], SIZES).xreplace(
        dict(zip(bound_indices(total(A[1, J], [J], SIZES)), bound_indices(found), strict=True))
    )
