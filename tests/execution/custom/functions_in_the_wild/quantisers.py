"""What is wrong on purpose: quantisers, spikes, reversed and clipped gradients, each beside what its surrogate is."""

import math

import torch
import torch.nn.functional as F
from torch.autograd import Function


class RoundStraightThrough(Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output


class RoundStraightThroughInPlace(Function):
    """clone, then round_: the same in the style of old repositories."""

    @staticmethod
    def forward(self, x):
        return x.clone().round_()

    @staticmethod
    def backward(self, g):
        return g.clone()


class SoftRound(Function):
    """A rounding that has a derivative: x - sin(2πx)/(2π)."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x - torch.sin(2 * math.pi * x) / (2 * math.pi)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (1 - torch.cos(2 * math.pi * x))


class SoftRoundForgetsTheInnerFactor(SoftRound):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (1 - torch.cos(2 * math.pi * x) / (2 * math.pi))


class LearnedStepSize(Function):
    """LSQ: a straight-through gradient for the input inside the range, its own for the step."""

    @staticmethod
    def forward(ctx, x, alpha, g=1.0, qn=-4, qp=3):
        ctx.save_for_backward(x, alpha)
        ctx.other = g, qn, qp
        return (x / alpha).round().clamp(qn, qp) * alpha

    @staticmethod
    def backward(ctx, grad):
        x, alpha = ctx.saved_tensors
        g, qn, qp = ctx.other
        q = x / alpha
        smaller, bigger = (q < qn).to(grad.dtype), (q > qp).to(grad.dtype)
        between = 1.0 - smaller - bigger
        grad_alpha = ((smaller * qn + bigger * qp + between * (q.round() - q)) * grad * g).sum().reshape(alpha.shape)
        return between * grad, grad_alpha, None, None, None


class DoReFa(Function):
    @staticmethod
    def forward(ctx, x, k: int = 2):
        n = float(2**k - 1)
        return torch.round(x * n) / n

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.clone(), None


class Binarize(Function):
    """The sign, with the gradient of hardtanh."""

    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.sign()

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input.gt(1)] = 0
        grad_input[input.lt(-1)] = 0
        return grad_input


class BinarizeNeverClips(Binarize):
    @staticmethod
    def backward(ctx, grad_output):
        return grad_output


class Ternarize(Function):
    """±1 outside a threshold that the mean magnitude gives, 0 inside; straight through."""

    @staticmethod
    def forward(ctx, x):
        delta = 0.7 * x.abs().mean()
        out = torch.zeros_like(x)
        out[x > delta] = 1.0
        out[x < -delta] = -1.0
        return out

    @staticmethod
    def backward(ctx, g):
        return g


class FastSigmoidSpike(Function):
    @staticmethod
    def forward(ctx, input_, slope=25):
        ctx.save_for_backward(input_)
        ctx.slope = slope
        return (input_ > 0).to(input_.dtype)

    @staticmethod
    def backward(ctx, grad_output):
        (input_,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        return grad_input / (ctx.slope * torch.abs(input_) + 1.0) ** 2, None


class FastSigmoidSpikeIsNotSquared(FastSigmoidSpike):
    @staticmethod
    def backward(ctx, grad_output):
        (input_,) = ctx.saved_tensors
        return grad_output / (ctx.slope * torch.abs(input_) + 1.0), None


class AtanSpike(Function):
    @staticmethod
    def forward(ctx, x, alpha: float = 2.0):
        if x.requires_grad:
            ctx.save_for_backward(x)
            ctx.alpha = alpha
        return (x >= 0).to(x)

    @staticmethod
    def backward(ctx, grad_output):
        grad_x = None
        if ctx.needs_input_grad[0]:
            (x,) = ctx.saved_tensors
            grad_x = ctx.alpha / 2 / (1 + (math.pi / 2 * ctx.alpha * x).pow_(2)) * grad_output
        return grad_x, None


class GradientReversal(Function):
    @staticmethod
    def forward(ctx, x, lambda_: float = 1.0):
        ctx.lambda_ = lambda_
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.lambda_, None


class GradientClipping(Function):
    """Passes its input on, and clips the gradient: not linear, whatever it is the derivative of."""

    @staticmethod
    def forward(ctx, x, bound=0.5):
        ctx.bound = bound
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.clamp(-ctx.bound, ctx.bound), None


class FakeQuantize(Function):
    """An affine quantiser that gives the mask as a second output."""

    @staticmethod
    def forward(ctx, x, scale=0.1, zero_point=0, quant_min=-8, quant_max=7):
        q = torch.round(x / scale) + zero_point
        mask = (q >= quant_min) & (q <= quant_max)
        ctx.save_for_backward(mask)
        ctx.mark_non_differentiable(mask)
        return (q.clamp(quant_min, quant_max) - zero_point) * scale, mask

    @staticmethod
    def backward(ctx, g, _):
        (mask,) = ctx.saved_tensors
        return g * mask, None, None, None, None


class ClampStraightThrough(Function):
    @staticmethod
    def forward(ctx, x, low=-1.0, high=1.0):
        return F.hardtanh(x, low, high)

    @staticmethod
    def backward(ctx, g):
        return g, None, None
