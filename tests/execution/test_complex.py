"""Complex programs: against mpmath's derivatives of the two real variables, and against what must not pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch

import gradcli
from gradcli.engine import evaluate_program
from gradcli.errors import InputError
from gradcli.execution.comparison.causes import likely_cause
from gradcli.execution.comparison.compare import compare
from gradcli.ops.table import OPS
from gradcli.settings import Settings
from gradcli.tolerance import Tolerance

Z = torch.tensor([[1 + 2j, 3 - 1j], [-0.5 + 0.25j, 1 + 0.5j]], dtype=torch.complex128)

# A program of one number, and the same function in mpmath's words: neither knows a derivative.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs(z)": abs,
    "angle(z)": mpmath.arg,
    "(z*z.conj()).real": lambda z: mpmath.re(z * mpmath.conj(z)),
    "(z*1j + 2).exp().imag": lambda z: mpmath.im(mpmath.exp(z * 1j + 2)),
    "log(z).real": lambda z: mpmath.re(mpmath.log(z)),
    "sqrt(z).imag": lambda z: mpmath.im(mpmath.sqrt(z)),
    "(z**3 - 1/z).real": lambda z: mpmath.re(z**3 - 1 / z),
    "(z**0.3).imag": lambda z: mpmath.im(z ** mpmath.mpf(0.3)),
    "tanh(z).imag": lambda z: mpmath.im(mpmath.tanh(z)),
    "tan(z).real": lambda z: mpmath.re(mpmath.tan(z)),
    "sin(cos(z)).real": lambda z: mpmath.re(mpmath.sin(mpmath.cos(z))),
    "asin(z).real": lambda z: mpmath.re(mpmath.asin(z)),
    "acosh(z).imag": lambda z: mpmath.im(mpmath.acosh(z)),
    "atan(z).imag": lambda z: mpmath.im(mpmath.atan(z)),
    "sgn(z).imag": lambda z: mpmath.im(z / abs(z)),
}
PROGRAMS = (
    "matmul(z, z.mH).abs().sum()",
    "einsum('ij,jk->ik', z, z.conj()).imag.sum()",
    "vdot(z[0], z[1]).imag",
    "torch.linalg.vecdot(z, z[0]).imag.sum()",
    "norm(z) + torch.linalg.vector_norm(z, 3)",
    "z.mean().abs() + z.prod().real + z.cumsum(0)[1].abs().sum()",
    "var(z) + std(z, 0).sum()",
    "inv(z).real.sum()",
    "torch.linalg.solve(z, z*1j + 1).imag.sum()",
    "cat([z, z.T]).imag.prod()",
    "(z*z.real).abs().sum()",
    "polar(abs(z), 2*angle(z)).imag.sum()",
    "torch.fft.ifft(torch.fft.fft(z)*z).abs().sum()",
    "torch.fft.irfft(z, n=5).square().sum()",
    "torch.fft.hfft(z, norm='ortho').square().sum()",
    "torch.fft.fftn(z, s=(3, 3), norm='forward').abs().sum()",
)


@pytest.mark.parametrize("program", FUNCTIONS)
@pytest.mark.parametrize("point", [1 + 2j, -0.5 + 0.25j, 0.75 - 1.5j])
def test_a_gradient_is_the_two_real_derivatives(program: str, point: complex) -> None:
    report = gradcli.evaluate(program, {"z": torch.tensor(point, dtype=torch.complex128)})
    assert report.verdict == "match", report["z"].note
    function = FUNCTIONS[program]
    with mpmath.workdps(30):
        across, along = (
            mpmath.diff(lambda x, y: function(mpmath.mpc(x, y)), (point.real, point.imag), order)
            for order in [(1, 0), (0, 1)]
        )
    assert report["z"].symbolic.value.item() == pytest.approx(complex(across, along), rel=1e-11)


@pytest.mark.parametrize("program", PROGRAMS)
def test_tensors_of_complex_numbers_match_autograd(program: str) -> None:
    report = gradcli.evaluate(program, {"z": Z})
    assert report.verdict == "match", [tensor.note for tensor in report.tensors]


def test_a_real_leaf_beside_a_complex_one_has_a_real_gradient() -> None:
    report = gradcli.evaluate("(z*x).abs().sum()", {"z": Z, "x": [0.5, -2.0]})
    assert report.verdict == "match"
    assert not report["x"].symbolic.value.is_complex()


def test_a_complex_grad_output_is_a_pair() -> None:
    report = gradcli.evaluate("z**2", {"z": Z}, grad_output=Z.flip(0))
    assert report.verdict == "match"
    assert torch.allclose(report["z"].symbolic.value, Z.flip(0) * (2 * Z).conj())


def test_a_complex_grad_output_of_a_real_output_is_an_error() -> None:
    with pytest.raises(InputError, match="--grad-output is complex, and the output 'x\\*x' is real"):
        evaluate_program("x*x", Settings(values={"x": 2.0}, grad_output=1 + 2j))


def test_the_formula_of_the_output_is_its_upstream_gradient() -> None:
    report = evaluate_program("z*z", Settings(values={"z": 2.0 + 1j}, grad_output=1 + 2j))
    assert report["z*z"].symbolic.formula == "grad_output"


@pytest.mark.parametrize(
    ("change", "cause"),
    [(torch.conj, "it is the conjugate of the right one"), (lambda g: 2 * g, "times 2"), (lambda g: 1j * g, "1j")],
)
def test_a_wrong_gradient_is_a_mismatch(change: Callable[[Any], Any], cause: str) -> None:
    right = gradcli.evaluate("(z**2).abs().sum()", {"z": Z})["z"].symbolic.value
    assert compare(change(right), right, Tolerance.of("complex128")).verdict == "mismatch"
    assert cause in str(likely_cause(change(right), right))


def test_a_modulus_has_a_kink_at_zero_and_a_sign_a_jump() -> None:
    zero = {"z": torch.zeros(2, dtype=torch.complex128)}
    assert gradcli.evaluate("abs(z).sum()", zero).verdict == "subgradient"
    assert gradcli.evaluate("sgn(z).real.sum()", zero).verdict == "undefined"


def test_a_power_with_an_exponent_that_moves_has_a_kink_on_the_cut_at_integers() -> None:
    """(-1)**(-1) is the same by both branches of the logarithm, and z**z next to it has the slopes of each."""
    z, step = torch.tensor(-1 + 0j, dtype=torch.complex128), 1e-6 * (1 + 1j)
    ahead, behind = ((((z + way) ** (z + way)).imag - (z**z).imag) / 1e-6 for way in (step, -step))
    assert abs(float(ahead + behind)) > 1
    assert gradcli.evaluate("(z**z).imag", {"z": z}).verdict == "subgradient"
    assert gradcli.evaluate("(z**3).imag", {"z": z}).verdict == "match"


def test_a_definition_of_real_numbers_decides_nothing() -> None:
    report = gradcli.evaluate("cov(z).abs().sum()", {"z": Z})
    assert report.verdict == "undecided"
    assert "real numbers only" in str(report["z"].note)


REALS = torch.tensor([-2.0, -0.5, 0.5, 2.0], dtype=torch.float64)
ON_AXES = torch.cat([REALS + 0j, 1j * REALS])
CUT = sorted(op.name for op in OPS if op.cuts is not None)


@pytest.mark.parametrize("name", CUT)
def test_a_function_of_complex_numbers_has_no_derivative_at_its_cut(name: str) -> None:
    more = (0.3,) if name == "pow" else ()
    beside = [getattr(torch, name)(ON_AXES + side, *more) for side in (1e-9, -1e-9, 1e-9j, -1e-9j)]
    jumps = torch.maximum((beside[0] - beside[1]).abs(), (beside[2] - beside[3]).abs()) > 1e-3
    assert jumps.any()
    assert not jumps.all()
    for point, is_jump in zip(ON_AXES, jumps.tolist(), strict=True):
        report = gradcli.evaluate(f"({name}({', '.join(map(str, ('z', *more)))})*(1 + 2j)).real", {"z": point})
        assert (report.verdict == "undefined") == is_jump, (point, report["z"].note)


@pytest.mark.parametrize(
    "program", ["abs(sqrt(z))", "log(z).real", "(sqrt(z)**2).imag", "(z**2).real", "tanh(atanh(2*z)).imag"]
)
def test_a_program_that_does_not_jump_with_its_functions_has_a_derivative(program: str) -> None:
    report = gradcli.evaluate(program, {"z": -1 + 0j})
    assert report.verdict == "match", report["z"].note


@pytest.mark.parametrize(
    ("program", "right", "wrong"),
    [
        ("abs(z).sum()", "z/abs(z)", "conj(z)/abs(z)"),
        ("exp(z)", "conj(exp(z))*g", "exp(z)*g"),
        ("angle(z).sum()", "1j/conj(z)", "1j/z"),
        ("acos(z).imag.sum()", "-1j*conj(1/sqrt(1 - z**2))", "z*0"),
    ],
)
def test_what_is_drawn_is_off_the_real_axis(program: str, right: str, wrong: str) -> None:
    def verdict(claim: str) -> str:
        settings = Settings(command="check", shapes={None: (3,)}, dtype="complex128", claims={"z": claim})
        return str(evaluate_program(program, settings).verdict)

    assert (verdict(right), verdict(wrong)) == ("match", "mismatch")


def test_a_matrix_that_is_drawn_positive_definite_is_hermitian() -> None:
    settings = Settings(command="check", shapes={None: (3, 3)}, dtype="complex128")
    report = evaluate_program("torch.linalg.cholesky(z).abs().sum()", settings)
    value = report["z"].value
    assert torch.equal(value, value.mH)
    assert bool((value.imag + torch.eye(3) != 0).all())
