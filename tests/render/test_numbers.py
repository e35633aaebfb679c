from dataclasses import dataclass

import pytest
import torch

from gradcli.render.numbers import WIDEST_ROW, matrix_lines, short, tensor_lines


@dataclass
class FakeTensor:
    numbers: list[object]
    shape: tuple[int, ...]

    def tolist(self) -> list[object]:
        return self.numbers


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (20.0, "20"),
        (1.5, "1.5"),
        (1e-9, "1e-09"),
        (1 / 3, "0.333333"),
        (0.99999999, "1.00000"),
        (-0.0, "-0"),
        (123456789.0, "123456789"),
        (1e300, "1e+300"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (True, "True"),
        (7, "7"),
        (1.5 - 2j, "1.5-2j"),
    ],
)
def test_numbers_are_short_and_honest(number: complex, text: str) -> None:
    assert short(number) == text


def test_a_matrix_alone_may_be_wider() -> None:
    derivative = torch.tensor([[-1.234e-05] * 7] * 7, dtype=torch.float64)
    assert len(matrix_lines(derivative, 7)) == 14
    assert len(matrix_lines(derivative, 7, 73)) == 7


def test_rows_of_a_matrix_are_aligned() -> None:
    assert tensor_lines(torch.tensor([[1.0, -2.5], [10.0, 0.0]])) == ("[ 1   -2.5]", "[10    0  ]")


def test_decimal_points_stand_below_each_other_unless_sizes_are_far_apart() -> None:
    near = tensor_lines(torch.tensor([[0.5, 100.25], [12.125, -3.0]], dtype=torch.float64))
    assert near == ("[  0.5   100.25 ]", "[ 12.125  -3    ]")
    far = tensor_lines(torch.tensor([[123.5, 1.25e-7], [1.0, 0.5]], dtype=torch.float64))
    assert far == ("[   123.5 1.25e-07]", "[       1      0.5]")


def test_a_row_fits_beside_its_name_with_fewer_digits() -> None:
    row = torch.tensor([[-0.123456789e-5, 0.123456, -123.456, 0.000123456, 1.23456, 12345.6, 0.1, 7.77777]]).double()
    lines = tensor_lines(row)
    assert [line[0] for line in lines] == ["[", " "]
    assert max(map(len, lines)) <= WIDEST_ROW + 1
    assert "-1.23e-06" in lines[0]
    assert "0.123456" in tensor_lines(row[:, 1:3])[0]
    assert len(tensor_lines(row[:, :4])) == 1


def test_matrices_of_a_batch_stand_apart() -> None:
    assert tensor_lines(torch.ones(2, 1, 2)) == ("[1 1]", "", "[1 1]")


def test_a_large_tensor_is_summarised() -> None:
    tensor = torch.arange(30.0).reshape(5, 6)
    tensor[0, 0], tensor[0, 1], tensor[0, 2] = float("nan"), float("inf"), float("inf")
    assert tensor_lines(tensor) == ("3 to 29", "norm 92.4662", "1 nan", "2 inf")


def test_a_large_tensor_without_a_finite_entry_is_summarised() -> None:
    assert tensor_lines(torch.full((30,), float("nan"))) == ("30 nan",)


def test_a_large_complex_tensor_is_summarised_by_its_absolute_values() -> None:
    assert tensor_lines(torch.full((30,), 3 + 4j))[0] == "5 (absolute)"


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.bfloat16])
def test_every_kind_of_number_is_summarised(kind: torch.dtype) -> None:
    assert tensor_lines(torch.ones(30, dtype=kind))[0] == "1"


def test_a_tensor_of_another_library_needs_only_tolist_and_shape() -> None:
    assert tensor_lines(FakeTensor([1.0, 2.0], (2,))) == ("[1 2]",)
    assert tensor_lines(FakeTensor([float(n) for n in range(20)], (20,))) == ("0 to 19", "norm 49.6991")


def test_an_empty_tensor_says_so() -> None:
    assert tensor_lines(torch.ones(0, 3)) == ("no element (0x3)",)
