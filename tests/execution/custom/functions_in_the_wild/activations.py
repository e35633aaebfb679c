"""Activations as repositories write them: old and new style, recomputed, in place, with masks, gates and parameters."""

import math

import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Swish(Function):
    """x·sigmoid(x), which saves its input only and recomputes the rest."""

    @staticmethod
    def forward(ctx, i):
        result = i * torch.sigmoid(i)
        ctx.save_for_backward(i)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        i = ctx.saved_tensors[0]
        sigmoid_i = torch.sigmoid(i)
        return grad_output * (sigmoid_i * (1 + i * (1 - sigmoid_i)))


class SwishLosesATerm(Swish):
    @staticmethod
    def backward(ctx, grad_output):
        i = ctx.saved_tensors[0]
        return grad_output * torch.sigmoid(i)


class SwishSavesTheSigmoid(Function):
    """Right at first order; what it saves is a constant to a double backward."""

    @staticmethod
    def forward(ctx, x):
        s = torch.sigmoid(x)
        ctx.save_for_backward(x, s)
        return x.mul(s)

    @staticmethod
    def backward(ctx, grad_output):
        x, s = ctx.saved_tensors
        return grad_output * s * (1 + x * (1 - s))


class SwishInPlace(Function):
    """Its own copy is changed in place, and backward writes into intermediate results."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        out = x.clone()
        return out.sigmoid_().mul_(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        g = x.mul(1 - s).add_(1).mul_(s)
        return g.mul_(grad_output)


class Mish(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.mul(torch.tanh(F.softplus(x)))

    @staticmethod
    def backward(ctx, grad_output):
        x = ctx.saved_tensors[0]
        x_sigmoid = torch.sigmoid(x)
        x_tanh_sp = F.softplus(x).tanh()
        return grad_output.mul(x_tanh_sp + x * x_sigmoid * (1 - x_tanh_sp * x_tanh_sp))


class MishForgetsTheSquare(Mish):
    @staticmethod
    def backward(ctx, grad_output):
        x = ctx.saved_tensors[0]
        x_tanh_sp = F.softplus(x).tanh()
        return grad_output.mul(x_tanh_sp + x * torch.sigmoid(x) * (1 - x_tanh_sp))


class HardSwish(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * F.relu6(x + 3.0) / 6.0

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        grad = torch.ones_like(x)
        inner = (x >= -3.0) & (x <= 3.0)
        grad[x < -3.0] = 0.0
        grad[inner] = x[inner] / 3.0 + 0.5
        return grad_output * grad


class HardSwishIsZeroBeyond(HardSwish):
    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        m = torch.where((x > -3.0) & (x < 3.0), x / 3.0 + 0.5, torch.zeros_like(x))
        return grad_output * m


class HardSigmoid(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.clamp(x.mul(0.2).add(0.5), 0.0, 1.0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output * 0.2 * ((y > 0) & (y < 1)).to(grad_output.dtype)


class HardSigmoidLosesTheSlope(HardSigmoid):
    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output * ((y > 0) & (y < 1)).to(grad_output.dtype)


class GeluTanh(Function):
    @staticmethod
    def forward(x):
        return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))

    @staticmethod
    def setup_context(ctx, inputs, output):
        (x,) = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        tanh_out = torch.tanh(0.79788456 * x * (1 + 0.044715 * x * x) * (math.sqrt(2.0 / math.pi) / 0.79788456))
        k = math.sqrt(2.0 / math.pi)
        ff = 0.5 * x * ((1 - tanh_out * tanh_out) * (k + 3 * 0.044715 * k * x * x)) + 0.5 * (1 + tanh_out)
        return ff * grad


class GeluTanhRoundsItsConstants(GeluTanh):
    """The constants of a fused kernel, to eight and seven digits: good enough for float32."""

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        tanh_out = torch.tanh(0.79788456 * x * (1 + 0.044715 * x * x))
        ff = 0.5 * x * ((1 - tanh_out * tanh_out) * (0.79788456 + 0.1070322243 * x * x)) + 0.5 * (1 + tanh_out)
        return ff * g


class GeluTanhForgetsTheCube(GeluTanh):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        k = math.sqrt(2.0 / math.pi)
        t = torch.tanh(k * (x + 0.044715 * x**3))
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k)


class SwiGlu(Function):
    """silu(gate)·up on the halves of the last axis, gradients written into one buffer."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        gate, up = x.chunk(2, dim=-1)
        return F.silu(gate) * up

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        gate, up = x.chunk(2, dim=-1)
        sig = torch.sigmoid(gate)
        dx = torch.empty_like(x)
        d_gate, d_up = dx.chunk(2, dim=-1)
        d_gate.copy_(dout * up * sig * (1 + gate * (1 - sig)))
        d_up.copy_(dout * gate * sig)
        return dx


class SwiGluWithTwoInputs(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return F.silu(a) * b

    @staticmethod
    def backward(ctx, dc):
        a, b = ctx.saved_tensors
        sig_a = torch.sigmoid(a)
        silu_a = a * sig_a
        db = dc * silu_a
        da = dc * (silu_a * (1 - sig_a) + sig_a) * b
        return da, db


class SwiGluSwapsItsGradients(SwiGluWithTwoInputs):
    @staticmethod
    def backward(ctx, dc):
        da, db = SwiGluWithTwoInputs.backward(ctx, dc)
        return db, da


class SquaredRelu(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.clamp(min=0.0)
        ctx.save_for_backward(x)
        y.square_()
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * grad_output * F.relu(x)


class SquaredReluOverwritesWhatItSaves(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.clamp(min=0.0)
        ctx.save_for_backward(y)
        y.mul_(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return 2 * grad_output * y


class Snake(Function):
    """x + sin²(a·x)/a with one a per channel."""

    @staticmethod
    def forward(ctx, x, a):
        ctx.save_for_backward(x, a)
        return torch.where(a == 0, x, torch.addcdiv(x, torch.square(torch.sin(a * x)), a))

    @staticmethod
    def backward(ctx, grad_output):
        x, a = ctx.saved_tensors
        sin2ax = torch.sin(2 * a * x)
        grad_x = grad_a = None
        if ctx.needs_input_grad[0]:
            grad_x = grad_output * (1 + sin2ax)
        if ctx.needs_input_grad[1]:
            slope = (sin2ax * x * a - torch.sin(a * x) ** 2) / a**2
            grad_a = (grad_output * torch.where(a == 0, x * x, slope)).sum(0)
        return grad_x, grad_a


class SnakeWithoutItsLimit(Snake):
    @staticmethod
    def backward(ctx, grad_output):
        x, a = ctx.saved_tensors
        sin2ax = torch.sin(2 * a * x)
        slope = (sin2ax * x * a - torch.sin(a * x) ** 2) / a**2
        return grad_output * (1 + sin2ax), (grad_output * slope).sum(0)


class SnakeForgetsTheSum(Snake):
    @staticmethod
    def backward(ctx, grad_output):
        x, a = ctx.saved_tensors
        sin2ax = torch.sin(2 * a * x)
        return grad_output * (1 + sin2ax), grad_output * (sin2ax * x / a - torch.sin(a * x) ** 2 / a**2)


class ReluInPlace(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.clamp_(min=0)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[y <= 0] = 0
        return grad_input


class ReluNotMarkedDirty(Function):
    @staticmethod
    def forward(ctx, x):
        x = x.detach()
        x.clamp_(min=0)
        ctx.save_for_backward(x)
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output * (y > 0)
