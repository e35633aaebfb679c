from __future__ import annotations

from pathlib import Path

import pytest

from gradcli.errors import GradcliError, SeveralFunctionsError
from gradcli.execution.targets.loading import load
from gradcli.render.errors import format_error

SQUARE = """
import torch
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g
"""


def test_a_function_is_loaded_and_may_import_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text(SQUARE)
    (tmp_path / "ops.py").write_text("from beside_it import Square\nclass Holder:\n    Inner = Square\n")
    assert load(f"{tmp_path}/ops.py:Holder.Inner").__name__ == "Square"


@pytest.mark.parametrize(
    "target", ["ops.py", "ops.py:", "ops.py::Square", "ops.py:Holder.Square", "ops.py::Holder::Square"]
)
def test_a_function_is_named_in_any_usual_way(tmp_path: Path, target: str) -> None:
    (tmp_path / "ops.py").write_text(SQUARE + "class Holder:\n    Square = Square\n")
    assert load(f"{tmp_path}/{target}").__name__ == "Square"


def test_a_base_without_a_forward_is_not_one_of_several(tmp_path: Path) -> None:
    base = "import torch\nclass Base(torch.autograd.Function):\n    pass\n"
    (tmp_path / "ops.py").write_text(base + SQUARE.replace("torch.autograd.Function", "Base"))
    assert load(f"{tmp_path}/ops.py").__name__ == "Square"


def test_several_functions_are_told_with_their_arguments(tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text(SQUARE + SQUARE.replace("Square", "Other").replace("x)", "x, y)"))
    with pytest.raises(SeveralFunctionsError) as caught:
        load(f"{tmp_path}/ops.py")
    assert list(caught.value.functions.values()) == [["ctx", "x"], ["ctx", "x", "y"]]


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        ("raise SystemExit(0)\n", "ops.py:Square", "SystemExit: 0 (ops.py:1)"),
        ("class Square(:\n", "ops.py:Square", "ops.py:1: invalid syntax"),
        ("x = 1\n1/0\n", "ops.py:Square", "ZeroDivisionError: division by zero (ops.py:2)\n  1/0\n  ^^^"),
        (SQUARE, "ops.py:Sqare", "did you mean 'Square'?"),
        ("x = 1\n", "ops.py", "defines no torch.autograd.Function"),
        (SQUARE + SQUARE.replace("Square", "Other"), "ops.py", "name one: "),
        (SQUARE + "Other = int\n", "ops.py:Other", "not a torch.autograd.Function: it derives from object"),
        (SQUARE + "Other = 3\n", "ops.py:Other", "'Other' is not a class: it is of type int"),
        (SQUARE.replace("def backward", "def backwards"), "ops.py:Square", "has no backward"),
        (SQUARE, "op.py:Square", "ops.py'?"),
        (SQUARE, "nothing/ops.py:Square", "there is no folder"),
        (SQUARE, "torch.no_module_of_this_name:Square", "there is no module 'torch.no_module_of_this_name'"),
        (SQUARE, "no_module_of_this_name.inner:Square", "there is no module 'no_module_of_this_name'"),
        (SQUARE, "no_module_of_this_name:Square", "there is no module 'no_module_of_this_name'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_its_terms(tmp_path: Path, text: str, target: str, words: str) -> None:
    (tmp_path / "ops.py").write_text(text)
    with pytest.raises(GradcliError) as caught:
        load(f"{tmp_path}/{target}" if ".py" in target else target)
    assert words in format_error(caught.value)
