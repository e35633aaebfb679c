"""Functions, lists, dictionaries and assignments of a program: what they come to is what Python and PyTorch make."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.errors import GradcliError, LimitError
from gradcli.report.report import Report
from gradcli.settings import Settings

# Programs that read x and w, and end with `out`.
PROGRAMS = {
    "a function": "def f(a, b=2, *, c=1):\n    '''Text.'''\n    d = a**b\n    return d*c\nout = f(x) + f(w, 3, c=2)",
    "an early return": "def f(a):\n    if a > 2:\n        return a*3\n    return a\nout = f(x)*f(w)",
    "names of its own": "def f(x):\n    w = x*2\n    return w\nout = f(w)*w*x",
    "names of the program": "def f(a):\n    return a*k\nk = 5\nout = f(x)*w",
    "a function in a function": "def power(n):\n    def f(a):\n        return a**n\n    return f\nout = power(3)(x)*w",
    "a function as an argument": "def twice(f, a):\n    return f(f(a))\nout = twice(lambda a: a*w, x)",
    "a function by its name": "act, other = torch.tanh, F.softplus\nout = act(x)*other(w)",
    "calls of itself": "def power(a, n):\n    if n == 0:\n        return torch.ones(())\n    return a*power(a, n - 1)\n"
    "out = power(x, 3)*w",
    "a name of PyTorch's": "def relu(a):\n    return a*10\nout = relu(x) + torch.relu(w) + F.relu(x)",
    "defaults of the definition": "k = 3\ndef f(a, n=k):\n    return a*n\nk = 7\nout = f(x)*w",
    "several values": "def f(a):\n    return a*2, a**2\np, q = f(x)\nout = p*q*w",
    "a list": "ys = [x*i for i in range(4) if i > 1]\nys.append(w)\nys[0] = ys[0]*w\nout = sum(ys) + ys[-1]",
    "a sum of products": "out = sum(a*b for a, b in zip([x, w], (2.0, 3.0))) + sum([x], w)",
    "numbered": "out = 0\nfor i, (a, b) in enumerate(zip([x, w], [w, x])):\n    out = out + (i + 1)*a*b*b",
    "rows": "t = torch.stack([x, w, x*w])\nout = 1\nfor row in t:\n    out = out*row\na, b, c = t\nout = out + a*b",
    "a loop that is left": "out = 0\nfor k in range(9):\n    if k == 1:\n        continue\n    "
    "if k > 3:\n        break\n"
    "    out = out + x**k\nwhile True:\n    out = out*2\n    if out > 50:\n        break\nfor a in [w, x]:\n"
    "    if out > 1:\n        break\n    out = 0\nout = out*a",
    "a dictionary": "d = {'x': x, 'w': w}\nd['y'] = d['x']*2\nout = 0\nfor key, value in d.items():\n"
    "    out = out + value**2 if key != 'w' else out + value\nout = out*(2 if 'x' in d else 1)",
    "starred": "def f(a, b, c):\n    return a*b + c\nargs = [x, w]\nout = f(*args, 1) + sum([*args, x])",
    "entries": "t = torch.zeros(2, 3)\nt[0, 1] = x\nt[1] = torch.stack([w, x, w])\nt[t > 100] = 0\nt[:, 2] *= 2\n"
    "out = (t*torch.arange(6.).reshape(2, 3)).sum()",
    "filled": "t = torch.empty(2)\nt.fill_(3.0)\nu = t\nu[0] = 1.0\nout = (t*x).sum()*w",
    "a number for a decision": "n = (x*w).item()\ny = x\nwhile y.item() < 20:\n    y = y*2\nout = y*w if n > 1 else y",
    "texts": "mode = 'sum'\nname = f'{x}'\nout = x*w if mode == 'sum' else x",
    "the main program": "def main():\n    return x*w\nif __name__ == '__main__':\n    out = main()",
    "NumPy's numbers": "import numpy as np\na = np.array([1, 2], dtype=np.float32)\n"
    "out = (torch.from_numpy(a)*x).sum()*np.sqrt(4)*w*np.pi",
    "an instance": "class Scale:\n    def __init__(self, k):\n        self.k = k\n    def __call__(self, a):\n"
    "        return a*self.k\ns = Scale(3)\nout = s(x)*w",
    "rows by attribute": "class A(nn.Module):\n    def forward(self, a):\n        return self.helper(a) + 1\n"
    "    def helper(self, a):\n        return a**2\nout = A()(x)*w",
}
ONES = "torch.ones(2, requires_grad=True)"
POINT = {"x": 1.5, "w": 2.5}


def report(program: str, **settings: Any) -> Report:
    return evaluate_program(program, Settings(formulas=False, **settings))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_computes_what_python_computes(name: str) -> None:
    leaves = {leaf: torch.tensor(value, dtype=torch.float64, requires_grad=True) for leaf, value in POINT.items()}
    space: dict[str, Any] = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "__name__": "__main__", **leaves}
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        exec(PROGRAMS[name], space)  # noqa: S102 (the programs are ours)
    finally:
        torch.set_default_dtype(before)
    space["out"].backward()
    found = report(f"{PROGRAMS[name]}\nout.sum()", values=POINT)
    assert found.verdict == "match"
    assert torch.allclose(found.output.value, space["out"].detach())
    for leaf, tensor in leaves.items():
        if tensor.grad is not None:
            assert torch.allclose(found[leaf].gradient, tensor.grad), leaf


@pytest.mark.parametrize(
    ("program", "leaves"),
    [
        ("def f(a, b=2):\n    return a**b*c", ["a", "c"]),
        ("f = lambda a: a*2", ["a"]),
        ("def f(x):\n    return k*x\nf(z)", ["k", "z"]),
        (
            "ys = [torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)]\n(ys[0]*ys[1]).sum()",
            ["ys[0]", "ys[1]"],
        ),
        (f"d = {{'a': {ONES}}}\nd['a'].sum()", ["d['a']"]),
        (f"a, b = {ONES}, {ONES}\n(a*b).sum()", ["a", "b"]),
        (f"F.relu({ONES}).sum()", [ONES]),
    ],
)
def test_leaves_are_called_by_their_places(program: str, leaves: list[str]) -> None:
    assert [tensor.name for tensor in report(program).tensors if tensor.kind == "leaf"] == leaves


@pytest.mark.parametrize(
    ("program", "message", "marked"),
    [
        ("def f(a):\n    return a*b[7]\nf(x)", "too many indices", "b[7]"),
        ("def f(a):\n    return a\nf(x, 2)", "takes a, and 2 are given", "f(x, 2)"),
        ("def f(a):\n    return a\nf(b=x)", "'b' is none of them", "f(b=x)"),
        ("def f(a, b):\n    return a\nf(x)", "'b' is missing", "f(x)"),
        ("def f(a):\n    return a\nf(x, a=x)", "'a' is given twice", "f(x, a=x)"),
        ("n = x.item()\nn*x", "requires grad", "x.item()"),
        ("y = x*2\ny(x)", "not a function", "y(x)"),
        ("for a in 3: y = a*x\ny", "cannot run over", "3"),
        ("ys = [x]\nys[3] = x\nx", "cannot be assigned to", "ys[3]"),
        ("d = {'a': x}\nd['b']", "no entry 'b'", "d['b']"),
        ("x if x in y else y", "not accepted of tensors", "x in y"),
        ("z = torch.zeros(4)\nv = z.view(2, 2)\nz[0] = x\nz.sum()", "'v' is the same memory", "z[0] = x"),
        ("x[0] = 1.\nx", "a leaf Variable", "x[0] = 1."),
        ("isinstance(x, y)", "knows no other classes", "isinstance(x, y)"),
        (
            "class A:\n    def forward(self, a):\n        return self.k*a\nm = A()\nm.k2 = x\nx",
            "a new attribute",
            "m.k2",
        ),
    ],
)
def test_what_is_refused_is_pointed_at(program: str, message: str, marked: str) -> None:
    with pytest.raises(GradcliError) as caught:
        report(program)
    error = caught.value
    assert message in error.message
    assert error.span is not None
    assert error.source is not None
    assert error.source[error.span.start : error.span.end] == marked


@pytest.mark.parametrize(
    "program",
    [
        "def f(a):\n    return f(a)\nf(x)",
        "def f(n):\n    if n == 0:\n        return 1\n    return f(n - 1) + f(n - 1)\nx*f(12)",
        "y = [1 for i in range(10**9)]\nx",
        "for i in range(10**9): y = x\ny",
        "y = list(range(10**12))\nx",
    ],
)
def test_functions_and_lists_have_limits(program: str) -> None:
    with pytest.raises(LimitError) as caught:
        report(program)
    assert caught.value.hint


def test_a_view_of_what_is_changed_in_place_keeps_its_gradient() -> None:
    found = report("y = x*2; s = y[0]*3; y += 1; y.sum() + s", values={"x": [1.0, 1.0, 1.0]})
    assert found.verdict == "match"
    assert found["x"].gradient.tolist() == [8.0, 2.0, 2.0]
    assert found["y[0]"].gradient.item() == 3.0


TRANSFORMS = {
    "jacobian": "J = torch.autograd.functional.jacobian(lambda x: x**2, x)",
    "hessian": "from torch.autograd.functional import hessian\ndef f(x):\n    return (x**3).sum()\nhessian(f, x)",
    "check": "torch.autograd.gradcheck(lambda x: (x**2).sum(), (x,))",
}


@pytest.mark.parametrize("command", TRANSFORMS)
def test_what_differentiates_a_function_is_shown_by_its_command(command: Any) -> None:
    values = {"x": [1.0, 3.0]}
    assert report(TRANSFORMS[command], command=command, values=values).verdict == "match"
    found = report(TRANSFORMS[command], values=values)
    assert found["x"].gradient.tolist() == ([3.0, 27.0] if command == "hessian" else [2.0, 6.0])
    assert f"`gradcli {command}`" in (found.notes or ("",))[0]


@pytest.mark.parametrize(
    ("program", "gradient"),
    [
        ("from torch.func import grad\nf = lambda a: (a**3).sum()\nprint(grad(f)(x))", [3.0, 27.0]),
        ("g, value = torch.func.grad_and_value(lambda a, b: (a*b).sum(), argnums=1)(torch.ones(2)*2, x)", [2.0, 2.0]),
        ("torch.autograd.functional.vjp(lambda a: a**2, x, torch.tensor([1., 10.]))", [2.0, 60.0]),
    ],
)
def test_a_gradient_of_a_function_is_that_of_its_call(program: str, gradient: list[float]) -> None:
    assert report(program, values={"x": [1.0, 3.0]})["x"].gradient.tolist() == gradient


def test_a_printed_call_may_differentiate() -> None:
    step = "def step(k):\n    loss = (x*k)**2\n    loss.backward()\n    return loss.item()\nprint('loss:', step(3))"
    assert report(step, values={"x": 2.0})["x"].gradient == 36.0


def test_other_commands_send_to_the_one_that_shows_it() -> None:
    with pytest.raises(GradcliError) as caught:
        report(TRANSFORMS["jacobian"], command="trace")
    assert caught.value.hint == "`gradcli jacobian` with the same program"
