"""Activation functions of `torch.nn.functional`."""

from __future__ import annotations

from typing import Any

from gradcli.ops.family import Family
from gradcli.ops.record import FusedBackward, Op

FAMILY = Family("activations", "torch.nn.functional")


def _pointwise(signature: str, definition: str, *, examples: tuple[str, ...] = (), **more: Any) -> Op:
    name = signature.partition("(")[0]
    return FAMILY.pointwise(signature, definition, *(examples or (f"{name}(x) | x=2x3",)), **more)


def _elu(alpha: str, scale: str, input_scale: str) -> FusedBackward:
    words = f"alpha={alpha}, scale={scale}, input_scale={input_scale}, is_result=False"
    return FusedBackward(f"elu_backward(g, {words}, self_or_result=input)")


ACTIVATIONS: tuple[Op, ...] = (
    _pointwise(
        "sigmoid(input)",
        "where(input < 0, exp(input)/(1 + exp(input)), 1/(1 + exp(-input)))",
        torch="torch.sigmoid",
        aliases=("special.expit",),
        fused=FusedBackward("sigmoid_backward(g, out)"),
    ),
    _pointwise("logsigmoid(input)", "where(input < 0, input - log(1 + exp(input)), -log(1 + exp(-input)))"),
    _pointwise(
        "relu(input)",
        "where(input > 0, input, 0)",
        kinks="input == 0",
        fused=FusedBackward("threshold_backward(g, out, threshold=0)"),
    ),
    _pointwise(
        "relu6(input)",
        "where(input <= 0, 0, where(input >= 6, 6, input))",
        kinks="logical_or(input == 0, input == 6)",
        fused=FusedBackward("hardtanh_backward(g, input, min_val=0, max_val=6)"),
    ),
    _pointwise(
        "leaky_relu(input, negative_slope=0.01)",
        "where(input > 0, input, negative_slope*input)",
        kinks="input == 0 if negative_slope != 1 else False",
        fused=FusedBackward("leaky_relu_backward(g, input, negative_slope=negative_slope, self_is_result=False)"),
    ),
    # In training the slopes are drawn: see `execution.forward.draws`.
    _pointwise(
        "rrelu(input, lower=0.125, upper=0.3333333333333333, training=False)",
        "where(input >= 0, input, (lower + upper)/2*input)",
        kinks="input == 0",
    ),
    _pointwise(
        "threshold(input, threshold, value)",
        "where(input > threshold, input, value)",
        kinks="input == threshold",
        discontinuities="input == threshold if value != threshold else False",
        examples=("F.threshold(x, 0.1, 20) | x=2x3",),
        fused=FusedBackward("threshold_backward(g, input, threshold=threshold)"),
    ),
    _pointwise(
        "elu(input, alpha=1.0)",
        "where(input > 0, input, alpha*(exp(input) - 1))",
        kinks="input == 0 if alpha != 1 else False",
        fused=_elu("alpha", "1", "1"),
    ),
    _pointwise(
        "selu(input)",
        "1.0507009873554804934193349852946*where(input > 0, input, 1.6732632423543772848170429916717*(exp(input) - 1))",
        kinks="input == 0",
        fused=_elu("1.6732632423543772", "1.0507009873554805", "1"),
    ),
    _pointwise(
        "celu(input, alpha=1.0)",
        "where(input > 0, input, alpha*(exp(input/alpha) - 1))",
        fused=_elu("alpha", "1", "1/alpha"),
    ),
    _pointwise(
        "silu(input)", "input*sigmoid(input)", fused=FusedBackward("silu_backward(g, input)", is_differentiable=False)
    ),
    _pointwise(
        "mish(input)",
        "input*tanh(softplus(input))",
        fused=FusedBackward("mish_backward(g, input)", is_differentiable=False),
    ),
    _pointwise(
        "softplus(input, beta=1.0, threshold=20.0)",
        "where(beta*input > threshold, input, log(1 + exp(beta*input))/beta)",
        fused=FusedBackward("softplus_backward(g, input, beta=beta, threshold=threshold)"),
    ),
    _pointwise("softsign(input)", "input/(1 + abs(input))"),
    _pointwise("tanhshrink(input)", "input - tanh(input)"),
    _pointwise(
        "gelu(input, approximate='none')",
        "input*(1 + tanh(sqrt(2/pi)*(input + 0.044715*input**3)))/2 if approximate == 'tanh' else input*(1 + erf(input/sqrt(2)))/2",
        examples=("F.gelu(x) | x=2x3", "F.gelu(x, approximate='tanh') | x=2x3"),
        fused=FusedBackward("gelu_backward(g, input, approximate=approximate)"),
    ),
    _pointwise(
        "hardtanh(input, min_val=-1.0, max_val=1.0)",
        "where(input <= min_val, min_val, where(input >= max_val, max_val, input))",
        kinks="logical_or(input == min_val, input == max_val)",
        fused=FusedBackward("hardtanh_backward(g, input, min_val=min_val, max_val=max_val)"),
    ),
    _pointwise(
        "hardsigmoid(input)",
        "where(input <= -3, 0, where(input >= 3, 1, input/6 + 1/2))",
        kinks="logical_or(input == -3, input == 3)",
        fused=FusedBackward("hardsigmoid_backward(g, input)", is_differentiable=False),
    ),
    _pointwise(
        "hardswish(input)",
        "where(input <= -3, 0, where(input >= 3, input, input*(input + 3)/6))",
        kinks="logical_or(input == -3, input == 3)",
        fused=FusedBackward("hardswish_backward(g, input)"),
    ),
    _pointwise(
        "hardshrink(input, lambd=0.5)",
        "where(input > lambd, input, where(input < -lambd, input, 0))",
        kinks="logical_or(input == lambd, input == -lambd)",
        discontinuities="logical_or(input == lambd, input == -lambd) if lambd != 0 else False",
        fused=FusedBackward("hardshrink_backward(g, input, lambd=lambd)"),
    ),
    _pointwise(
        "softshrink(input, lambd=0.5)",
        "where(input > lambd, input - lambd, where(input < -lambd, input + lambd, 0))",
        kinks="logical_or(input == lambd, input == -lambd)",
        fused=FusedBackward("softshrink_backward(g, input, lambd=lambd)"),
    ),
    FAMILY.composite(
        "clamp(input, min=None, max=None)",
        "y = input if min is None else clamp_min(input, min); y if max is None else clamp_max(y, max)",
        "clamp(x, -0.5, 0.5) | x=2x3",
        "clamp(x, max=y) | x=2x3 y=3",
        torch="torch.clamp",
        aliases=("clip",),
    ),
    FAMILY.composite(
        "prelu(input, weight)",
        "w = reshape(weight, _over_channels(input.ndim)) if weight.numel() > 1 and input.ndim > 1 else weight; "
        "v = reshape(w, []) if input.ndim == 0 else w; where(input > 0, input, v*input)",
        "F.prelu(x, w) | x=2x3 w=3",
        "F.prelu(x, w) | x=2x3x2 w=1",
        kinks="input == 0",
    ),
    FAMILY.composite("softmin(input, dim)", "softmax(-input, dim)", "F.softmin(x, dim=-1) | x=2x3"),
    FAMILY.composite("glu(input, dim=-1)", "a, b = chunk(input, 2, dim); a*sigmoid(b)", "F.glu(x, dim=-1) | x=2x4"),
    FAMILY.composite(
        "softmax(input, dim)",
        "e = exp(input - amax(detach(input), dim, True)); e/sum(e, dim, True)",
        "softmax(x, dim=-1) | x=2x3",
        "softmax(x, dim=0) | x=3",
        aliases=("special.softmax",),
    ),
    FAMILY.composite(
        "log_softmax(input, dim)",
        "y = input - amax(detach(input), dim, True); y - log(sum(exp(y), dim, True))",
        "log_softmax(x, dim=1) | x=2x3",
        aliases=("special.log_softmax",),
    ),
)
