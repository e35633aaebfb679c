"""A text that is more than a program: the hint names the command that takes it as it stands."""

from __future__ import annotations

import pytest

from gradcli.engine import evaluate_program
from gradcli.errors import ExecutionError, ProgramError
from gradcli.language.scripts import as_a_file
from gradcli.settings import Settings

SCRIPT = "`gradcli run FILE.py` runs it as it stands"
BACKWARD = "x = torch.tensor(2., requires_grad=True)\nf(x).backward()"
MODULE = "class Net(nn.Module):\n    def forward(self, x):\n        return x"
FUNCTION = "class Square(torch.autograd.Function):\n    pass"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (f"def f(x):\n    return x**len({{x}})\n{BACKWARD}", SCRIPT),
        (f"f = lambda x: x**len({{x}})\n{BACKWARD}", SCRIPT),
        (f"{MODULE}\nloss = nn.MaxUnpool2d()(x).sum()\nloss.backward()", SCRIPT),
        (">>> ctc = nn.MaxUnpool2d()\n>>> ctc(x)[0].sum().backward()", SCRIPT),
        (f"def helper(x):\n    return x\n\n{MODULE}", "`gradcli check FILE.py:Net` checks it"),
        (f"{MODULE}\n\n{FUNCTION}", "`gradcli custom FILE.py:Square` checks it"),
        ("def loss(w): return w**len({w})", "`gradcli check FILE.py:loss` checks it"),
    ],
)
def test_a_refused_script_is_to_be_saved_and_run(text: str, command: str) -> None:
    with pytest.raises(ProgramError) as caught:
        evaluate_program(text, Settings())
    assert "save it as FILE.py" in (caught.value.hint or "")
    assert command in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["sinn(x)", "x + * y\nloss.backward()", "y = sinn(x); y.sum()"])
def test_what_is_no_script_has_no_such_hint(text: str) -> None:
    with pytest.raises(ProgramError) as caught:
        evaluate_program(text, Settings())
    assert "FILE.py" not in (caught.value.hint or "")


def test_what_python_cannot_read_is_no_script() -> None:
    assert as_a_file("(" * 5000) is None
    assert as_a_file("x*y") is None


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("s = {1}\nJ = torch.autograd.functional.jacobian(lambda x: x**2, x)", 'jacobian "x ** 2"'),
        ("s = {1}\ndef f(x):\n    return (x**3).sum()\nhessian(f, x)", 'hessian "(x ** 3).sum()"'),
    ],
)
def test_what_differentiates_a_refused_function_has_a_command(text: str, command: str) -> None:
    with pytest.raises(ProgramError) as caught:
        evaluate_program(text, Settings())
    assert caught.value.hint == f"write `gradcli {command}`"


def test_a_suggested_command_has_a_program_that_is_read() -> None:
    with pytest.raises(ProgramError) as caught:
        evaluate_program("s = {1}\ndef f(x):\n    return {x}\nhessian(f, x)", Settings())
    assert "write `" not in (caught.value.hint or "")
    assert "`gradcli check FILE.py:f`" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("import torch\nfrom torch import nn\n", ""),
        ("import torch\n", " below `from torch import nn`"),
        ("", " below `import torch; from torch import nn`"),
        ("import torch\nimport torch.nn as nn\n", ""),
    ],
)
def test_the_imports_that_a_script_lacks_are_named(text: str, missing: str) -> None:
    script = f"{text}x = torch.ones(2, requires_grad=True)\nnn.Threed()(x).backward()"
    assert (as_a_file(script) or "").startswith(f"save it as FILE.py{missing}, and")


def test_what_cannot_be_run_here_is_to_be_run_as_a_script() -> None:
    text = "d = torch.distributions.Gamma(a, b)\nd.rsample().backward()"
    with pytest.raises(ExecutionError) as caught:
        evaluate_program(text, Settings())
    assert "`gradcli run FILE.py`" in (caught.value.hint or "")
