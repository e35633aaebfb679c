"""Attention, recurrences and alignments: rotary embeddings, tiled softmax, linear attention, scans, soft DTW."""

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Rotary(Function):
    """Rotates pairs of the last axis by angles per position; writes both halves of one buffer."""

    @staticmethod
    def forward(ctx, x, cos, sin):
        half = x.shape[-1] // 2
        x1, x2 = x[..., :half], x[..., half:]
        out = torch.empty_like(x)
        out[..., :half] = x1 * cos - x2 * sin
        out[..., half:] = x2 * cos + x1 * sin
        ctx.save_for_backward(cos, sin)
        return out

    @staticmethod
    def backward(ctx, do):
        cos, sin = ctx.saved_tensors
        half = do.shape[-1] // 2
        d1, d2 = do[..., :half], do[..., half:]
        dx = torch.empty_like(do)
        dx[..., :half] = d1 * cos + d2 * sin
        dx[..., half:] = d2 * cos - d1 * sin
        return dx, None, None


class RotaryTurnsTheSameWay(Rotary):
    @staticmethod
    def backward(ctx, do):
        cos, sin = ctx.saved_tensors
        half = do.shape[-1] // 2
        d1, d2 = do[..., :half], do[..., half:]
        return torch.cat([d1 * cos - d2 * sin, d2 * cos + d1 * sin], -1), None, None


class TiledAttention(Function):
    """softmax(QKᵀ)V with a running maximum and sum over blocks of keys; backward in blocks too."""

    @staticmethod
    def forward(ctx, q, k, v, block: int = 2):
        scale = q.shape[-1] ** -0.5
        o = torch.zeros_like(q)
        row_sums = q.new_zeros(q.shape[0], 1)
        row_maxes = q.new_full((q.shape[0], 1), -torch.finfo(q.dtype).max)
        for kc, vc in zip(k.split(block), v.split(block), strict=True):
            attn = q @ kc.t() * scale
            new_max = torch.maximum(row_maxes, attn.amax(-1, keepdim=True))
            weights = torch.exp(attn - new_max)
            correction = torch.exp(row_maxes - new_max)
            row_sums = correction * row_sums + weights.sum(-1, keepdim=True)
            o.mul_(correction).add_(weights @ vc)
            row_maxes = new_max
        o.div_(row_sums)
        ctx.block, ctx.scale = block, scale
        ctx.save_for_backward(q, k, v, o, row_maxes + row_sums.log())
        return o

    @staticmethod
    @once_differentiable
    def backward(ctx, do):
        q, k, v, o, lse = ctx.saved_tensors
        dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        blocks = zip(*(t.split(ctx.block) for t in (k, v, dk, dv)), strict=True)
        delta = (do * o).sum(dim=-1, keepdim=True)
        for kc, vc, dkc, dvc in blocks:
            p = torch.exp(q @ kc.t() * ctx.scale - lse)
            dvc.add_(p.t() @ do)
            dp = do @ vc.t()
            ds = p * ctx.scale * (dp - delta)
            dq.add_(ds @ kc)
            dkc.add_(ds.t() @ q)
        return dq, dk, dv, None


class TiledAttentionForgetsDelta(TiledAttention):
    @staticmethod
    @once_differentiable
    def backward(ctx, do):
        q, k, v, _, lse = ctx.saved_tensors
        p = torch.exp(q @ k.t() * ctx.scale - lse)
        ds = p * (do @ v.t()) * ctx.scale
        return ds @ k, ds.t() @ q, p.t() @ do, None


class TiledAttentionForgetsTheScale(TiledAttention):
    @staticmethod
    @once_differentiable
    def backward(ctx, do):
        q, k, v, o, lse = ctx.saved_tensors
        p = torch.exp(q @ k.t() * ctx.scale - lse)
        ds = p * (do @ v.t() - (do * o).sum(-1, keepdim=True))
        return ds @ k, ds.t() @ q, p.t() @ do, None


class CausalLinearAttention(Function):
    """out_i = q_i · Σ_{j<=i} k_j v_jᵀ, by a loop over time forwards and one backwards."""

    @staticmethod
    def forward(ctx, q, k, v):
        state = q.new_zeros(k.shape[-1], v.shape[-1])
        out = torch.zeros_like(v)
        for i in range(q.shape[0]):
            state += torch.outer(k[i], v[i])
            out[i] = q[i] @ state
        ctx.save_for_backward(q, k, v)
        return out

    @staticmethod
    def backward(ctx, g):
        q, k, v = ctx.saved_tensors
        kv = torch.cumsum(k[:, :, None] * v[:, None, :], 0)
        dq = torch.einsum("nm,ndm->nd", g, kv)
        qg = torch.flip(torch.cumsum(torch.flip(q[:, :, None] * g[:, None, :], (0,)), 0), (0,))
        return dq, torch.einsum("nm,ndm->nd", v, qg), torch.einsum("nd,ndm->nm", k, qg)


class CausalLinearAttentionSumsTheWrongWay(CausalLinearAttention):
    @staticmethod
    def backward(ctx, g):
        q, k, v = ctx.saved_tensors
        kv = torch.cumsum(k[:, :, None] * v[:, None, :], 0)
        qg = torch.cumsum(q[:, :, None] * g[:, None, :], 0)
        return (
            torch.einsum("nm,ndm->nd", g, kv),
            torch.einsum("nm,ndm->nd", v, qg),
            torch.einsum("nd,ndm->nm", k, qg),
        )


class SelectiveScan(Function):
    """h_t = a_t·h_{t-1} + b_t."""

    @staticmethod
    def forward(ctx, a, b):
        h = torch.zeros_like(b[0])
        hs = []
        for t in range(b.shape[0]):
            h = a[t] * h + b[t]
            hs.append(h)
        hs = torch.stack(hs)
        ctx.save_for_backward(a, hs)
        return hs

    @staticmethod
    def backward(ctx, g):
        a, hs = ctx.saved_tensors
        da, db = [None] * len(g), [None] * len(g)
        carry = torch.zeros_like(g[0])
        for t in reversed(range(len(g))):
            carry = carry + g[t]
            db[t] = carry
            da[t] = carry * (hs[t - 1] if t else torch.zeros_like(carry))
            carry = carry * a[t]
        return torch.stack(da), torch.stack(db)


class SelectiveScanReadsTheWrongState(SelectiveScan):
    @staticmethod
    def backward(ctx, g):
        a, hs = ctx.saved_tensors
        da, db = torch.zeros_like(a), torch.zeros_like(a)
        carry = torch.zeros_like(g[0])
        for t in reversed(range(len(g))):
            carry = carry + g[t]
            db[t] = carry
            da[t] = carry * hs[t]
            carry = carry * a[t]
        return da, db


def softmin(a, b, c, gamma):
    return -gamma * torch.logsumexp(torch.stack([-a / gamma, -b / gamma, -c / gamma]), 0)


class SoftDtw(Function):
    """Soft dynamic time warping of a matrix of distances, by loops over its cells."""

    @staticmethod
    def table(D, gamma):
        n, m = D.shape
        inf = D.new_full((), 1e10)
        R = {(0, 0): torch.zeros_like(inf)}
        R |= {(i, 0): inf for i in range(1, n + 1)} | {(0, j): inf for j in range(1, m + 1)}
        for i in range(1, n + 1):
            for j in range(1, m + 1):
                R[i, j] = D[i - 1, j - 1] + softmin(R[i - 1, j], R[i, j - 1], R[i - 1, j - 1], gamma)
        return R

    @staticmethod
    def forward(ctx, D, gamma=1.0):
        R = SoftDtw.table(D, gamma)
        ctx.save_for_backward(D)
        ctx.gamma = gamma
        return R[D.shape[0], D.shape[1]]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (D,) = ctx.saved_tensors
        R, gamma, (n, m) = SoftDtw.table(D, ctx.gamma), ctx.gamma, D.shape
        E = torch.zeros(n + 2, m + 2, dtype=D.dtype)
        E[n, m] = 1.0
        for i in range(n, 0, -1):
            for j in range(m, 0, -1):
                for di, dj in ((1, 0), (0, 1), (1, 1)):
                    if i + di <= n and j + dj <= m:
                        to = i + di, j + dj
                        weight = torch.exp((R[to] - R[i, j] - D[to[0] - 1, to[1] - 1]) / gamma)
                        E[i, j] += E[to] * weight
        return grad_output * E[1 : n + 1, 1 : m + 1], None


class SoftDtwInNumpy(Function):
    """The table is filled in numpy: forward cannot be followed there."""

    @staticmethod
    def forward(ctx, D, gamma=1.0):
        d = D.detach().cpu().numpy()
        n, m = d.shape
        import numpy as np

        R = np.full((n + 1, m + 1), np.inf)
        R[0, 0] = 0
        for i in range(1, n + 1):
            for j in range(1, m + 1):
                r = np.array([R[i - 1, j - 1], R[i - 1, j], R[i, j - 1]])
                R[i, j] = d[i - 1, j - 1] - gamma * np.log(np.exp(-r / gamma).sum())
        ctx.save_for_backward(D)
        ctx.gamma = gamma
        return torch.tensor(R[n, m], dtype=D.dtype)

    backward = SoftDtw.backward


class SoftDtwForgetsACell(SoftDtw):
    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (D,) = ctx.saved_tensors
        R, gamma, (n, m) = SoftDtw.table(D, ctx.gamma), ctx.gamma, D.shape
        E = torch.zeros(n + 2, m + 2, dtype=D.dtype)
        E[n, m] = 1.0
        for i in range(n, 0, -1):
            for j in range(m, 0, -1):
                for di, dj in ((1, 0), (0, 1)):
                    if i + di <= n and j + dj <= m:
                        to = i + di, j + dj
                        E[i, j] += E[to] * torch.exp((R[to] - R[i, j] - D[to[0] - 1, to[1] - 1]) / gamma)
        return grad_output * E[1 : n + 1, 1 : m + 1], None
