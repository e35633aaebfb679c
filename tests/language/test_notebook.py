"""What a notebook holds around a program, as the parser reads it."""

from __future__ import annotations

import pytest

from gradcli.errors import ProgramError
from gradcli.execution.forward import draws
from gradcli.execution.forward import notebook as running
from gradcli.execution.forward.python_sequences import LISTS
from gradcli.language import notebook
from gradcli.language.leaves import expressions
from gradcli.language.order import postorder
from gradcli.language.parser import parse
from gradcli.language.pasted import without_surroundings
from gradcli.language.program import (
    Assign,
    Call,
    Differentiate,
    Evaluate,
    Gradient,
    GradMode,
    InPlace,
    Leaf,
    Program,
    SetAttribute,
)


def functions(program: Program) -> list[str]:
    return [
        node.function
        for expression in expressions(program.statements)
        for node in postorder(expression)
        if isinstance(node, Call)
    ]


@pytest.mark.parametrize(
    ("pasted", "program"),
    [
        (">>> x = 1\n>>> x + y", "x = 1\nx + y"),
        (">>> for i in range(2):\n...     x = x*y\n...\n>>> x\ntensor(3.)", "for i in range(2):\n    x = x*y\n\nx"),
        ("In [1]: y = x*2\n\nIn [12]: y\nOut[12]: tensor([2.])", "y = x*2\ny"),
        ("y = x\ntensor([[1., 2.],\n        [3., 4.]], grad_fn=<MulBackward0>)\ny*2", "y = x\ny*2"),
        ("tensor([1., 2.]) @ x", "tensor([1., 2.]) @ x"),
        ("tensor([1., 2.])", "tensor([1., 2.])"),
        ("%matplotlib inline\n!pip install torch\nx*y", "x*y"),
        ("a = X[\n...,\n0]\na", "a = X[\n...,\n0]\na"),
    ],
)
def test_prompts_and_printed_output_are_left_out(pasted: str, program: str) -> None:
    assert without_surroundings(pasted) == program


@pytest.mark.parametrize(
    "line",
    [
        "import torch",
        "import torch.nn as nn, math",
        "from torch.autograd import Variable",
        "from torch import *",
        "print(x.grad, sep='\\n')",
        "print(f'{x.grad:.3f}', end='')",
        '"""A docstring\nof two lines, with a \\\\ in it."""',
        "x.grad",
        "y.grad_fn.next_functions[0][0]",
        "x.grad.zero_()",
        "x.grad = None",
        "assert x.grad is None, 'none'",
        "optimizer = torch.optim.SGD([x], lr=0.1)",
        "optimizer.zero_grad()",
        "plt.plot(a, b, label='loss')",
        "make_dot(y, params={'x': x})",
        "torch.backends.cudnn.deterministic = True",
        "np.random.seed(0)",
        "pass",
        "del a",
        "losses.append(y.item())",
        "x.register_hook(print)",
    ],
)
def test_what_computes_nothing_is_passed_over(line: str) -> None:
    program = parse(f"y = x*2\n{line}\ny*y")
    assert [type(statement) for statement in program.statements] == [Assign, Evaluate]
    assert [leaf.name for leaf in program.leaves] == ["x"]
    assert not program.notes


@pytest.mark.parametrize(
    "made",
    [
        "torch.ones(2, requires_grad=True)",
        "torch.tensor([1., 2.], dtype=torch.float64, device='cpu', requires_grad=True)",
        "Variable(torch.Tensor([2]), requires_grad=True)",
        "torch.autograd.Variable(torch.zeros(2), True)",
        "nn.Parameter(torch.randn(2))",
        "torch.nn.Parameter(torch.randn(2), requires_grad=True)",
        "torch.randn(2).requires_grad_()",
        "w.clone().detach().requires_grad_(True)",
    ],
)
def test_a_tensor_with_requires_grad_is_a_leaf(made: str) -> None:
    program = parse(f"x = {made}\n(x*w).sum()")
    assert isinstance(program.statements[0], Assign)
    assert isinstance(program.statements[0].value, Leaf)
    assert [leaf.name for leaf in program.made] == ["x"]
    assert [leaf.name for leaf in program.leaves] == ["w"]


@pytest.mark.parametrize("line", ["x.requires_grad_()", "x.requires_grad_(True)", "x.requires_grad = True"])
def test_a_constant_becomes_a_leaf(line: str) -> None:
    assert [leaf.name for leaf in parse(f"x = torch.ones(2); {line}; x.sum()").made] == ["x"]


@pytest.mark.parametrize(
    "made",
    ["torch.ones(2)", "torch.ones(2, requires_grad=False)", "Variable(torch.ones(2))", "nn.Parameter(a, False)"],
)
def test_without_requires_grad_it_is_a_constant(made: str) -> None:
    assert not parse(f"x = {made}; x*w").made


@pytest.mark.parametrize("line", ["x.requires_grad = False", "x.requires_grad_(False)"])
def test_a_leaf_becomes_a_constant(line: str) -> None:
    statement = parse(f"{line}; x*w").statements[0]
    assert isinstance(statement, SetAttribute)
    assert (statement.owner.name, statement.name) == ("x", "requires_grad")


def test_a_nested_leaf_is_called_by_its_text() -> None:
    program = parse("F.relu(torch.randn(3, requires_grad=True)).sum()")
    assert [leaf.name for leaf in program.made] == ["torch.randn(3, requires_grad=True)"]


@pytest.mark.parametrize(
    ("line", "upstream", "wrt"),
    [
        ("z.backward()", False, False),
        ("z.backward(torch.ones(2))", True, False),
        ("z.backward(gradient=v, retain_graph=True, create_graph=False)", True, False),
        ("torch.autograd.backward(z, v)", True, False),
        ("torch.autograd.backward([z], grad_tensors=[v])", True, False),
        ("torch.autograd.grad(z, w)", False, True),
        ("g, = torch.autograd.grad(outputs=z, inputs=[w], grad_outputs=v)", True, True),
        ("print(grad(z, w, v, allow_unused=True)[0])", True, True),
        ("x = x - 0.1*torch.autograd.grad(z, w)[0]", False, True),
    ],
)
def test_what_is_differentiated_is_the_output(line: str, upstream: bool, wrt: bool) -> None:
    last = parse(f"z = w*w\n{line}\nnothing_of(this, is_read)").statements[-1]
    if line.startswith("print"):
        assert isinstance(last, Differentiate)
    assert isinstance(last, Differentiate)
    assert (last.upstream is not None, last.wrt is not None) == (upstream, wrt)


def test_a_loop_ends_with_its_first_backward() -> None:
    program = parse("for i in range(9):\n  y = x*x\n  y.backward()\n  x = x - x.grad\nfinish(x)")
    assert len(program.statements) == 1
    assert "first round" in program.notes[0]


@pytest.mark.parametrize(
    ("text", "further"),
    [
        ("y = x**3; y.backward(); y.backward()", False),
        ("y = x**3; y.backward(retain_graph=True); z = x*2; z.backward()", False),
        ("g = torch.autograd.grad(x**3, x)[0]; x2 = x - g; (x2*x2).backward()", False),
        ("(x**3).backward(create_graph=True); p = x.grad**2; x.grad.zero_(); p.backward()", True),
    ],
)
def test_a_second_backward_is_noted_and_one_of_a_gradient_found(text: str, further: bool) -> None:
    program = parse(text)
    assert (program.further is not None) == further
    assert (
        any("double-backward" in note for note in program.notes) == (not further and "x2" not in text)
        or further
        or ("x2" in text)
    )


@pytest.mark.parametrize(
    ("end", "is_output"),
    [
        ("(g**2).sum()", True),
        ("h = g*2; h.norm()", True),
        ("loss = F.mse_loss(g, x)", True),
        ("loss = (g**2).sum(); print(loss)", True),
        ("g", False),
        ("print(g.sum())", False),
        ("x*2", False),
        ("torch.allclose(g, 3*x**2)", False),
        ("(g - 3*x**2).abs().max().item()", False),
    ],
)
def test_the_output_may_be_computed_with_a_gradient_that_has_a_graph(end: str, *, is_output: bool) -> None:
    program = parse(f"y = (x**3).sum(); g, = torch.autograd.grad(y, x, create_graph=True); {end}")
    assert isinstance(program.statements[-1], Differentiate) is not is_output
    assert not program.notes


def test_what_is_computed_after_a_block_that_differentiates_is_named() -> None:
    text = "with torch.enable_grad():\n  g, = torch.autograd.grad((x**3).sum(), x, create_graph=True)\n(g**2).sum()"
    assert any("`(g**2).sum()` after it is not computed" in note for note in parse(text).notes)


def test_blocks_and_changes_in_place_are_statements() -> None:
    program = parse("with torch.no_grad():\n  t = x*2\n  print(t)\ny = x*t\ny += 1\ny **= 2\ny")
    assert [type(statement) for statement in program.statements] == [GradMode, Assign, InPlace, InPlace, Evaluate]
    block = program.statements[0]
    assert isinstance(block, GradMode)
    assert (block.enabled, len(block.body)) == (False, 1)


@pytest.mark.parametrize(
    ("context", "enabled"),
    [
        ("torch.no_grad()", False),
        ("torch.inference_mode()", False),
        ("torch.enable_grad()", True),
        ("torch.set_grad_enabled(False)", False),
        ("torch.set_grad_enabled(True)", True),
        ("torch.autograd.set_detect_anomaly(True)", True),
    ],
)
def test_contexts_say_whether_gradients_are_recorded(context: str, enabled: bool) -> None:
    block = parse(f"with {context}:\n  t = x*2\nx*t").statements[0]
    assert isinstance(block, GradMode)
    assert block.enabled == enabled


def test_retained_tensors_are_known() -> None:
    assert parse("y = x*x; y.retain_grad(); y.mean()").retained == ("y",)


def test_a_hook_that_changes_a_gradient_is_noted() -> None:
    assert "without the hook" in parse("y = x*x; y.register_hook(lambda g: g*2); y.mean()").notes[0]


def test_every_word_has_its_row() -> None:
    assert set(draws.DRAWN) == notebook.DRAWS
    assert set(running._SETTINGS) == notebook.SETTINGS
    assert {*running._NUMBERS, "pow"} == notebook.NUMBERS
    assert running.WORDS >= notebook.FUNCTIONS
    assert set(LISTS) == notebook.SEQUENCES


def test_a_list_of_plain_numbers_is_not_read() -> None:
    with pytest.raises(ProgramError, match="taken out of tensors"):
        parse("losses = []; losses.append(x.item()); x*sum(losses)")


@pytest.mark.parametrize(
    "text",
    [
        "g = torch.autograd.grad(x**3, x, create_graph=True)[0]; g.backward()",
        "g, = torch.autograd.grad(x**3, x, create_graph=True); h = g*g; h.sum().backward()",
        "(x**3).backward(create_graph=True); p = x.grad**2; p.backward()",
        "h = torch.autograd.grad(torch.autograd.grad(x**3, x, create_graph=True)[0], x)",
        "def f(y):\n  return torch.autograd.grad(y, x, create_graph=True)[0]\nf(x**3).backward()",
    ],
)
def test_a_gradient_that_is_differentiated_again_is_a_value(text: str) -> None:
    program = parse(text)
    assert program.further is None
    assert program.notes == ()
    found = [node for expression in expressions(program.statements) for node in postorder(expression)]
    assert any(isinstance(node, Gradient) for node in found)


@pytest.mark.parametrize(
    "program",
    [
        "from torch.autograd import grad as d\nd(x*x, x)",
        "from torch import autograd as a\na.grad(x*x, x)",
        "(x*x).backward()",
        "import torch.autograd.functional as AF\nAF.jacobian(lambda x: x*x, x)",
        "from torch.func import jacrev as j\nf = lambda x: x*x\nj(f)(x)",
        "from torch.func import vmap as v, grad as g\nf = lambda x: x*x\nv(g(f))(x)",
    ],
)
def test_what_differentiates_is_found_by_whatever_name(program: str) -> None:
    (last,) = parse(program).statements[-1:]
    while isinstance(last, GradMode):
        (last,) = last.body[-1:]
    assert isinstance(last, Differentiate)
