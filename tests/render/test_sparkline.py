import math

import pytest

from gradcli.render.sparkline import LONGEST, sparkline


@pytest.mark.parametrize(
    ("numbers", "blocks"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([9, 0], "█▁"),
        ([1, math.nan, 2, math.inf], "▁ █ "),
        ([5, 5], "▁▁"),
        ([-1.7e308, 1.7e308], "▁█"),
        ([], ""),
    ],
)
def test_blocks_follow_the_numbers(numbers: list[float], blocks: str) -> None:
    assert sparkline(numbers) == blocks


def test_a_long_row_is_thinned_from_its_first_to_its_last() -> None:
    drawn = sparkline([*range(500)])
    assert len(drawn) == LONGEST
    assert (drawn[0], drawn[-1]) == ("▁", "█")
