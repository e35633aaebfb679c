"""Whatever PyTorch or sympy raises is a report or an error of ours: every op, through every command, at odd points."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest
import torch

import gradcli
from gradcli.commands import Command
from gradcli.engine import evaluate_program
from gradcli.errors import ExitCode, LimitError, boundary, out_of_memory
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.limits import Limits
from gradcli.ops.programs import parse_program
from gradcli.ops.table import OPS, find
from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.settings import Settings

# PyTorch warns of what is deprecated in it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

EXAMPLES = [example for op in OPS for example in op.examples]
COMMANDS: tuple[Command, ...] = (
    "grad",
    "double-backward",
    "trace",
    "graph",
    "jacobian",
    "hessian",
    "jvp",
    "accumulate",
)
# What becomes of an example's values: as they are, at a kink or a pole, large, equal, infinite.
POINTS = {
    "inside": lambda value: value,
    "zero": torch.zeros_like,
    "large": lambda value: value * 1e200,
    "equal": torch.ones_like,
    "negative": lambda value: -value.abs(),
    "nan": lambda value: value * torch.inf,
}
SAMPLE = 80


def chosen(command: str) -> list[str]:
    """Return some of the examples: other ones for each command, and the same in every run."""
    return random.Random(zlib.crc32(command.encode())).sample(EXAMPLES, SAMPLE)  # noqa: S311 (nothing is secret)


def settings(command: Command) -> Settings:
    takes_scalar = command == "hessian"
    vector = None if takes_scalar or command == "jacobian" else "ones"
    reduce = "sum" if takes_scalar else "none"
    return Settings(command=command, grad_output=vector, reduce=reduce, formulas=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_but_a_report_or_an_error_of_ours(command: Command) -> None:
    for place, text in enumerate(chosen(command)):
        program, shapes = parse_example(text)
        change = [*POINTS.values()][place % len(POINTS)]
        leaves = {k: change(leaf) for k, leaf in leaves_for(parse_program(program, Limits()), shapes, find).items()}
        try:
            report = evaluate_program(program, settings(command), leaves)
        except gradcli.GradcliError as error:
            assert error.exit_code is not ExitCode.INTERNAL, (program, error.message)  # noqa: PT017
        else:
            assert FORMATS["plain"].render(report, Style())


@pytest.mark.parametrize(
    "program",
    [
        "x if None < 1 else x",
        "x if 1j < 2 else x",
        "x*x.shape[::0][0]",
        "for i in range(0, 5, 0):\n    x\nx",
        "x*F.softsign(2)",
    ],
)
def test_what_python_refuses_is_an_error_that_points_at_it(program: str) -> None:
    with pytest.raises(gradcli.GradcliError) as caught:
        evaluate_program(program, Settings(shapes={None: (2,)}))
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.span is not None


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        (None, None),
        (b"x", None),
        ("x", [1]),
        ("x", {"x": torch.eye(2).to_sparse()}),
        ("x", {"x": torch.ones(2, device="meta")}),
    ],
)
def test_what_python_gives_wrong_is_an_error_of_the_user_s(program: Any, inputs: Any) -> None:
    with pytest.raises(gradcli.GradcliError) as caught:
        gradcli.evaluate(program, inputs)
    assert caught.value.exit_code is ExitCode.USAGE


def test_an_upstream_gradient_without_numbers_is_refused() -> None:
    with pytest.raises(gradcli.GradcliError, match="dense"):
        gradcli.evaluate("x", {"x": [1.0, 2.0]}, grad_output=torch.ones(2, device="meta"))


def raising(error: Exception) -> None:
    with boundary():
        raise error


def test_what_is_raised_inside_leaves_as_an_error_of_ours() -> None:
    with pytest.raises(gradcli.GradcliError, match="internal error: KeyError: 'x'") as caught:
        raising(KeyError("x"))
    assert caught.value.exit_code is ExitCode.INTERNAL
    assert isinstance(caught.value.__cause__, KeyError)


def test_memory_that_there_is_not_is_a_limit() -> None:
    said = "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 34359738368 bytes. Error"
    with pytest.raises(LimitError, match="not enough memory: 32 GiB are asked for"):
        raising(RuntimeError(said))
    with pytest.raises(LimitError, match=r"not enough memory\n"):
        raising(MemoryError())
    assert out_of_memory(RuntimeError("size mismatch, got 4096 bytes")) is None


def test_memory_that_pytorch_does_not_get_is_an_error_of_ours() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**56)
    assert out_of_memory(caught.value) is not None
