"""Linear algebra, complex numbers, images and implicit functions."""

import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class MatrixInverse(Function):
    @staticmethod
    def forward(ctx, A):
        B = torch.linalg.inv(A)
        ctx.save_for_backward(B)
        return B

    @staticmethod
    def backward(ctx, G):
        (B,) = ctx.saved_tensors
        return -B.mT @ G @ B.mT


class MatrixInverseForgetsATranspose(MatrixInverse):
    @staticmethod
    def backward(ctx, G):
        (B,) = ctx.saved_tensors
        return -B.mT @ G @ B


class MatrixSquareRoot(Function):
    """By the coupled iteration of Newton and Schulz; backward solves a Sylvester equation by eigenvectors."""

    @staticmethod
    def forward(ctx, A):
        norm = A.norm()
        eye = torch.eye(A.shape[-1], dtype=A.dtype)
        Y, Z = A / norm, eye
        for _ in range(25):
            T = 0.5 * (3 * eye - Z @ Y)
            Y, Z = Y @ T, T @ Z
        S = Y * norm.sqrt()
        ctx.save_for_backward(S)
        return S

    @staticmethod
    @once_differentiable
    def backward(ctx, G):
        (S,) = ctx.saved_tensors
        n = S.shape[-1]
        eye = torch.eye(n, dtype=S.dtype)
        K = torch.kron(S.mT.contiguous(), eye) + torch.kron(eye, S)
        return torch.linalg.solve(K, G.reshape(-1)).reshape(n, n)


class LogDeterminant(Function):
    @staticmethod
    def forward(ctx, A):
        L = torch.linalg.cholesky(A)
        ctx.save_for_backward(A)
        return 2 * L.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    @staticmethod
    def backward(ctx, g):
        (A,) = ctx.saved_tensors
        return g * torch.linalg.inv(A).mT


class LowRankLinear(Function):
    """x Wᵀ + s·(x Aᵀ) Bᵀ, W frozen."""

    @staticmethod
    def forward(ctx, x, w, a, b, scaling=0.5):
        ctx.save_for_backward(x, w, a, b)
        ctx.scaling = scaling
        return F.linear(x, w) + scaling * F.linear(F.linear(x, a), b)

    @staticmethod
    def backward(ctx, g):
        x, w, a, b = ctx.saved_tensors
        gb = ctx.scaling * g @ b
        return g @ w + gb @ a, None, gb.t() @ x, ctx.scaling * g.t() @ (x @ a.t()), None


class LowRankLinearForgetsTheScaling(LowRankLinear):
    @staticmethod
    def backward(ctx, g):
        x, w, a, b = ctx.saved_tensors
        gb = ctx.scaling * g @ b
        return g @ w + gb @ a, None, gb.t() @ x, g.t() @ (x @ a.t()), None


class TruncatedSvd(Function):
    """The best approximation of a rank by the singular value decomposition, as a straight-through projection."""

    @staticmethod
    def forward(ctx, A, rank: int = 1):
        U, S, Vh = torch.linalg.svd(A, full_matrices=False)
        ctx.save_for_backward(U[:, :rank], Vh[:rank])
        return U[:, :rank] * S[:rank] @ Vh[:rank]

    @staticmethod
    @once_differentiable
    def backward(ctx, G):
        U, Vh = ctx.saved_tensors
        return U @ (U.mT @ G @ Vh.mT) @ Vh, None


class FixedPoint(Function):
    """z = tanh(W z + x) by iteration; the implicit function theorem in backward."""

    @staticmethod
    def forward(ctx, W, x):
        z = torch.zeros_like(x)
        for _ in range(40):
            z = torch.tanh(W @ z + x)
        ctx.save_for_backward(W, z)
        return z

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        W, z = ctx.saved_tensors
        d = 1 - z * z
        J = torch.eye(len(z), dtype=z.dtype) - d[:, None] * W
        u = torch.linalg.solve(J.mT, g)
        return None, u * d


class FixedPointUnrollsOnce(FixedPoint):
    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        _, z = ctx.saved_tensors
        return None, g * (1 - z * z)


class ComplexProduct(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * b.conj(), g * a.conj()


class ComplexProductForgetsToConjugate(ComplexProduct):
    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * b, g * a


class ModRelu(Function):
    """relu(|z| - 1/4)·z/|z| of a complex number."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        r = z.abs()
        return F.relu(r - 0.25) * z / r

    @staticmethod
    def backward(ctx, g):
        (z,) = ctx.saved_tensors
        r = z.abs()
        u = z / r
        radial = (g * u.conj()).real
        inside = (r > 0.25).to(r.dtype)
        return inside * (radial * u + (1 - 0.25 / r) * (g - radial * u))


class FftConvolution(Function):
    """A circular convolution of real signals by their spectra."""

    @staticmethod
    def forward(ctx, u, k):
        n = u.shape[-1]
        ctx.save_for_backward(u, k)
        return torch.fft.irfft(torch.fft.rfft(u, n=n) * torch.fft.rfft(k, n=n), n=n)

    @staticmethod
    def backward(ctx, g):
        u, k = ctx.saved_tensors
        n = u.shape[-1]
        gf = torch.fft.rfft(g, n=n)
        du = torch.fft.irfft(gf * torch.fft.rfft(k, n=n).conj(), n=n)
        dk = torch.fft.irfft(gf * torch.fft.rfft(u, n=n).conj(), n=n)
        return du, dk.sum(0) if k.dim() < u.dim() else dk


class FftConvolutionForgetsToConjugate(FftConvolution):
    @staticmethod
    def backward(ctx, g):
        u, k = ctx.saved_tensors
        n = u.shape[-1]
        gf = torch.fft.rfft(g, n=n)
        du = torch.fft.irfft(gf * torch.fft.rfft(k, n=n), n=n)
        dk = torch.fft.irfft(gf * torch.fft.rfft(u, n=n), n=n)
        return du, dk.sum(0) if k.dim() < u.dim() else dk


class BilinearSample(Function):
    """Reads an image at points given in pixels; integer parts are floors."""

    @staticmethod
    def forward(ctx, image, xy):
        h, w = image.shape
        x, y = xy[:, 0].clamp(0, w - 1 - 1e-3), xy[:, 1].clamp(0, h - 1 - 1e-3)
        x0, y0 = x.floor().long(), y.floor().long()
        fx, fy = x - x0, y - y0
        ctx.save_for_backward(image, xy)
        top = image[y0, x0] * (1 - fx) + image[y0, x0 + 1] * fx
        low = image[y0 + 1, x0] * (1 - fx) + image[y0 + 1, x0 + 1] * fx
        return top * (1 - fy) + low * fy

    @staticmethod
    def backward(ctx, g):
        image, xy = ctx.saved_tensors
        h, w = image.shape
        x, y = xy[:, 0].clamp(0, w - 1 - 1e-3), xy[:, 1].clamp(0, h - 1 - 1e-3)
        x0, y0 = x.floor().long(), y.floor().long()
        fx, fy = x - x0, y - y0
        grad = torch.zeros_like(image)
        for dy, wy in ((0, 1 - fy), (1, fy)):
            for dx, wx in ((0, 1 - fx), (1, fx)):
                grad.index_put_((y0 + dy, x0 + dx), g * wy * wx, accumulate=True)
        a, b = image[y0, x0], image[y0, x0 + 1]
        c, d = image[y0 + 1, x0], image[y0 + 1, x0 + 1]
        gx = ((b - a) * (1 - fy) + (d - c) * fy) * ((xy[:, 0] > 0) & (xy[:, 0] < w - 1 - 1e-3))
        gy = ((c - a) * (1 - fx) + (d - b) * fx) * ((xy[:, 1] > 0) & (xy[:, 1] < h - 1 - 1e-3))
        return grad, torch.stack([g * gx, g * gy], 1)


class BilinearSampleKeepsTheLast(BilinearSample):
    """Points that share a pixel: without accumulate only one of them counts."""

    @staticmethod
    def backward(ctx, g):
        image, xy = ctx.saved_tensors
        h, w = image.shape
        x, y = xy[:, 0].clamp(0, w - 1 - 1e-3), xy[:, 1].clamp(0, h - 1 - 1e-3)
        x0, y0 = x.floor().long(), y.floor().long()
        fx, fy = x - x0, y - y0
        grad = torch.zeros_like(image)
        for dy, wy in ((0, 1 - fy), (1, fy)):
            for dx, wx in ((0, 1 - fx), (1, fx)):
                grad[y0 + dy, x0 + dx] += g * wy * wx
        return grad, BilinearSample.backward(ctx, g)[1]


class ReversibleBlock(Function):
    """y1 = x1 + f(x2), y2 = x2 + g(y1); backward rebuilds the inputs and differentiates the halves again."""

    @staticmethod
    def forward(ctx, x, w, v):
        with torch.no_grad():
            x1, x2 = x.chunk(2, -1)
            y1 = x1 + torch.tanh(x2 @ w)
            y2 = x2 + torch.tanh(y1 @ v)
            y = torch.cat([y1, y2], -1)
        ctx.save_for_backward(y, w, v)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        y, w, v = ctx.saved_tensors
        y1, y2 = y.chunk(2, -1)
        d1, d2 = dy.chunk(2, -1)
        with torch.enable_grad():
            y1, v = y1.detach().requires_grad_(), v.detach().requires_grad_()
            gy1 = torch.tanh(y1 @ v)
            g1, gv = torch.autograd.grad(gy1, (y1, v), d2)
        d1 = d1 + g1
        x2 = (y2 - gy1).detach()
        with torch.enable_grad():
            x2, w = x2.requires_grad_(), w.detach().requires_grad_()
            g2, gw = torch.autograd.grad(torch.tanh(x2 @ w), (x2, w), d1)
        return torch.cat([d1, d2 + g2], -1), gw, gv


class ReversibleBlockForgetsAPath(ReversibleBlock):
    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        y, w, v = ctx.saved_tensors
        y1, y2 = y.chunk(2, -1)
        d1, d2 = dy.chunk(2, -1)
        t = torch.tanh(y1 @ v)
        x2 = y2 - t
        gv = y1.t() @ (d2 * (1 - t * t))
        s = torch.tanh(x2 @ w)
        h = d1 * (1 - s * s)
        return torch.cat([d1, d2 + h @ w.t()], -1), x2.t() @ h, gv


class RootByEigenvectors(Function):
    @staticmethod
    def forward(ctx, A):
        values, vectors = torch.linalg.eigh(A)
        root = vectors @ torch.diag_embed(values.sqrt()) @ vectors.mT
        ctx.save_for_backward(root)
        return root

    @staticmethod
    @once_differentiable
    def backward(ctx, G):
        values, vectors = torch.linalg.eigh(ctx.saved_tensors[0])
        solved = vectors.mT @ G @ vectors / (values.unsqueeze(-1) + values.unsqueeze(-2))
        H = vectors @ solved @ vectors.mT
        return (H + H.mT) / 2


class RootByEigenvectorsForgetsToSolve(RootByEigenvectors):
    @staticmethod
    @once_differentiable
    def backward(ctx, G):
        return torch.linalg.inv(2 * ctx.saved_tensors[0]) @ G


class Chamfer(Function):
    """PyTorch has no second derivative of cdist; this backward can be differentiated."""

    @staticmethod
    def forward(ctx, a, b):
        squares = torch.cdist(a, b) ** 2
        (there, i), (back, j) = squares.min(1), squares.min(0)
        ctx.save_for_backward(a, b, i, j)
        return there.sum() + back.sum()

    @staticmethod
    def backward(ctx, g):
        a, b, i, j = ctx.saved_tensors
        there, back = 2 * (a - b[i]), 2 * (b - a[j])
        ga = there.index_add(0, j, -back)
        gb = back.index_add(0, i, -there)
        return g * ga, g * gb


class Unique(Function):
    """PyTorch has no derivative of unique."""

    @staticmethod
    def forward(ctx, x):
        values, places, counts = torch.unique(x, return_inverse=True, return_counts=True)
        ctx.save_for_backward(places, counts)
        return values

    @staticmethod
    def backward(ctx, g):
        places, counts = ctx.saved_tensors
        return g[places] / counts[places]


class UniqueForgetsToSort(Unique):
    @staticmethod
    def backward(ctx, g):
        return g


class Patches(Function):
    @staticmethod
    def forward(ctx, x, w):
        columns = F.unfold(x, w.shape[-1])
        ctx.save_for_backward(x, w)
        side = x.shape[-1] - w.shape[-1] + 1
        return (w.flatten(1) @ columns).unflatten(-1, (side, side))

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        flat, columns = g.flatten(2), F.unfold(x, w.shape[-1])
        gx = F.fold(w.flatten(1).t() @ flat, x.shape[2:], w.shape[-1])
        return gx, torch.einsum("nol,nkl->ok", flat, columns).reshape(w.shape)


class SparseProduct(Function):
    @staticmethod
    def forward(ctx, indices, values, shape, b):
        a = torch.sparse_coo_tensor(indices, values, shape)
        ctx.save_for_backward(indices, values, b)
        ctx.shape = shape
        return torch.matmul(a, b)

    @staticmethod
    def backward(ctx, g):
        indices, values, b = ctx.saved_tensors
        a = torch.sparse_coo_tensor(indices, values, ctx.shape)
        return None, g.matmul(b.t())[indices[0], indices[1]], None, a.t().matmul(g)


class SparseProductReadsColumnsFirst(SparseProduct):
    @staticmethod
    def backward(ctx, g):
        indices, _, b = ctx.saved_tensors
        _, _, _, gradient = SparseProduct.backward(ctx, g)
        return None, g.matmul(b.t())[indices[1], indices[0]], None, gradient


class SparseProductKeepsTheMatrix(Function):
    @staticmethod
    def forward(ctx, indices, values, shape, b):
        a = torch.sparse_coo_tensor(indices, values, shape)
        ctx.save_for_backward(a, b)
        return torch.matmul(a, b)

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        rows, columns = a._indices()
        return None, g.matmul(b.t())[rows, columns], None, a.t().matmul(g)


class SparseProductHoldsTheMatrix(Function):
    @staticmethod
    def forward(ctx, indices, values, shape, b):
        ctx.a = torch.sparse_coo_tensor(indices, values, shape)
        ctx.save_for_backward(indices, b)
        return torch.matmul(ctx.a, b)

    @staticmethod
    def backward(ctx, g):
        (rows, columns), b = ctx.saved_tensors
        return None, g.matmul(b.t())[rows, columns], None, ctx.a.t().matmul(g)
