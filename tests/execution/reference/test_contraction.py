from __future__ import annotations

import pytest
import torch

from gradcli.errors import LimitError
from gradcli.execution.forward.memory import in_force
from gradcli.execution.reference.contraction import contracted, einsum
from gradcli.limits import Limits

SIZES = {"i": 3, "j": 4, "k": 2, "l": 5, "m": 3}


@pytest.mark.parametrize(
    "equation",
    [
        "ij,jk,kl->il",
        "i,j,k->",
        "ij,ij,ij->j",
        "ij,jk,kl,lm->mi",
        "ijk,k,kl,i->lj",
        "i,i,i->i",
        "ij,j->i",
        "ij->ji",
        "ij,ji->j",
        "ijk,kij->ki",
        "ij,jk->ik",
        "ij,kj->ik",
        "ji,jk->ki",
        "ji,kj->ki",
    ],
)
def test_a_product_of_several_is_that_of_all_at_once(equation: str) -> None:
    left, _, out = equation.partition("->")
    labels = left.split(",")
    torch.manual_seed(0)
    values = [torch.rand([SIZES[letter] for letter in own], dtype=torch.float64) for own in labels]
    # Every label at once, by broadcasting: torch.einsum's own order plays no part.
    letters = "".join(dict.fromkeys(left.replace(",", "")))
    whole = torch.ones([SIZES[letter] for letter in letters], dtype=torch.float64)
    for own, value in zip(labels, values, strict=True):
        order = sorted(range(len(own)), key=lambda axis, own=own: letters.index(own[axis]))
        shape = [SIZES[letter] if letter in own else 1 for letter in letters]
        whole = whole * value.permute(order).reshape(shape)
    rest = [letter for letter in letters if letter not in out]
    summed = whole.sum([letters.index(letter) for letter in rest]) if rest else whole
    kept = [letter for letter in letters if letter in out]
    expected = summed.permute([kept.index(letter) for letter in out])
    torch.testing.assert_close(contracted(labels, values, out), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", ((3, 4), (4, 2))),
        ("ik,jk->ij", ((3, 4), (2, 4))),
        ("ij,jk->ki", ((3, 4), (4, 2))),
        ("ij,jk->ik", ((3, 1), (4, 2))),  # an axis of length 1 is repeated
        ("ij,jk", ((3, 4), (4, 2))),
        ("ij , jk -> ik", ((3, 4), (4, 2))),
        ("...j,jk->...k", ((3, 4), (4, 2))),
        ("...ij,...jk->...ik", ((3, 4), (4, 2))),
        ("...ij,...jk->...ik", ((2, 3, 4), (4, 2))),
        ("ij,jk->i", ((3, 4), (4, 2))),
        ("ij,ij->ij", ((3, 4), (3, 4))),
        ("ii,ij->ij", ((3, 3), (3, 4))),
    ],
)
def test_einsum_is_that_of_pytorch(equation: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    torch.manual_seed(0)
    values = [torch.rand(shape, dtype=torch.float64) for shape in shapes]
    torch.testing.assert_close(einsum(equation, *values), torch.einsum(equation, *values), rtol=1e-12, atol=0)


def test_a_product_of_matrices_in_a_batch_notation_is_one_of_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = torch.rand(3, 4, dtype=torch.float64), torch.rand(4, 2, dtype=torch.float64)
    monkeypatch.delattr(torch, "einsum")  # which would make batches of them
    assert einsum("...ij,...jk->...ik", one, other).equal(one @ other)


def test_the_order_is_the_one_that_takes_little_memory() -> None:
    with in_force(Limits(elements=20_000)):
        long = torch.ones(10_000, dtype=torch.float64)
        assert contracted(["i", "j", "i", "j"], [long] * 4, "").item() == 1e8
        with pytest.raises(LimitError, match="--max-elements") as refused:
            contracted(["ij", "jk", "ki"], [torch.ones(200, 200, dtype=torch.float64)] * 3, "")
    assert refused.value.hint is not None
