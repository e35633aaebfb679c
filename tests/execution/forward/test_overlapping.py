"""Which elements a write in place shares with what it reads."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.execution.forward.aliasing import assigned
from gradcli.execution.forward.overlapping import reads_what_it_assigns, reads_what_it_writes, writes_twice

Y = torch.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    ("name", "target", "operand"),
    [
        ("add", Y[:, 1:], Y[:, :-1]),
        ("add", Y, Y[0]),
        ("mul", Y[:, :3], Y[:, :3].T),
        ("div", Y[:, 1:], Y[0, 1]),
        ("addmm", Y[:, :3], Y[:, :3]),
        ("index_add", Y[:, 1:], Y[:, :-1]),
        ("mul", torch.view_as_complex(Y.reshape(-1, 2)), Y.reshape(-1)[1:7]),
    ],
)
def test_what_is_read_after_it_was_written_is_seen(name: str, target: Tensor, operand: Tensor) -> None:
    assert reads_what_it_writes(name, target, [operand])


@pytest.mark.parametrize(
    ("name", "target", "operand"),
    [
        ("add", Y, Y),
        ("add", Y[:, 1:], Y[:, 1:]),
        ("add", Y[0], Y[1]),
        ("add", Y[:, ::2], Y[:, 1::2]),
        ("mul", Y.T[0], Y.T[1]),
        ("add", Y[1:], Y.clone()[:-1]),
        ("addmm", Y[:2, :2], Y[:2, 2:]),
        ("masked_fill", Y[:, 1:], Y[0, 1]),
        ("mul", torch.view_as_complex(Y.reshape(-1, 2)), torch.view_as_complex(Y.reshape(-1, 2)).real),
    ],
)
def test_what_is_beside_or_at_the_same_entry_is_not(name: str, target: Tensor, operand: Tensor) -> None:
    assert not reads_what_it_writes(name, target, [operand])


def test_a_tensor_that_has_an_element_twice_is_seen() -> None:
    line = torch.arange(5.0)
    assert writes_twice(line.unfold(0, 2, 1))
    assert writes_twice(torch.ones(1).expand(3))
    assert not writes_twice(line.unfold(0, 2, 2))
    assert not writes_twice(line.as_strided((2, 2), (3, 1)))
    assert not writes_twice(line.as_strided((2, 2), (1, 1))[:, :1])


def test_an_assignment_of_what_an_element_holds_already_overwrites_nothing() -> None:
    def clashes(target: Tensor, index: object, value: Tensor) -> bool:
        return reads_what_it_assigns(target, assigned(target, index, tuple(value.shape)), value)

    assert clashes(Y[:, 1:], ..., Y[:, :-1])
    assert clashes(Y, (slice(None), torch.tensor([0, 1])), Y[:, 1:3])
    assert clashes(torch.arange(5.0).unfold(0, 2, 1), ..., torch.ones(4, 2))
    assert not clashes(Y[:, 1:], ..., Y[:, 1:])
    assert not clashes(Y[:, 1:], ..., Y[0, 1])
    assert not clashes(Y[0], ..., Y[1])
    assert not clashes(torch.arange(5.0).unfold(0, 2, 1), ..., torch.ones(1))


PROGRAM = "x = 1.0*w\ny = x.clone()\n{}\n(y*y).sum()"


@pytest.mark.parametrize(
    "statement",
    ["y[:, 1:] += y[:, :-1]", "y[:, 1:] = y[:, :-1]", "y += y.T", "y.add_(y.T)", "y.addmm_(y, w)", "y -= y[0]"],
)
def test_a_program_that_reads_what_it_writes_is_refused(statement: str) -> None:
    with pytest.raises(gradcli.GradcliError, match="reads and writes the same memory") as raised:
        gradcli.evaluate(PROGRAM.format(statement), {"w": torch.ones(3, 3)})
    assert ".clone()" in str(raised.value.hint)


@pytest.mark.parametrize(
    "statement",
    [
        "y[:, 1:] += y[:, :-1].clone()",
        "y[:, 1:] = y[:, 1:] + y[:, :-1]",
        "y[0] += y[1]",
        "y += y",
        "y.mul_(y)",
        "y @= y",
        "y[:, ::2] += y[:, 1:2]",
        "y[[0, 1]] += y[1:]",
    ],
)
def test_a_program_that_reads_beside_what_it_writes_runs_as_in_pytorch(statement: str) -> None:
    w = torch.arange(1.0, 10.0, dtype=torch.float64).reshape(3, 3).requires_grad_()
    names: dict[str, Tensor] = {"w": w}
    exec(PROGRAM.format(statement).replace("(y*y).sum()", "z = (y*y).sum()"), names)  # noqa: S102 (PyTorch itself runs the program)
    report = gradcli.evaluate(PROGRAM.format(statement), {"w": w.detach()})
    assert report.verdict == "match"
    assert report.output is not None
    assert float(report.output.value) == float(names["z"].detach())


def test_a_view_that_is_assigned_to_its_own_tensor_has_the_gradient_of_what_reads_it() -> None:
    w = torch.arange(1.0, 7.0, dtype=torch.float64).reshape(2, 3)
    report = gradcli.check("y = w*1; y[:, 1:] = y[0, 0]; (y*c).sum()", {"w": w, "c": w}, constants=("c",))
    assert report.verdict == "match"
    torch.testing.assert_close(report["y[0, 0]"].gradient, w[:, 1:].sum())  # without what y[:, 0] contributes to y
    torch.testing.assert_close(report["w"].gradient, torch.tensor([[w.sum() - 4, 0, 0], [4, 0, 0]]).double())
