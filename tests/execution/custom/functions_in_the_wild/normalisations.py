"""Normalisations as repositories write them: over rows, groups and batches, with weights and running statistics."""

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class LayerNorm(Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps=1e-6):
        ctx.eps = eps
        mu = x.mean(-1, keepdim=True)
        var = (x - mu).pow(2).mean(-1, keepdim=True)
        y = (x - mu) / (var + eps).sqrt()
        ctx.save_for_backward(y, var, weight)
        return weight * y + bias

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        y, var, weight = ctx.saved_tensors
        g = grad_output * weight
        mean_g = g.mean(dim=-1, keepdim=True)
        mean_gy = (g * y).mean(dim=-1, keepdim=True)
        gx = 1.0 / torch.sqrt(var + ctx.eps) * (g - y * mean_gy - mean_g)
        axes = tuple(range(grad_output.dim() - 1))
        return gx, (grad_output * y).sum(axes), grad_output.sum(axes), None


class LayerNormForgetsTheMean(LayerNorm):
    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        y, var, weight = ctx.saved_tensors
        g = grad_output * weight
        gx = (g - y * (g * y).mean(dim=-1, keepdim=True)) / torch.sqrt(var + ctx.eps)
        axes = tuple(range(grad_output.dim() - 1))
        return gx, (grad_output * y).sum(axes), grad_output.sum(axes), None


class LayerNormAlongTheWrongAxis(LayerNorm):
    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        y, var, weight = ctx.saved_tensors
        g = grad_output * weight
        gx = (g - y * (g * y).mean(dim=-1, keepdim=True) - g.mean(dim=0, keepdim=True)) / torch.sqrt(var + ctx.eps)
        axes = tuple(range(grad_output.dim() - 1))
        return gx, (grad_output * y).sum(axes), grad_output.sum(axes), None


class RmsNorm(Function):
    """Computes in float32 at least, as language models do, and gives back the dtype of its input."""

    @staticmethod
    def forward(x, weight, eps=1e-6):
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        rstd = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
        return ((wide * rstd).to(x.dtype) * weight), rstd

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _ = inputs
        _, rstd = output
        ctx.mark_non_differentiable(rstd)
        ctx.save_for_backward(x, weight, rstd)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy, _):
        x, weight, rstd = ctx.saved_tensors
        wide = x.to(rstd.dtype)
        m = dy.to(rstd.dtype) * weight.to(rstd.dtype)
        dx = rstd * (m - wide * rstd * rstd * (m * wide).mean(-1, keepdim=True))
        dw = (dy.to(rstd.dtype) * wide * rstd).sum(dim=tuple(range(dy.dim() - 1)))
        return dx.to(x.dtype), dw.to(weight.dtype), None


class RmsNormForgetsTheProjection(RmsNorm):
    @staticmethod
    @once_differentiable
    def backward(ctx, dy, _):
        x, weight, rstd = ctx.saved_tensors
        return dy * weight * rstd, (dy * x * rstd).sum(0), None


class GroupNorm(Function):
    @staticmethod
    def forward(ctx, x, weight, groups: int = 2, eps: float = 1e-5):
        n, c, length = x.shape
        h = x.reshape(n, groups, -1)
        mean = h.mean(-1, keepdim=True)
        inv = (h.var(-1, keepdim=True, unbiased=False) + eps).rsqrt()
        ctx.save_for_backward(x, weight)
        ctx.groups, ctx.eps = groups, eps
        return ((h - mean) * inv).reshape(n, c, length) * weight[None, :, None]

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        n, c, length = x.shape
        h = x.reshape(n, ctx.groups, -1)
        inv = (h.var(-1, keepdim=True, unbiased=False) + ctx.eps).rsqrt()
        y = (h - h.mean(-1, keepdim=True)) * inv
        dw = (dy * y.reshape(n, c, length)).sum((0, 2))
        g = (dy * weight[None, :, None]).reshape(n, ctx.groups, -1)
        dx = inv * (g - g.mean(-1, keepdim=True) - y * (g * y).mean(-1, keepdim=True))
        return dx.reshape(n, c, length), dw, None, None


class GroupNormSumsOneAxisOnly(GroupNorm):
    @staticmethod
    def backward(ctx, dy):
        dx, _, *others = GroupNorm.backward(ctx, dy)
        x, _ = ctx.saved_tensors
        h = x.reshape(x.shape[0], ctx.groups, -1)
        y = (h - h.mean(-1, keepdim=True)) * (h.var(-1, keepdim=True, unbiased=False) + ctx.eps).rsqrt()
        return dx, (dy * y.reshape(x.shape)).sum(0)[:, 0], *others


class BatchNorm(Function):
    """Training mode, with statistics that forward updates in place."""

    @staticmethod
    def forward(ctx, x, gamma, beta, running_mean, momentum=0.1, eps=1e-5):
        mean, var = x.mean(0), x.var(0, unbiased=False)
        x_hat = (x - mean) / torch.sqrt(var + eps)
        ctx.save_for_backward(x, gamma)
        ctx.eps = eps
        return gamma * x_hat + beta + 0 * (running_mean * (1 - momentum) + momentum * mean.detach())

    @staticmethod
    def backward(ctx, grad):
        x, gamma = ctx.saved_tensors
        m = x.shape[0]
        inv_std = 1.0 / torch.sqrt(x.var(0, unbiased=False) + ctx.eps)
        x_hat = (x - x.mean(0)) * inv_std
        dx_hat = grad * gamma
        dx = inv_std / m * (m * dx_hat - dx_hat.sum(0) - x_hat * (dx_hat * x_hat).sum(0))
        return dx, (grad * x_hat).sum(0), grad.sum(0), None, None, None


class BatchNormForgetsTheVariance(BatchNorm):
    @staticmethod
    def backward(ctx, grad):
        x, gamma = ctx.saved_tensors
        inv_std = 1.0 / torch.sqrt(x.var(0, unbiased=False) + ctx.eps)
        dx_hat = grad * gamma
        dx = inv_std * (dx_hat - dx_hat.mean(0))
        return dx, *BatchNorm.backward(ctx, grad)[1:]


class WeightNorm(Function):
    @staticmethod
    def forward(ctx, v, g):
        norm = v.flatten(1).norm(dim=1, keepdim=True)
        ctx.save_for_backward(v, g)
        return v * (g / norm)

    @staticmethod
    def backward(ctx, grad_w):
        v, g = ctx.saved_tensors
        norm = v.norm(dim=1, keepdim=True)
        grad_g = (grad_w * v).sum(1, keepdim=True) / norm
        grad_v = g / norm * grad_w - g * grad_g / norm.square() * v
        return grad_v, grad_g


class WeightNormTakesTheNormAsConstant(WeightNorm):
    @staticmethod
    def backward(ctx, grad_w):
        v, g = ctx.saved_tensors
        norm = v.norm(dim=1, keepdim=True)
        return g / norm * grad_w, (grad_w * v).sum(1, keepdim=True) / norm


class L2Normalize(Function):
    """F.normalize by hand: the output is what is saved."""

    @staticmethod
    def forward(ctx, x):
        norm = x.norm(p=2, dim=-1, keepdim=True).clamp_min(1e-12)
        y = x.div(norm)
        ctx.save_for_backward(y, norm)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        y, norm = ctx.saved_tensors
        return (dy - y * (y * dy).sum(-1, keepdim=True)) / norm


class L2NormalizeForgetsToDivide(L2Normalize):
    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        y, _ = ctx.saved_tensors
        return dy - y * (y * dy).sum(-1, keepdim=True)


class StableLogSumExp(Function):
    @staticmethod
    def forward(ctx, x, dim: int = -1):
        m = x.max(dim=dim, keepdim=True)[0]
        m = torch.where(torch.isinf(m), torch.zeros_like(m), m)
        s = (x - m).exp().sum(dim=dim, keepdim=True)
        y = (m + s.log()).squeeze(dim)
        ctx.save_for_backward(x, y)
        ctx.dim = dim
        return y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g.unsqueeze(ctx.dim) * torch.exp(x - y.unsqueeze(ctx.dim)), None


class LogSumExpOverflows(StableLogSumExp):
    @staticmethod
    def backward(ctx, g):
        x, _ = ctx.saved_tensors
        e = x.exp()
        return g.unsqueeze(ctx.dim) * e / e.sum(ctx.dim, keepdim=True), None
