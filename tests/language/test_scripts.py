"""A text that is more than a program: the hint names the command that takes it as it stands."""

from __future__ import annotations

import pytest

from gradcli.engine import evaluate_program
from gradcli.errors import ProgramError
from gradcli.language.scripts import as_a_file
from gradcli.settings import Settings

SCRIPT = "`gradcli run FILE.py` runs it as it stands"
BACKWARD = "x = torch.tensor(2., requires_grad=True)\nf(x).backward()"
MODULE = "class Net(nn.Module):\n    def forward(self, x):\n        return x"
FUNCTION = "class Square(torch.autograd.Function):\n    pass"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (f"def f(x):\n    return x**2 if x and x else x\n{BACKWARD}", SCRIPT),
        (f"f = lambda *x: x**2\n{BACKWARD}", SCRIPT),
        (f"{MODULE}\nloss = nn.LSTM(3, 2)(x).sum()\nloss.backward()", SCRIPT),
        (">>> lstm = nn.LSTM(3, 2)\n>>> lstm(x)[0].sum().backward()", SCRIPT),
        (f"def helper(x):\n    return x\n\n{MODULE}", "`gradcli check FILE.py:Net` checks it"),
        (f"{MODULE}\n\n{FUNCTION}", "`gradcli custom FILE.py:Square` checks it"),
        ("def loss(*w): return w**2", "`gradcli check FILE.py:loss` checks it"),
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
        ("J = torch.autograd.functional.jacobian(lambda *x: x**2, x)", 'jacobian "x ** 2"'),
        ("def f(*x):\n    return (x**3).sum()\nhessian(f, x)", 'hessian "(x ** 3).sum()"'),
    ],
)
def test_what_differentiates_a_refused_function_has_a_command(text: str, command: str) -> None:
    with pytest.raises(ProgramError) as caught:
        evaluate_program(text, Settings())
    assert caught.value.hint == f"write `gradcli {command}`"
