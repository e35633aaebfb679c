from __future__ import annotations

from collections import namedtuple
from typing import Any, NamedTuple

import pytest
import torch

from gradcli.execution.forward import tree


class Pair(NamedTuple):
    left: Any
    right: Any


SORTED = torch.sort(torch.tensor([2.0, 1.0]))


@pytest.mark.parametrize(
    "nested",
    [1, [], (), [1, (2, [3])], {"a": 1, "b": [2, {"c": 3}]}, (slice(1, 2), None, ...), Pair(1, (2, Pair(3, 4)))],
)
def test_leaves_come_in_order_and_the_structure_stays(nested: Any) -> None:
    leaves = list(tree.leaves(nested))
    counted = iter(range(100))
    changed = tree.map(lambda _: next(counted), nested)
    assert list(tree.leaves(changed)) == list(range(len(leaves)))
    assert tree.map(lambda leaf, _: leaf, nested, changed) == nested
    assert type(changed) is (int if not isinstance(nested, list | tuple | dict) else type(nested))


def test_a_result_of_pytorchs_keeps_its_fields() -> None:
    changed = tree.map(lambda leaf: leaf + 1, SORTED)
    assert changed.values.tolist() == [2.0, 3.0]
    assert changed.indices.tolist() == [2, 1]
    assert tree.field_names(changed) == ("values", "indices")
    assert torch.sort(torch.zeros(1))[0].ndim == 1


def test_fields_that_are_the_same_tensor_keep_their_names() -> None:
    same = type(SORTED)((SORTED.values, SORTED.values))
    changed = tree.map(lambda leaf: leaf * 2, same)
    assert torch.equal(changed.indices, changed.values)


def test_a_named_tuple_has_field_names_and_a_plain_one_none() -> None:
    assert tree.field_names(Pair(1, 2)) == ("left", "right")
    assert tree.field_names((1, 2)) == tree.field_names(torch.Size([1])) == ()
    assert tree.field_names(namedtuple("Empty", [])()) == ()  # noqa: PYI024 (made at run time, as PyTorch makes some)


def test_a_size_becomes_a_plain_tuple() -> None:
    assert type(tree.map(lambda leaf: leaf, torch.Size([2, 3]))) is tuple


def test_tensors_are_found_among_other_leaves() -> None:
    one, two = torch.zeros(1), torch.ones(1)
    assert [id(found) for found in tree.tensors([one, {"a": (2.0, two)}, "text"])] == [id(one), id(two)]


def test_a_leaf_is_given_with_its_path() -> None:
    texts = tree.map_with_path(lambda path, leaf: f"{leaf}{tree.subscripts(path)}", ["x", ("y", {"k": "z"})])
    assert texts == ["x[0]", ("y[1][0]", {"k": "z[1][1]['k']"})]


def test_trees_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        tree.map(lambda one, other: (one, other), [1, 2], [1])
