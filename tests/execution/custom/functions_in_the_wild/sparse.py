"""Sparse and sorted ones: sparsemax, entmax, top k, running maxima, scatter, ragged rows, Chamfer distances."""

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def _make_ix_like(input, dim=0):
    d = input.size(dim)
    rho = torch.arange(1, d + 1, device=input.device, dtype=input.dtype)
    view = [1] * input.dim()
    view[0] = -1
    return rho.view(view).transpose(0, dim)


class Sparsemax(Function):
    """The threshold by sorting."""

    @staticmethod
    def forward(ctx, input, dim=-1):
        ctx.dim = dim
        max_val, _ = input.max(dim=dim, keepdim=True)
        input = input - max_val
        srt, _ = torch.sort(input, descending=True, dim=dim)
        cumsum = srt.cumsum(dim) - 1
        rhos = _make_ix_like(input, dim)
        support = rhos * srt > cumsum
        support_size = support.sum(dim=dim).unsqueeze(dim)
        tau = cumsum.gather(dim, support_size - 1)
        tau = tau / support_size.to(input.dtype)
        output = torch.clamp(input - tau, min=0)
        ctx.save_for_backward(support_size, output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        supp_size, output = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[output == 0] = 0
        v_hat = grad_input.sum(dim=ctx.dim) / supp_size.to(output.dtype).squeeze(ctx.dim)
        v_hat = v_hat.unsqueeze(ctx.dim)
        return torch.where(output != 0, grad_input - v_hat, grad_input), None


class SparsemaxMeansOverAll(Sparsemax):
    @staticmethod
    def backward(ctx, grad_output):
        _, output = ctx.saved_tensors
        grad_input = torch.where(output == 0, torch.zeros_like(grad_output), grad_output)
        return torch.where(output != 0, grad_input - grad_input.mean(ctx.dim, keepdim=True), grad_input), None


class Entmax15(Function):
    @staticmethod
    def forward(ctx, X):
        X = X - X.max(dim=-1, keepdim=True)[0]
        X = X / 2
        Xsrt, _ = torch.sort(X, descending=True, dim=-1)
        rho = _make_ix_like(X, -1)
        mean = Xsrt.cumsum(-1) / rho
        mean_sq = (Xsrt**2).cumsum(-1) / rho
        ss = rho * (mean_sq - mean**2)
        delta = (1 - ss) / rho
        delta_nz = torch.clamp(delta, 0)
        tau = mean - torch.sqrt(delta_nz)
        support_size = (tau <= Xsrt).sum(-1).unsqueeze(-1)
        tau_star = tau.gather(-1, support_size - 1)
        Y = torch.clamp(X - tau_star, min=0) ** 2
        ctx.save_for_backward(Y)
        return Y

    @staticmethod
    @once_differentiable
    def backward(ctx, dY):
        (Y,) = ctx.saved_tensors
        gppr = Y.sqrt()
        dX = dY * gppr
        q = dX.sum(-1) / gppr.sum(-1)
        return dX - q.unsqueeze(-1) * gppr


class Entmax15ForgetsTheNormaliser(Entmax15):
    @staticmethod
    @once_differentiable
    def backward(ctx, dY):
        (Y,) = ctx.saved_tensors
        return dY * Y.sqrt()


class SparsemaxBisect(Function):
    """The threshold by bisection: forward decides by its values, and autograd of its body says nothing of the root."""

    @staticmethod
    def forward(ctx, X, n_iter=50):
        d = X.shape[-1]
        max_val, _ = X.max(dim=-1, keepdim=True)
        tau_lo = max_val - 1
        tau_hi = max_val - 1 / d
        f_lo = torch.clamp(X - tau_lo, min=0).sum(-1) - 1
        dm = tau_hi - tau_lo
        for _ in range(n_iter):
            dm = dm / 2
            tau_m = tau_lo + dm
            p_m = torch.clamp(X - tau_m, min=0)
            f_m = p_m.sum(-1) - 1
            mask = (f_m * f_lo >= 0).unsqueeze(-1)
            tau_lo = torch.where(mask, tau_m, tau_lo)
        p_m = p_m / p_m.sum(dim=-1).unsqueeze(-1)
        ctx.save_for_backward(p_m)
        return p_m

    @staticmethod
    @once_differentiable
    def backward(ctx, dY):
        (Y,) = ctx.saved_tensors
        gppr = (Y > 0).to(dY.dtype)
        dX = dY * gppr
        q = dX.sum(-1) / gppr.sum(-1)
        return dX - q.unsqueeze(-1) * gppr, None


class SparsemaxBisectForgetsTheSupport(SparsemaxBisect):
    @staticmethod
    @once_differentiable
    def backward(ctx, dY):
        return dY - dY.mean(-1, keepdim=True), None


class TopK(Function):
    """Values and indices; the latter have no gradient."""

    @staticmethod
    def forward(ctx, x, k=2):
        values, indices = torch.topk(x, k, dim=-1)
        ctx.save_for_backward(indices)
        ctx.mark_non_differentiable(indices)
        ctx.shape = x.shape
        return values, indices

    @staticmethod
    def backward(ctx, grad_values, _grad_indices):
        (indices,) = ctx.saved_tensors
        grad = grad_values.new_zeros(ctx.shape)
        return grad.scatter(-1, indices, grad_values), None


class CumulativeMax(Function):
    @staticmethod
    def forward(ctx, x):
        values, indices = x.cummax(dim=0)
        ctx.save_for_backward(indices)
        return values

    @staticmethod
    def backward(ctx, g):
        (indices,) = ctx.saved_tensors
        return torch.zeros_like(g).scatter_add(0, indices, g)


class CumulativeMaxOverwrites(CumulativeMax):
    """scatter keeps one of the gradients that arrive at an entry where all of them add up."""

    @staticmethod
    def backward(ctx, g):
        (indices,) = ctx.saved_tensors
        return torch.zeros_like(g).scatter(0, indices, g)


class ScatterMean(Function):
    @staticmethod
    def forward(ctx, src, index, size=3):
        count = torch.zeros(size, dtype=src.dtype).scatter_add_(0, index, torch.ones_like(src[:, 0])).clamp_(min=1)
        out = src.new_zeros(size, src.shape[1])
        out.index_add_(0, index, src)
        ctx.save_for_backward(index, count)
        return out.div_(count[:, None])

    @staticmethod
    def backward(ctx, grad_out):
        index, count = ctx.saved_tensors
        return (grad_out / count[:, None]).index_select(0, index), None, None


class ScatterMeanForgetsTheCount(ScatterMean):
    @staticmethod
    def backward(ctx, grad_out):
        index, _ = ctx.saved_tensors
        return grad_out[index], None, None


class RaggedSoftmax(Function):
    """A softmax over each of several segments of a vector, given by their lengths."""

    @staticmethod
    def forward(ctx, x, lengths=(2, 3, 1)):
        out = torch.zeros_like(x)
        start = 0
        for length in lengths:
            out[start : start + length] = torch.softmax(x[start : start + length], 0)
            start += length
        ctx.save_for_backward(out)
        ctx.lengths = lengths
        return out

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        parts = [
            part * (gpart - (gpart * part).sum())
            for part, gpart in zip(y.split(ctx.lengths), g.split(ctx.lengths), strict=True)
        ]
        return torch.cat(parts), None


class RaggedSoftmaxSumsOverAll(RaggedSoftmax):
    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return y * (g - (g * y).sum()), None


class Chamfer(Function):
    """The two directed squared distances between point sets: an index of the nearest one for each point."""

    @staticmethod
    def forward(ctx, xyz1, xyz2):
        d = ((xyz1[:, None] - xyz2[None]) ** 2).sum(-1)
        dist1, idx1 = d.min(1)
        dist2, idx2 = d.min(0)
        ctx.save_for_backward(xyz1, xyz2, idx1, idx2)
        ctx.mark_non_differentiable(idx1, idx2)
        return dist1, dist2, idx1, idx2

    @staticmethod
    def backward(ctx, graddist1, graddist2, _g1, _g2):
        xyz1, xyz2, idx1, idx2 = ctx.saved_tensors
        one = 2 * graddist1[:, None] * (xyz1 - xyz2[idx1])
        two = 2 * graddist2[:, None] * (xyz2 - xyz1[idx2])
        return one.index_add(0, idx2, -two), two.index_add(0, idx1, -one)


class ChamferIsOneSided(Chamfer):
    @staticmethod
    def backward(ctx, graddist1, graddist2, _g1, _g2):
        xyz1, xyz2, idx1, idx2 = ctx.saved_tensors
        return 2 * graddist1[:, None] * (xyz1 - xyz2[idx1]), 2 * graddist2[:, None] * (xyz2 - xyz1[idx2])
