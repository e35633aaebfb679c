"""What the help says is true: it fits a terminal, and every example in it runs."""

import shlex
from pathlib import Path

import pytest
import typer
import warm_start

import gradcli
from gradcli.cli.group import application

OPS = Path(__file__).parents[2] / "docs" / "custom" / "ops.py"
LOSS = "\n\ndef loss(x):\n    return (x.exp() + 1).log().sum()\n"
POWER = """

class Power(Function):
    @staticmethod
    def forward(ctx, x, n: int):
        ctx.save_for_backward(x)
        ctx.n = n
        return x**n

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * ctx.n * x ** (ctx.n - 1), None
"""
TRAIN = """
import torch
w = torch.ones(2, requires_grad=True)
for _ in range(50):
    (w * w).sum().backward()
"""
WRITTEN = ("report.xml", "graph.svg", "report.html", "field.png", "activations.svg")
COMMANDS = list(typer.main.get_command(application()).commands)  # type: ignore[attr-defined]


def help_of(arguments: list[str], columns: str) -> str:
    return warm_start.run(*arguments, "--help", env={"COLUMNS": columns, "PYTHONIOENCODING": "utf-8"}).stdout


def examples() -> list[str]:
    texts = [help_of(arguments, "200") for arguments in [[], *[[name] for name in COMMANDS]]]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return list(dict.fromkeys(line for line in lines if line.startswith("gradcli ")))


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_of_what_a_command_says_of_itself_is_broken_twice(name: str) -> None:
    lines = (app_command(name).help or "").partition("Examples:")[0].splitlines()
    assert max(map(len, lines[1:])) <= 80 - 2  # the margins; the first is a paragraph of its own
    assert not any("[" in line for line in lines)  # it would be taken for markup


def app_command(name: str) -> typer.core.TyperCommand:
    return typer.main.get_command(application()).commands[name]  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_fit_a_terminal(name: str) -> None:
    text = help_of([name], "80")
    assert f"\n   gradcli {name}" in text
    for line in text.splitlines():
        assert len(line) <= 80
        if line.strip().startswith("gradcli"):
            assert line.strip() in examples_of(name)


def examples_of(name: str) -> list[str]:
    return [line.strip() for line in help_of([name], "200").splitlines() if line.strip().startswith("gradcli")]


MODEL = "def loss(X, w, y):\n    return ((X @ w - y)**2).mean()\n"


@pytest.mark.parametrize("example", examples())
def test_every_example_runs(example: str, tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text(OPS.read_text(encoding="utf-8") + POWER + LOSS, encoding="utf-8")
    right, *_ = OPS.read_text(encoding="utf-8").partition("class Softmax")
    again = "".join(right.partition("class")[1:]).replace("SquareSum", "Again")
    (tmp_path / "all.py").write_text(right + again, encoding="utf-8")
    (tmp_path / "suite.toml").write_text('[[check]]\nprogram = "w*w"\n', encoding="utf-8")
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8")
    done = warm_start.run(*shlex.split(example)[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout or any((tmp_path / written).exists() for written in WRITTEN)


def test_the_help_says_where_formulas_are_latex() -> None:
    assert "symbolic.latex" in " ".join(help_of(["eval"], "200").split())
    assert gradcli.evaluate("x**3", {"x": 3.0}).to_dict()["tensors"][0]["symbolic"]["latex"] == "3 x^{2}"
