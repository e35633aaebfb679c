"""Derived Functions: gradcheck, gradgradcheck and `gradcli custom` pass them, they save little, and none is wrong."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import gradcli
from gradcli.engine import derive_program
from gradcli.errors import GradcliError, InputError, NotSupportedError
from gradcli.execution.formulas import extremes
from gradcli.execution.formulas import function as made
from gradcli.execution.formulas import tried as written
from gradcli.execution.formulas.checked import BRANCH
from gradcli.execution.forward.domains import parse_example
from gradcli.ops.table import OPS
from gradcli.report.derivation import Derivation
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

# One example in many; a longer run takes them all.
EVERY = 24
EXAMPLES = [example for op in OPS for example in op.examples][5::EVERY]
PROGRAMS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("sigmoid(x)", {"x": (3, 2)}, ["output"]),
    ("exp(x)", {"x": (3, 2)}, ["output"]),
    ("tanh(x)", {"x": (3,)}, ["output"]),
    ("softmax(x, dim=-1)", {"x": (3, 2)}, ["output"]),
    ("X @ W", {"X": (4, 3), "W": (3, 2)}, ["X", "W"]),
    ("30*matrix_exp(X)", {"X": (3, 3)}, ["X"]),
    ("x + y", {"x": (3,), "y": (3,)}, []),
    ("x.T", {"x": (3, 4)}, []),
    ("mean((X @ w - y)**2)", {"X": (4, 3), "w": (3,), "y": (4,)}, ["X", "w", "y"]),
    ("inv(X) @ y", {"X": (3, 3), "y": (3,)}, ["X", "y", "output"]),
    ("cumsum(x, dim=0)", {"x": (4,)}, []),
    ("F.glu(x, dim=-1)", {"x": (2, 4)}, ["x"]),
    ("logsumexp(x, dim=0)", {"x": (4,)}, ["x"]),
    ("y = x*2; z = y*y; z.sum()", {"x": (2,)}, ["x"]),
    ("roll(x, 1, 0)", {"x": (4,)}, []),
    ("F.avg_pool1d(x, 2)", {"x": (2, 6)}, []),
    ("kron(x, y)", {"x": (2, 3), "y": (2, 2)}, ["x", "y"]),
    ("sum(t*x[1:]*output[:-1])", {"t": (3,), "x": (4,), "output": (4,)}, ["t", "x", "output_"]),
]


@cache
def of_example(example: str) -> Derivation:
    program, shapes = parse_example(example)
    return derive_program(program, Settings(command="derive", to="function", shapes=dict(shapes)))


def loaded(code: str) -> Any:
    space: dict[str, Any] = {"__name__": "derived"}
    exec(code, space)  # noqa: S102 (the code is what is tested)
    (found,) = [
        value for value in space.values() if isinstance(value, type) and issubclass(value, torch.autograd.Function)
    ]
    return found


@pytest.mark.parametrize(
    "program",
    [
        "sum(n)*x/x.shape[0]",
        "m*x/x.shape[0]",
        "n = x.sum(); y = n*x/x.shape[0]; y*w",
        "grad_x*x",
        "grad_of_x*x*exp(grad_x)",
        "exp(g)*grad_output*sin(u)*t",
        "ctx*inputs*output*dx*x",
    ],
)
def test_no_name_of_a_leaf_is_taken_for_one_of_the_code(program: str) -> None:
    found = derive_program(program, Settings(command="derive", to="function", shapes={None: (3,)}))
    assert found.verdict is Verdict.MATCH
    function = loaded(found.codes["function"])
    leaves = [torch.randn(3, dtype=torch.float64).exp().requires_grad_() for _ in found.leaves]
    space = dict(zip(found.leaves, leaves, strict=True)) | {"exp": torch.exp, "sin": torch.sin}
    *statements, result = program.split("; ")
    exec("\n".join(statements), space)  # noqa: S102
    expected = torch.autograd.grad(eval(result, space).sum(), leaves)  # noqa: S307
    output = function.apply(*leaves)
    output = output[0] if isinstance(output, tuple) else output
    torch.testing.assert_close(torch.autograd.grad(output.sum(), leaves), expected)


@pytest.mark.parametrize(("dtype", "large"), [(torch.bfloat16, 300.0), (torch.float32, 2e7), (torch.float64, 1e17)])
def test_a_difference_from_one_keeps_its_digits(dtype: torch.dtype, large: float) -> None:
    function = loaded(
        derive_program("F.silu(x)", Settings(command="derive", to="function", shapes={None: (3,)})).codes["function"]
    )
    leaf = torch.tensor([large, -20.0, 0.5], dtype=dtype, requires_grad=True)
    (found,) = torch.autograd.grad(function.apply(leaf).sum(), leaf)
    (expected,) = torch.autograd.grad(torch.nn.functional.silu(leaf).sum(), leaf)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("options", [{"product": "jvp", "to": "function"}, {"product": "jvp", "order": 2}])
def test_what_excludes_each_other_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        derive_program("sum(x*y)", Settings(command="derive", shapes={None: (3,)}, **options))


def derived(program: str, inputs: dict[str, Any], **options: Any) -> str:
    return gradcli.derive(program, inputs, **options).function()


@pytest.mark.parametrize(("program", "inputs", "saved"), PROGRAMS)
def test_a_function_passes_gradcheck_at_other_values_and_saves_what_its_backward_reads(
    program: str, inputs: dict[str, Any], saved: list[str]
) -> None:
    code = derived(program, inputs)
    torch.manual_seed(5)
    leaves = [torch.rand(shape, dtype=torch.float64, requires_grad=True) for shape in inputs.values()]
    function = loaded(code)
    assert gradcheck(function.apply, leaves, check_forward_ad=True)
    assert gradgradcheck(function.apply, leaves)
    assert function.generate_vmap_rule
    line = next((line for line in code.splitlines() if "ctx.save_for_backward" in line), "()")
    assert [name for name in line.partition("(")[2].rstrip(")").split(", ") if name] == saved


@pytest.mark.filterwarnings("ignore")  # of what PyTorch has deprecated, or does slowly
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_table_gives_a_function_that_passes_or_says_why_there_is_none(example: str) -> None:
    found = of_example(example)
    if found.refused is not None:
        assert found.verdict is not Verdict.MATCH
        return
    assert found.tried is not None
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(found.codes["function"], space)  # noqa: S102 (its own test, which asserts gradcheck and gradgradcheck)


@pytest.mark.filterwarnings("ignore")
def test_most_examples_with_formulas_give_a_function() -> None:
    counts = {"function": 0, "refused": 0}
    for example in EXAMPLES:
        found = of_example(example)
        if all(one.formula is not None for one in found.derivatives):
            counts["refused" if found.refused else "function"] += 1
    assert counts["function"] >= 8 * counts["refused"]


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("softmax(X @ W, dim=-1)", {"X": (4, 3), "W": (3, 2)}),
        ("x*sigmoid(x)", {"x": (3,)}),
        ("F.glu(x, dim=-1)", {"x": (2, 4)}),
    ],
)
def test_gradcli_custom_passes_it(program: str, inputs: dict[str, Any], tmp_path: Path) -> None:
    function = loaded(derived(program, inputs))
    torch.manual_seed(1)
    file = tmp_path / "derived.py"
    file.write_text(derived(program, inputs), encoding="utf-8")
    report = gradcli.check_function(
        f"{file}:{function.__name__}", {name: torch.randn(shape, dtype=torch.float64) for name, shape in inputs.items()}
    )
    assert report.verdict is Verdict.MATCH, str(report)


@pytest.mark.parametrize(("program", "most"), [("torch.linalg.qr(a)[0]", 1e-5), ("torch.svd(a)[2]", 1e-12)])
def test_factors_of_nearly_singular_matrices_keep_the_digits_that_autograd_keeps(program: str, most: float) -> None:
    a = torch.tensor([[2e-8, 1.0, -1e-8], [-0.7, 3e-8, 1.6], [1e-8, 0.4, -2e-8]], dtype=torch.float64)
    given = loaded(derived(program, {"a": (3, 3)})).apply(a.requires_grad_())
    u = torch.tensor([[0.3, -0.7, 0.5], [1.1, 0.2, -0.4], [0.9, 0.8, -0.6]], dtype=torch.float64)
    name, place = program.removeprefix("torch.").removesuffix("]").split("(a)[")
    wanted = {"linalg.qr": torch.linalg.qr, "svd": torch.svd}[name](a)[int(place)]
    found, right = (torch.autograd.grad(one, a, u)[0] for one in (given, wanted))
    assert float((found - right).abs().max()) <= most * float(right.abs().max())


def test_one_of_a_number_of_entries_that_values_decide_is_refused_by_that_reason() -> None:
    with pytest.raises(GradcliError, match=r"how many entries 'x\[x > 0\]' has depends on values"):
        derived("x[x > 0].mean()", {"x": (2, 3)})


@pytest.mark.parametrize("program", ["masked_select(x, x > 0)", "exp(x[x > 0]).sum()"])
def test_what_a_mask_picks_has_a_function_for_any_number_of_entries(program: str) -> None:
    code = derived(program, {"x": (2, 3)})
    assert "one_hot(" not in code.partition("def backward")[2]
    function = loaded(code)
    for seed in range(3):
        torch.manual_seed(seed)
        x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
        assert gradcheck(function.apply, (x,), check_forward_ad=True)
        assert gradgradcheck(function.apply, (x,))


def test_what_is_rewritten_is_said_of_a_function_that_is_written_from_it() -> None:
    programs = {"tanh(log(1 + exp(x)))": False, "softmax(x, dim=0) @ log(1 + exp(y))": True}
    for program, is_said in programs.items():
        settings = Settings(command="derive", to="function", shapes={name: (3,) for name in "xy" if name in program})
        found = derive_program(program, settings)
        assert any(one.rewritten for one in found.derivatives) is is_said


def test_one_that_loses_digits_that_autograd_keeps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extremes, "DIGITS", 1e-10)
    with pytest.raises(GradcliError, match="where some entries are 1e-08 backward is not what autograd says"):
        derived("torch.linalg.qr(a)[0]", {"a": (3, 3)})


@pytest.mark.parametrize(
    ("program", "inputs", "words"),
    [
        (
            "x**y",
            {"x": (2, 3), "y": (3,)},
            "At entries of 0, there is no derivative by y, and autograd's is a convention.",
        ),
        ("hardsigmoid(x)", {"x": (3,)}, "At all points, autograd's gradient by x is not the derivative"),
    ],
)
def test_it_says_where_autograds_gradient_is_not_the_derivative(program: str, inputs: Any, words: str) -> None:
    code = derived(program, inputs)
    assert words in code
    assert ("At " in derived("x*y", {"x": (3,), "y": (3,)})) is False
    leaves = [torch.rand(shape, dtype=torch.float64, requires_grad=True) for shape in inputs.values()]
    assert gradcheck(loaded(code).apply, leaves, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("off", [1e-3, 2e-8])
def test_no_error_of_pytorchs_excuses_a_wrong_backward(monkeypatch: pytest.MonkeyPatch, off: float) -> None:
    without_recording(monkeypatch)
    true, wrong = written.function_source, f"g * {(1 + off) / 6!r}"
    monkeypatch.setattr(written, "function_source", lambda parts: true(parts).replace("g / 6", wrong))
    with pytest.raises(GradcliError, match="there is no Function"):
        derived("hardsigmoid(x)", {"x": (3,)})


def test_a_function_is_mapped_over_one_argument_or_any_axis() -> None:
    function = loaded(derived("inv(X) @ y", {"X": (3, 3), "y": (3,)}))
    torch.manual_seed(0)

    def products(apply: Any, axes: tuple[int | None, ...], leaves: tuple[torch.Tensor, ...]) -> Any:
        mapped = torch.vmap(apply, axes)
        backward = torch.func.grad(lambda *given: mapped(*given).sin().sum(), (0, 1))(*leaves)
        return backward, torch.func.jvp(mapped, leaves, tuple(leaf.cos() for leaf in leaves))

    for axes in ((1, None), (None, 1), (2, 0)):
        shapes = [[3] * (rank + (axis is not None)) for rank, axis in zip((2, 1), axes, strict=True)]
        given = axes, tuple(torch.randn(shape, dtype=torch.float64) for shape in shapes)
        reference = products(lambda matrix, y: torch.linalg.inv(matrix) @ y, *given)
        torch.testing.assert_close(products(function.apply, *given), reference)


def test_a_vmap_rule_that_is_wrong_where_some_tensors_are_mapped_is_left_out() -> None:
    code = derived("index_fill(x, 1, tensor([0, 2]), y)", {"x": (2, 3), "y": ()})
    assert ("generate_vmap_rule" in code, written.NO_VMAP in code) == (False, True)


def test_a_program_that_detaches_is_refused_with_the_reason() -> None:
    with pytest.raises(GradcliError, match="the program detaches a tensor"):
        derived("detach(x)*x", {"x": (3,)})


def test_what_a_program_only_reads_detached_is_a_constant() -> None:
    code = derived("vander(detach(x), 4)*y", {"x": (3,), "y": (3, 4)})
    x, y = torch.randn(3, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    found = loaded(code).apply(x.requires_grad_(), y)
    upstream = torch.randn(3, 4, dtype=torch.float64)
    gradients = torch.autograd.grad(found, [x, y], upstream, allow_unused=True)
    assert gradients[0] is None
    assert torch.allclose(gradients[1], torch.vander(x.detach(), 4) * upstream)
    assert gradcheck(loaded(code).apply, (x.detach(), y), check_forward_ad=True)


def test_a_softmax_over_every_entry_does_not_overflow() -> None:
    function = loaded(derived("logsumexp(x, dim=(0, 1), keepdim=True)", {"x": (3, 2)}))
    x = torch.tensor([[1e3, 0.0], [999.0, 1e3], [0.0, -1e3]], dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(function.apply(x), x)
    torch.testing.assert_close(found, torch.softmax(x.detach().flatten(), 0).reshape(3, 2))


def test_lengths_that_leave_nothing_of_the_output_are_refused() -> None:
    function = loaded(derived("diff(x)", {"x": (5,)}))
    assert gradcheck(function.apply, torch.rand(2, dtype=torch.float64, requires_grad=True))
    with pytest.raises(ValueError, match="the shapes must be"):
        function.apply(torch.rand(1, dtype=torch.float64))


def test_a_view_takes_any_strides() -> None:
    function = loaded(derived("x.view(3, 2)", {"x": (2, 3)}))
    assert function.apply(torch.rand(3, 2, dtype=torch.float64).T).shape == (3, 2)


def test_its_own_test_runs_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "derived.py"
    file.write_text(derived("tanh(x)*y", {"x": (2,), "y": (2,)}), encoding="utf-8")
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "gradcheck and gradgradcheck pass\n")


def test_it_is_for_all_lengths_that_the_program_leaves_open() -> None:
    function = loaded(derived("mean((X @ w - y)**2)", {"X": (4, 3), "w": (3,), "y": (4,)}))
    features, w, y = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((7, 5), (5,), (7,)))
    assert gradcheck(function.apply, (features, w, y))
    with pytest.raises(ValueError, match=r"the shapes must be X \(n, m\), w \(m,\), y \(n,\)"):
        function.apply(features, y, w)


@pytest.mark.parametrize(
    ("program", "shape", "other"), [("torch.linalg.qr(a)[0]", (3, 2), (2, 3)), ("torch.cov(a)", (3, 4), (1, 4))]
)
def test_it_refuses_lengths_at_which_the_program_is_another_one(program: str, shape: Any, other: Any) -> None:
    function = loaded(derived(program, {"a": shape}))
    with pytest.raises(ValueError, match="the shapes must be"):
        function.apply(torch.ones(other, dtype=torch.float64))


def test_a_recorded_backward_has_the_type_of_what_is_given_whatever_the_default_is() -> None:
    function = loaded(derived("det(X)*x", {"X": (2, 2), "x": (2,)}))
    leaves = [torch.tensor(one, requires_grad=True) for one in ([[1.0, 2.0], [-0.5, 0.75]], [3.0, -2.0])]
    wanted = torch.autograd.grad((torch.linalg.det(leaves[0]) * leaves[1]).sum(), leaves)
    torch.set_default_dtype(torch.float64)
    try:
        found = torch.autograd.grad(function.apply(*leaves).sum(), leaves)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(found, wanted)


def test_numbers_in_the_program_have_the_type_of_what_is_given() -> None:
    program = "F.fractional_max_pool2d(x, 2, 3, _random_samples=tensor([[[0.2, 0.7], [0.4, 0.5]]]))"
    function = loaded(derived(program, {"x": (1, 2, 5, 6)}))
    assert gradcheck(function.apply, [torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)])


@pytest.mark.parametrize("program", ["logdet(a @ a.T + eye(3))", "native_dropout_backward(a, a > 0, 2.0)"])
def test_a_call_of_ours_is_pytorchs_in_forward(program: str) -> None:
    a = (torch.rand(3, 3, dtype=torch.float64) + torch.eye(3)).requires_grad_()
    assert gradcheck(loaded(derived(program, {"a": (3, 3)})).apply, [a])


@pytest.mark.parametrize("program", ["x*sigmoid(x)", "log(1 + sigmoid(x)**2)*x"])
def test_an_elementwise_one_is_for_any_shape(program: str) -> None:
    function = loaded(derived(program, {"x": (3, 2)}))
    for shape in ((), (4,), (2, 3, 4)):
        assert gradcheck(function.apply, torch.randn(shape, dtype=torch.float64, requires_grad=True))


def test_a_gradient_is_computed_where_it_is_needed_alone() -> None:
    function = loaded(derived("X @ W", {"X": (4, 3), "W": (3, 2)}))
    x, w = torch.randn(4, 3, requires_grad=True), torch.randn(3, 2)
    node = function.apply(x, w).grad_fn
    first, second = node.apply(torch.ones(4, 2))
    assert first.shape == (4, 3)
    assert second is None


def test_labels_and_constants_have_no_gradient() -> None:
    labels = torch.tensor([0, 2, 1, 4])
    code = derived("F.cross_entropy(X @ W, y)", {"X": (4, 3), "W": (3, 5), "y": labels}, wrt="W")
    assert "Constants, without a gradient: X, y." in code
    weights = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    features = torch.randn(4, 3, dtype=torch.float64)
    assert gradcheck(lambda w: loaded(code).apply(features, w, labels), weights)


@pytest.mark.parametrize("program", ["3*x if x > 0 else -x", "y = x\nwhile y*y < 9:\n    y = y*2\ny"])
def test_a_program_that_branches_on_values_has_none(program: str) -> None:
    found = derive_program(program, Settings(command="derive", to="function"))
    assert found.refused == f"there is no Function: {BRANCH}"
    assert found.verdict is Verdict.UNDECIDED
    assert "function" not in found.codes


def without_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the way by formulas alone."""

    def refused(*_: Any, **__: Any) -> Any:
        raise NotSupportedError("nothing is recorded")

    monkeypatch.setattr(made, "recording", refused)


def test_a_wrong_backward_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    without_recording(monkeypatch)
    true = written.function_source
    monkeypatch.setattr(written, "function_source", lambda parts: true(parts).replace("1 - output", "1 + output"))
    found = derive_program("sigmoid(x)", Settings(command="derive", to="function"))
    assert found.refused == "there is no Function: backward is not what autograd says"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("return dx * (1 - output)", "return 2 * dx * (1 - output)", "jvp is not what autograd says"),
        ("return torch.sigmoid(x)", "return torch.tanh(x)", "forward is not the program"),
        (
            "(output,) = ctx.saved_tensors",
            "output = ctx.saved_tensors[0].detach()",
            "the double backward is not what autograd says",
        ),
    ],
)
def test_every_part_of_it_is_compared(monkeypatch: pytest.MonkeyPatch, old: str, new: str, problem: str) -> None:
    without_recording(monkeypatch)
    true = written.function_source
    monkeypatch.setattr(written, "function_source", lambda parts: true(parts).replace(old, new))
    found = derive_program("sigmoid(x)", Settings(command="derive", to="function"))
    assert found.refused == f"there is no Function: {problem}"


# One of each kind of definition that has no formula in terms of the leaves: picked, moved, implicit, complex.
RECORDED = [
    ("sort(x).values", {"x": (2, 5)}, {"x": (3, 4)}),
    ("amax(x, dim=1)", {"x": (2, 5)}, {"x": (4, 3)}),
    ("masked_fill(x, x > 1, 0.5)", {"x": (2, 3)}, None),
    ("max_pool1d(x, 2)", {"x": (1, 6)}, None),
    ("linalg.cholesky(a @ a.T + eye(3))", {"a": (3, 3)}, None),
    ("torch.linalg.eigh(a + a.T)[0]", {"a": (3, 3)}, None),
    ("fft.fft(x).abs()", {"x": (5,)}, None),
    ("conv1d(x, w, stride=2, padding=1)", {"x": (1, 2, 6), "w": (3, 2, 3)}, None),
    ("torch.frexp(x).mantissa", {"x": (3,)}, {"x": (5,)}),
]


@pytest.mark.parametrize(("program", "shapes", "others"), RECORDED)
def test_what_has_no_formula_has_a_function_of_recorded_steps(
    program: str, shapes: dict[str, Any], others: dict[str, Any] | None
) -> None:
    function = loaded(derived(program, shapes))
    for own in filter(None, (shapes, others)):
        torch.manual_seed(3)
        values = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in own.values()]
        assert gradcheck(function.apply, values)
        assert gradgradcheck(function.apply, values)


def test_recorded_steps_of_one_gradient_run_where_it_is_needed() -> None:
    code = derived("conv1d(x, w, stride=2, padding=1)", {"x": (1, 2, 6), "w": (3, 2, 3)})
    first, second = (
        loaded(code)
        .apply(torch.randn(1, 2, 6, requires_grad=True), torch.randn(3, 2, 3))
        .grad_fn.apply(torch.ones(1, 3, 3))
    )
    assert (first.shape, second) == ((1, 2, 6), None)
