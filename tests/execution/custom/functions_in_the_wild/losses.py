"""Losses as repositories write them: with numbers as arguments, integer labels, sorting, loops over time."""

import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class SigmoidFocalLoss(Function):
    @staticmethod
    def forward(ctx, logits, targets, gamma=2.0, alpha=0.25):
        ctx.save_for_backward(logits, targets)
        ctx.gamma = gamma
        ctx.alpha = alpha
        p = torch.sigmoid(logits)
        term1 = (1 - p) ** gamma * F.logsigmoid(logits)
        term2 = p**gamma * F.logsigmoid(-logits)
        return -alpha * targets * term1 - (1 - alpha) * (1 - targets) * term2

    @staticmethod
    def backward(ctx, grad_output):
        logits, targets = ctx.saved_tensors
        gamma, alpha = ctx.gamma, ctx.alpha
        p = torch.sigmoid(logits)
        g1 = (1 - p) ** gamma * (1 - p - gamma * p * F.logsigmoid(logits))
        g2 = p**gamma * (gamma * (1 - p) * F.logsigmoid(-logits) - p)
        grad = -alpha * targets * g1 - (1 - alpha) * (1 - targets) * g2
        return grad * grad_output, None, None, None


class SigmoidFocalLossForgetsTheModulation(SigmoidFocalLoss):
    @staticmethod
    def backward(ctx, grad_output):
        logits, targets = ctx.saved_tensors
        p = torch.sigmoid(logits)
        g1 = (1 - p) ** ctx.gamma * (1 - p)
        g2 = -(p**ctx.gamma) * p
        grad = -ctx.alpha * targets * g1 - (1 - ctx.alpha) * (1 - targets) * g2
        return grad * grad_output, None, None, None


class DiceLoss(Function):
    @staticmethod
    def forward(ctx, input, target, smooth=1.0):
        ctx.save_for_backward(input, target)
        ctx.smooth = smooth
        inter = torch.dot(input.reshape(-1), target.reshape(-1))
        union = torch.sum(input) + torch.sum(target)
        return 1 - (2.0 * inter + smooth) / (union + smooth)

    @staticmethod
    def backward(ctx, grad_output):
        input, target = ctx.saved_tensors
        inter = (input * target).sum()
        union = input.sum() + target.sum() + ctx.smooth
        grad_input = grad_target = None
        if ctx.needs_input_grad[0]:
            grad_input = -grad_output * (2 * target * union - 2 * inter - ctx.smooth) / (union * union)
        if ctx.needs_input_grad[1]:
            grad_target = -grad_output * (2 * input * union - 2 * inter - ctx.smooth) / (union * union)
        return grad_input, grad_target, None


class DiceLossHasNoGradientForTheTarget(DiceLoss):
    @staticmethod
    def backward(ctx, grad_output):
        return DiceLoss.backward(ctx, grad_output)[0], None, None


class LabelSmoothingCrossEntropy(Function):
    """The mean over a batch, labels as integers, the gradient in place in the softmax."""

    @staticmethod
    def forward(ctx, logits, labels, smoothing: float = 0.1):
        log_probs = F.log_softmax(logits, dim=-1)
        nll = -log_probs.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
        loss = (1 - smoothing) * nll - smoothing * log_probs.mean(-1)
        ctx.save_for_backward(logits, labels)
        ctx.smoothing = smoothing
        return loss.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        logits, labels = ctx.saved_tensors
        n, classes = logits.shape
        grad = torch.softmax(logits, -1)
        grad -= ctx.smoothing / classes
        grad[torch.arange(n), labels] -= 1 - ctx.smoothing
        grad *= grad_output / n
        return grad, None, None


class LabelSmoothingForgetsTheMean(LabelSmoothingCrossEntropy):
    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        logits, labels = ctx.saved_tensors
        grad = torch.softmax(logits, -1) - ctx.smoothing / logits.shape[1]
        grad.scatter_add_(1, labels[:, None], torch.full_like(grad[:, :1], ctx.smoothing - 1))
        return grad * grad_output, None, None


class FusedCrossEntropy(Function):
    """The gradient is computed in forward, as fused kernels do, and scaled in backward."""

    @staticmethod
    def forward(ctx, x, weight, target):
        logits = x @ weight.t()
        lse = torch.logsumexp(logits, dim=-1)
        loss = (lse - logits.gather(1, target[:, None]).squeeze(1)).sum()
        grad = torch.exp(logits - lse[:, None])
        grad.scatter_add_(1, target[:, None], -torch.ones_like(grad[:, :1]))
        ctx.save_for_backward(grad @ weight, grad.t() @ x)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        grad_x, grad_w = ctx.saved_tensors
        return grad_x * grad_output, grad_w * grad_output, None


class FusedCrossEntropyIgnoresGradOutput(FusedCrossEntropy):
    """Right only where the loss is what backward is called on."""

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        return (*ctx.saved_tensors, None)


def lovasz_grad(gt_sorted):
    gts = gt_sorted.sum()
    intersection = gts - gt_sorted.cumsum(0)
    union = gts + (1 - gt_sorted).cumsum(0)
    jaccard = 1.0 - intersection / union
    jaccard[1:] = jaccard[1:] - jaccard[:-1].clone()
    return jaccard


class LovaszHinge(Function):
    """Binary labels, 0 or 1; the order of the errors is a constant."""

    @staticmethod
    def forward(ctx, logits, labels):
        signs = 2.0 * labels - 1.0
        errors = 1.0 - logits * signs
        errors_sorted, perm = torch.sort(errors, dim=0, descending=True)
        grad = lovasz_grad(labels[perm].to(logits.dtype))
        ctx.save_for_backward(logits, labels)
        return torch.dot(F.relu(errors_sorted), grad)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        logits, labels = ctx.saved_tensors
        signs = 2.0 * labels - 1.0
        errors_sorted, perm = torch.sort(1.0 - logits * signs, dim=0, descending=True)
        grad = lovasz_grad(labels[perm].to(logits.dtype)) * (errors_sorted > 0)
        out = torch.empty_like(logits)
        out[perm] = grad
        return -signs * out * grad_output, None


class LovaszHingeForgetsToUnsort(LovaszHinge):
    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        logits, labels = ctx.saved_tensors
        signs = 2.0 * labels - 1.0
        errors_sorted, perm = torch.sort(1.0 - logits * signs, dim=0, descending=True)
        grad = lovasz_grad(labels[perm].to(logits.dtype)) * (errors_sorted > 0)
        return -signs * grad * grad_output, None


class TverskyLoss(Function):
    @staticmethod
    def forward(p, t, alpha: float = 0.3, beta: float = 0.7):
        tp, fp, fn = (p * t).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
        return 1 - (tp + 1) / (tp + alpha * fp + beta * fn + 1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        p, t, ctx.alpha, ctx.beta = inputs
        ctx.save_for_backward(p, t)

    @staticmethod
    def backward(ctx, g):
        p, t = ctx.saved_tensors
        tp, fp, fn = (p * t).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
        d = tp + ctx.alpha * fp + ctx.beta * fn + 1
        dp = -(t * d - (tp + 1) * (t + ctx.alpha * (1 - t) - ctx.beta * t)) / d**2
        dt = -(p * d - (tp + 1) * (p - ctx.alpha * p + ctx.beta * (1 - p))) / d**2
        return g * dp, g * dt, None, None


class HuberLoss(Function):
    @staticmethod
    def forward(ctx, pred, target, delta):
        diff = pred - target
        ctx.save_for_backward(diff)
        ctx.delta = delta
        small = diff.abs() <= delta
        return torch.where(small, 0.5 * diff * diff, delta * (diff.abs() - 0.5 * delta)).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (diff,) = ctx.saved_tensors
        grad = diff.clamp(-ctx.delta, ctx.delta) / diff.numel() * grad_output
        return grad, -grad, None


class HuberLossIsAsSteepBeyond(HuberLoss):
    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (diff,) = ctx.saved_tensors
        grad = torch.where(diff.abs() <= ctx.delta, diff, diff.sign()) / diff.numel() * grad_output
        return grad, -grad, None


class Ctc(Function):
    """-log of the probability of one labelling, by the forward and backward recursions over time."""

    @staticmethod
    def extended(labels, blank=0):
        return [blank] + [item for label in labels for item in (label, blank)]

    @staticmethod
    def alphas(log_probs, path):
        rows, minus_inf = [], log_probs.new_full((), -float("inf"))
        for t in range(log_probs.shape[0]):
            row = []
            for s, label in enumerate(path):
                if t == 0:
                    total = log_probs[0, label] if s < 2 else minus_inf
                else:
                    found = [rows[-1][s]] + ([rows[-1][s - 1]] if s else [])
                    if s > 1 and label != 0 and label != path[s - 2]:
                        found.append(rows[-1][s - 2])
                    total = log_probs[t, label] + torch.logsumexp(torch.stack(found), 0)
                row.append(total)
            rows.append(row)
        return rows

    @staticmethod
    def forward(ctx, logits, labels=(1, 2)):
        path = Ctc.extended(labels)
        log_probs = torch.log_softmax(logits, -1)
        rows = Ctc.alphas(log_probs, path)
        ctx.path = path
        ctx.save_for_backward(logits)
        return -torch.logaddexp(rows[-1][-1], rows[-1][-2])

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (logits,) = ctx.saved_tensors
        log_probs = torch.log_softmax(logits, -1)
        forwards = torch.stack([torch.stack(row) for row in Ctc.alphas(log_probs, ctx.path)])
        backwards = Ctc.alphas(log_probs.flip(0), ctx.path[::-1])
        backwards = torch.stack([torch.stack(row) for row in backwards]).flip(0, 1)
        total = torch.logaddexp(forwards[-1, -1], forwards[-1, -2])
        occupied = torch.exp(forwards + backwards - log_probs[:, ctx.path] - total)
        grad = log_probs.exp()
        grad.index_add_(1, torch.tensor(ctx.path), -occupied)
        return grad * grad_output, None
