"""Pointwise ops: each is a scalar formula over its parameters.

`exp(input)` as the definition of `exp` means that the function is one that sympy knows.
"""

from __future__ import annotations

from math import factorial
from typing import Any

from gradcli.ops import remedies
from gradcli.ops.family import Family, kernel
from gradcli.ops.record import FusedBackward, Op

FAMILY = Family("pointwise")


def _op(signature: str, definition: str, *, examples: tuple[str, ...] = (), **more: Any) -> Op:
    return FAMILY.pointwise(signature, definition, *(examples or _examples(signature)), **more)


def _examples(signature: str) -> tuple[str, ...]:
    """Return a call on tensors for every required parameter, with broadcasting where there are two."""
    name, _, rest = signature.rstrip(")").partition("(")
    if name.startswith(("_", "Tensor.")):
        return ()
    required = [part.strip() for part in rest.split(",") if "=" not in part and "*" not in part]
    letters = "xyz"[: len(required)]
    if len(required) != len(letters):
        return ()
    shapes = ["2x3", "3", "2x1"]
    leaves = " ".join(f"{letter}={shape}" for letter, shape in zip(letters, shapes, strict=False))
    return (f"{name}({', '.join(letters)}) | {leaves}",)


POSITIVE = {"input": "(0, inf)"}

# Cuts of the complex plane (Abramowitz and Stegun, 4.1.1, 4.4.1 to 4.4.3 and 4.6), as PyTorch has them.
NEGATIVE = "(imag(input) == 0)*(real(input) < 0)"
BEYOND_ONE = "(imag(input) == 0)*(abs(real(input)) > 1)"
BEYOND_I = "(real(input) == 0)*(abs(imag(input)) > 1)"

# Σ (-1)^k (πx)^2k / (2k+1)! with as many terms as |x| < 0.1 needs.
SINC_SERIES = " + ".join(f"({(-1) ** k})*(pi*input)**{2 * k}/{factorial(2 * k + 1)}" for k in range(9))
# Its derivative: below 0.01, the angle's square v asks for pi**2*x*(-1/3 + v/30 - v**2/840 + v**3/45360).
SQUARE = "square(pi*input)"
SINC_TERMS = f"addcmul({SQUARE}, {SQUARE}, addcmul({SQUARE}, {SQUARE}, {SQUARE}, value=-1/54), value=-1/28) - 10"
SAFE = f"where({SQUARE} < 0.01, 1, input)"
SINC_SLOPE = (
    f"where({SQUARE} < 0.01, pi**2*input*({SINC_TERMS})/30, (cos(pi*input) - sin(pi*input)/(pi*{SAFE}))/{SAFE})"
)

POINTWISE: tuple[Op, ...] = (
    # Arithmetic
    _op(
        "add(input, other, *, alpha=1)",
        "input + alpha*other",
        examples=("x + y | x=2x3 y=3", "torch.add(x, y, alpha=2) | x=2 y=2"),
    ),
    _op(
        "sub(input, other, *, alpha=1)", "input - alpha*other", aliases=("subtract",), examples=("x - y | x=2x3 y=2x1",)
    ),
    _op("rsub(input, other, *, alpha=1)", "other - alpha*input", examples=("rsub(x, y, alpha=2) | x=2x3 y=3",)),
    _op("ldexp(input, other)", "input*2**other"),
    _op("mul(input, other)", "input*other", aliases=("multiply",)),
    _op(
        "div(input, other)",
        "input/other",
        aliases=("divide", "true_divide"),
        domain={"other": "(0, inf)"},
        remedy=remedies.DIVISOR,
    ),
    _op(
        "pow(input, exponent)",
        "input**exponent",
        domain=POSITIVE,
        discontinuities="logical_and(exponent == 0, 0*exponent + input == 0) if is_tensor(exponent) else False",
        cuts="z = input + 0*exponent; p = exponent + 0*z; (imag(z) == 0)*(real(z) < 0)*((p != round(real(p))) + is_tensor(exponent)) + (z == 0)*(p == 0)*is_tensor(exponent) if is_tensor(input) else False",
        examples=("x**y | x=2x3 y=3", "x**3 | x=2x2", "x**-0.5 | x=2", "2**x | x=3"),
        published={
            "input": "g*exponent*input**(where(exponent == 0, 1, exponent) - 1)",
            "exponent": "g*log(where(input == 0, 1, input))*out",
        },
        remedy=remedies.CLAMP,
    ),
    _op("neg(input)", "-input", aliases=("negative",)),
    _op("positive(input)", "input"),
    # Complex numbers
    _op("real(input)", "input", complex="real(input)"),
    _op("imag(input)", "imag(input)", examples=("imag(x*1j) | x=2x3",)),
    _op("_imag(input)", "imag(input)", torch=kernel("fourier.imaginary")),
    _op("complex(real, imag)", "real + 1j*imag", examples=("torch.complex(x, y).abs() | x=2x3 y=2x3",)),
    _op(
        "polar(abs, angle)",
        "abs*cos(angle) + 1j*abs*sin(angle)",
        examples=("polar(x, y).imag | x=2x3 y=2x3",),
        domain={"abs": "(0, inf)"},
    ),
    _op("conj(input)", "input", complex="conj(input)"),
    _op("conj_physical(input)", "input", complex="conj(input)"),
    _op("resolve_conj(input)", "input"),
    _op("resolve_neg(input)", "input"),
    _op("reciprocal(input)", "1/input", domain=POSITIVE, remedy=remedies.CLAMP),
    _op("square(input)", "input**2"),
    _op("sqrt(input)", "sqrt(input)", domain=POSITIVE, cuts=NEGATIVE, remedy=remedies.ROOT),
    _op(
        "rsqrt(input)",
        "1/sqrt(input)",
        domain=POSITIVE,
        cuts=NEGATIVE,
        published={"input": "-g*out**3/2"},
        remedy=remedies.ROOT,
    ),
    _op(
        "abs(input)",
        "where(input < 0, -input, input)",
        aliases=("absolute",),
        kinks="input == 0",
        complex="sqrt(real(input)**2 + imag(input)**2)",
    ),
    _op("addcmul(input, tensor1, tensor2, *, value=1)", "input + value*tensor1*tensor2"),
    _op(
        "addcdiv(input, tensor1, tensor2, *, value=1)", "input + value*tensor1/tensor2", domain={"tensor2": "(0, inf)"}
    ),
    _op(
        "native_dropout_backward(grad_output, mask, scale)",
        "where(mask, grad_output*scale, 0)",
        examples=("native_dropout_backward(x, x > 0, 2.0) | x=2x3",),
        torch=kernel("layers.native_dropout_backward"),
    ),
    _op("lerp(input, end, weight)", "input + weight*(end - input)"),
    _op(
        "hypot(input, other)",
        "sqrt(input**2 + other**2)",
        kinks="logical_and(input == 0, other == 0)",
        remedy=remedies.LENGTH,
    ),
    # Exponentials and logarithms
    _op("exp(input)", "exp(input)", remedy=remedies.LARGE),
    _op("exp2(input)", "2**input", aliases=("special.exp2",), remedy=remedies.LARGE),
    _op(
        "expm1(input)",
        "exp(input) - 1",
        aliases=("special.expm1",),
        published={"input": "g*(out + 1)"},
        remedy=remedies.LARGE,
    ),
    _op("log(input)", "log(input)", domain=POSITIVE, cuts=NEGATIVE, remedy=remedies.CLAMP),
    _op("log2(input)", "log(input)/log(2)", domain=POSITIVE, cuts=NEGATIVE, remedy=remedies.CLAMP),
    _op("log10(input)", "log(input)/log(10)", domain=POSITIVE, cuts=NEGATIVE, remedy=remedies.CLAMP),
    _op(
        "log1p(input)",
        "log(1 + input)",
        aliases=("special.log1p",),
        domain=POSITIVE,
        cuts="(imag(input) == 0)*(real(input) < -1)",
        remedy=remedies.ABOVE,
    ),
    _op(
        "logaddexp(input, other)",
        "where(input > other, input, other) + log(1 + exp(where(input > other, other - input, input - other)))",
    ),
    _op(
        "logaddexp2(input, other)",
        "where(input > other, input, other) + log(1 + 2**where(input > other, other - input, input - other))/log(2)",
    ),
    _op(
        "xlogy(input, other)",
        "where(other > 0, input*log(other), where(input == 0, 0, input*log(other)))",
        aliases=("special.xlogy",),
        domain={"other": "(0, inf)"},
        kinks="(input == 0)*(other == 0) if is_tensor(input) else False",
        discontinuities="(input == 0)*(other == 0) if is_tensor(input) else False",
    ),
    _op(
        "special.xlog1py(input, other)",
        "where(other > -1, input*log(1 + other), where(input == 0, 0, input*log(1 + other)))",
        domain={"other": "(0, inf)"},
        kinks="(input == 0)*(other == -1) if is_tensor(input) else False",
        discontinuities="(input == 0)*(other == -1) if is_tensor(input) else False",
    ),
    _op("special.entr(input)", "where(input >= 0, -input*log(input), -inf)", domain=POSITIVE),
    # Trigonometry
    _op("sin(input)", "sin(input)"),
    _op("cos(input)", "cos(input)"),
    _op("tan(input)", "tan(input)", domain={"input": "(-1, 1)"}),
    _op(
        "asin(input)",
        "asin(input)",
        aliases=("arcsin",),
        cuts=BEYOND_ONE,
        domain={"input": "(-1, 1)"},
        remedy=remedies.INSIDE,
    ),
    _op(
        "acos(input)",
        "acos(input)",
        aliases=("arccos",),
        cuts=BEYOND_ONE,
        domain={"input": "(-1, 1)"},
        remedy=remedies.INSIDE,
    ),
    _op("atan(input)", "atan(input)", aliases=("arctan",), cuts=BEYOND_I),
    _op(
        "atan2(input, other)",
        "where(other > 0, atan(input/other), where(input > 0, pi/2 - atan(other/input), where(input < 0, -pi/2 - atan(other/input), atan(input/other) + pi)))",
        aliases=("arctan2",),
        discontinuities="(input == 0)*(other <= 0)",
        remedy=remedies.DIVISOR,
    ),
    _op("sinh(input)", "sinh(input)", remedy=remedies.LARGE),
    _op("cosh(input)", "cosh(input)", remedy=remedies.LARGE),
    _op("tanh(input)", "tanh(input)", fused=FusedBackward("tanh_backward(g, out)")),
    _op("asinh(input)", "asinh(input)", aliases=("arcsinh",), cuts=BEYOND_I),
    _op(
        "acosh(input)",
        "acosh(input)",
        aliases=("arccosh",),
        cuts="(imag(input) == 0)*(real(input) < 1)",
        domain={"input": "(1, inf)"},
    ),
    _op(
        "atanh(input)",
        "atanh(input)",
        aliases=("arctanh",),
        cuts=BEYOND_ONE,
        domain={"input": "(-1, 1)"},
        remedy=remedies.INSIDE,
    ),
    # Near 0 the series: its terms are exact where sin(t)/t would cancel in the derivative, and it holds at 0 itself.
    _op(
        "sinc(input)",
        f"where(input**2 < 0.01, {SINC_SERIES}, sin(pi*input)/(pi*input))",
        aliases=("special.sinc",),
        published={"input": f"g*{SINC_SLOPE}"},
    ),
    _op("deg2rad(input)", "input*pi/180"),
    _op("rad2deg(input)", "input*180/pi"),
    # Special functions
    _op("erf(input)", "erf(input)", aliases=("special.erf",)),
    _op("erfc(input)", "erfc(input)", aliases=("special.erfc",)),
    _op(
        "erfinv(input)",
        "erfinv(input)",
        aliases=("special.erfinv",),
        domain={"input": "(-1, 1)"},
        remedy=remedies.INSIDE,
    ),
    _op(
        "lgamma(input)",
        "lgamma(input)",
        aliases=("special.gammaln",),
        domain=POSITIVE,
        remedy=remedies.CLAMP,
    ),
    _op(
        "digamma(input)",
        "digamma(input)",
        aliases=("special.digamma", "special.psi"),
        domain=POSITIVE,
        remedy=remedies.CLAMP,
    ),
    _op("special.ndtr(input)", "erfc(-input/sqrt(2))/2"),
    _op(
        "logit(input, eps=None)",
        "log(input) - log(1 - input) if eps is None else where(input < eps, log(eps/(1 - eps)), where(input > 1 - eps, log((1 - eps)/eps), log(input) - log(1 - input)))",
        aliases=("special.logit",),
        domain={"input": "(0, 1)"},
        kinks="False if eps is None else logical_or(input == eps, input == 1 - eps)",
        examples=("logit(x) | x=2x3", "logit(x, 0.3) | x=2x3"),
    ),
    _op("i0(input)", "i0(input)", aliases=("special.i0",)),
    _op("_root(input)", "where(input == 0, 0, sqrt(input))", torch="torch.sqrt", domain=POSITIVE),
    # Comparison of two values, and choice
    _op("maximum(input, other)", "where(input > other, input, other)", kinks="input == other"),
    _op("minimum(input, other)", "where(input < other, input, other)", kinks="input == other"),
    _op("fmax(input, other)", "where(input >= other, input, other)", kinks="input == other"),
    _op("fmin(input, other)", "where(input <= other, input, other)", kinks="input == other"),
    _op(
        "where(condition, input, other)",
        "where(condition, input, other)",
        truths=("condition",),
        examples=(
            "where(x > 0, x**2, y) | x=2x3 y=3",
            "x.where(x > 0, y) | x=2x3 y=3",
            "where(x > 0, x, 0.5) | x=2x3",
        ),
        overloads=(
            _op("Tensor.where(input, condition, other)", "where(condition, input, other)", truths=("condition",)),
            FAMILY.constant("where(condition)", "the indices where it is true"),
        ),
    ),
    _op(
        "clamp_min(input, min)",
        "where(input < min, min, input)",
        kinks="input == min",
        examples=("clamp_min(x, 0.5) | x=2x3",),
    ),
    _op(
        "clamp_max(input, max)",
        "where(input > max, max, input)",
        kinks="input == max",
        examples=("clamp_max(x, 0.5) | x=2x3",),
    ),
)
