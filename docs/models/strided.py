import torch


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        flat = x.as_strided((x.numel(),), (1,))  # the entries as they lie in memory
        return 2 * flat.view(x.shape) * grad_output


def energy(x):
    return Square.apply(x).sum()
