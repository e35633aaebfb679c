"""The table of witnesses is the one place that names them."""

from __future__ import annotations

from typing import get_args

import pytest

from gradcli.execution.witnesses.question import witnesses
from gradcli.settings import Settings
from gradcli.witnesses import WITNESSES, WitnessName


def test_every_name_is_that_of_a_row() -> None:
    assert get_args(WitnessName) == Settings().witnesses == ("symbolic", *WITNESSES)
    assert all(name == row.name for name, row in WITNESSES.items())


@pytest.mark.parametrize("name", WITNESSES)
def test_a_row_names_its_class(name: str) -> None:
    (witness,) = witnesses(("symbolic", name)).values()
    assert witness.row is WITNESSES[name]
