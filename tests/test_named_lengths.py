"""`--shape X=nxm`: names of lengths, and the numbers that stand for them."""

from __future__ import annotations

import pytest

from gradcli.errors import InputError
from gradcli.inputs.lengths import numbered, without_names


def test_names_become_different_numbers() -> None:
    texts, sizes = without_names(["X=nxm", "w=m", "y=4", "z=scalar", "3x3"])
    assert sizes == {"n": 5, "m": 2}
    assert texts == ["X=5x2", "w=2", "y=4", "z=scalar", "3x3"]


def test_one_option_may_have_several_shapes() -> None:
    assert without_names(["X=nx3,t=n", "y=2"]) == (["X=4x3", "t=4", "y=2"], {"n": 4})


def test_shapes_of_python_too() -> None:
    assert numbered({"X": ("n", 3), "y": ("n",)}) == ({"X": (4, 3), "y": (4,)}, {"n": 4})


def test_there_are_not_more_names_than_numbers() -> None:
    with pytest.raises(InputError, match="9 lengths have names"):
        numbered({"X": tuple("abcdefghi")})
