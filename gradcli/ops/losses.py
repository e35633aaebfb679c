"""Losses of `torch.nn.functional`, each with its reduction."""

from __future__ import annotations

from gradcli.ops.record import Kind, Op


def _loss(signature: str, each: str, *examples: str, domain: dict[str, str] | None = None) -> Op:
    """Return a loss that is reduced over all entries; `each` is a program for the unreduced loss."""
    name = signature.partition("(")[0]
    *setup, value = each.split("; ")
    lines = [
        *setup,
        f"loss = {value}",
        "mean(loss) if reduction == 'mean' else sum(loss) if reduction == 'sum' else loss",
    ]
    examples = examples or (f"F.{name}(x, t) | x=2x3 t=2x3", f"F.{name}(x, t, reduction='sum') | x=2x3 t=2x3")
    return Op(
        signature,
        f"torch.nn.functional.{name}",
        Kind.COMPOSITE,
        "\n".join(lines),
        "losses",
        examples=examples,
        domain=domain or {},
    )


LOSSES: tuple[Op, ...] = (
    _loss("mse_loss(input, target, *, reduction='mean')", "(input - target)**2"),
    _loss("l1_loss(input, target, *, reduction='mean')", "abs(input - target)"),
    _loss(
        "smooth_l1_loss(input, target, *, reduction='mean', beta=1.0)",
        "_smooth_l1(input - target, beta) if beta > 0 else abs(input - target)",
    ),
    _loss("huber_loss(input, target, *, reduction='mean', delta=1.0)", "delta*_smooth_l1(input - target, delta)"),
    _loss(
        "binary_cross_entropy(input, target, weight=None, *, reduction='mean')",
        "y = -(target*clamp_min(log(input), -100) + (1 - target)*clamp_min(log(1 - input), -100)); y if weight is None else y*weight",
        domain={"input": "(0, 1)", "target": "(0, 1)"},
    ),
    _loss(
        "binary_cross_entropy_with_logits(input, target, weight=None, *, reduction='mean', pos_weight=None)",
        "p = 1 if pos_weight is None else pos_weight; y = (1 - target)*input - (1 + (p - 1)*target)*logsigmoid(input); y if weight is None else y*weight",
        domain={"target": "(0, 1)"},
    ),
    _loss(
        "soft_margin_loss(input, target, *, reduction='mean')",
        "logaddexp(-target*input, 0*input)",
        "F.soft_margin_loss(x, detach(sign(t))) | x=2x3 t=2x3",
    ),
    Op(
        "_smooth_l1(difference, beta)",
        "gradcli.execution.kernels.smooth_l1",
        Kind.POINTWISE,
        "where(difference < -beta, -difference - beta/2, where(difference > beta, difference - beta/2, difference**2/(2*beta)))",
        "losses",
    ),
    Op(
        "kl_div(input, target, *, reduction='mean', log_target=False)",
        "torch.nn.functional.kl_div",
        Kind.COMPOSITE,
        """loss = exp(target)*(target - input) if log_target else xlogy(target, target) - target*input
y = mean(loss) if reduction == 'mean' else sum(loss) if reduction == 'sum' else loss
sum(loss)/input.shape[0] if reduction == 'batchmean' else y""",
        "losses",
        domain={"target": "(0, 1)"},
        examples=("F.kl_div(x, t, reduction='batchmean') | x=2x3 t=2x3",),
    ),
    Op(
        "nll_loss(input, target, *, reduction='mean')",
        "torch.nn.functional.nll_loss",
        Kind.COMPOSITE,
        """loss = -squeeze(gather(input, -1, unsqueeze(target, -1)), -1)
mean(loss) if reduction == 'mean' else sum(loss) if reduction == 'sum' else loss""",
        "losses",
        examples=("F.nll_loss(log_softmax(x, dim=-1), tensor([2, 0])) | x=2x3",),
    ),
    Op(
        "cross_entropy(input, target, *, reduction='mean')",
        "torch.nn.functional.cross_entropy",
        Kind.COMPOSITE,
        """logs = log_softmax(input, -1)
loss = -sum(logs*target, -1) if target.ndim == input.ndim else -squeeze(gather(logs, -1, unsqueeze(target, -1)), -1)
mean(loss) if reduction == 'mean' else sum(loss) if reduction == 'sum' else loss""",
        "losses",
        examples=("F.cross_entropy(x, tensor([2, 0])) | x=2x3", "F.cross_entropy(x, softmax(t, dim=-1)) | x=2x3 t=2x3"),
    ),
)
