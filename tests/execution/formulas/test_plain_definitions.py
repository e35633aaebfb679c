"""What textbooks' definitions leave out: said of a call only where there is another definition that has it."""

from __future__ import annotations

import pytest

from gradcli.execution.formulas.plain_definitions import cases_left_out
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.run import run_program
from gradcli.inputs.programs import read
from gradcli.settings import Settings

QKV: dict[str, tuple[int, ...]] = {"Q": (4, 3), "K": (4, 3), "V": (4, 3)}


@pytest.mark.parametrize(
    ("source", "shapes", "case"),
    [
        ("F.scaled_dot_product_attention(Q, K, V)", QKV, None),
        ("F.scaled_dot_product_attention(Q, K, V, is_causal=True)", QKV, None),
        ("F.scaled_dot_product_attention(Q, K, V, M)", {**QKV, "M": (4, 4)}, "has no key"),
        ("amax(X, 1)", {"X": (2, 3)}, "tie"),
        ("sin(X)", {"X": (2, 3)}, None),
    ],
)
def test_a_case_is_left_out_where_another_definition_has_it(
    source: str, shapes: dict[str, tuple[int, ...]], case: str | None
) -> None:
    settings = Settings(shapes=shapes)
    with double_precision():
        found = cases_left_out(run_program(read(source, settings), settings, {}))
    assert not found if case is None else case in found[0]
