"""Losses of `torch.nn.functional`, each with its reduction."""

from __future__ import annotations

from typing import Any

from gradcli.ops.family import MOVES, Family, kernel
from gradcli.ops.record import Kind, Op

FAMILY = Family("losses", "torch.nn.functional", kernels="layers")


def _loss(signature: str, each: str, *examples: str, domain: dict[str, str] | None = None, **more: Any) -> Op:
    """Return a loss that is reduced over all entries; `each` is a program for the unreduced loss."""
    name = signature.partition("(")[0]
    *setup, value = each.split("; ")
    lines = [
        *setup,
        f"loss = {value}",
        "mean(loss) if reduction == 'mean' else sum(loss) if reduction == 'sum' else loss",
    ]
    examples = examples or (f"F.{name}(x, t) | x=2x3 t=2x3", f"F.{name}(x, t, reduction='sum') | x=2x3 t=2x3")
    return FAMILY.composite(signature, "\n".join(lines), *examples, domain=domain or {}, **more)


# How many classes there are.
CLASSES, LAST = "input.shape[0] if input.ndim == 1 else input.shape[1]", "1 if input.ndim == 0 else input.shape[-1]"
# The entry of each row's own class; an ignored row's weight is 0.
PICKED = """kept = target != ignore_index
index = where(kept, target, 0)
w = kept*1.0 if weight is None else where(kept, weight[index], 0)
loss = where(kept, -w*squeeze(gather(logs, dim, unsqueeze(index, dim)), dim), 0)"""

WEIGHED = "sum(loss)/sum(w) if reduction == 'mean' else sum(loss) if reduction == 'sum' else loss"

CROSS_ENTROPY = f"""dim = 0 if input.ndim == 1 else 1
classes = input.shape[dim]
logs = log_softmax(input, dim)
scales = 1 if weight is None else reshape(weight, _over_channels(input.ndim)) if input.ndim > 1 else weight
if target.shape == input.shape:
    shares = (1 - label_smoothing)*target + label_smoothing/classes if label_smoothing > 0 else target
    loss = -sum(logs*shares*scales, dim)
    y = mean(loss) if reduction == 'mean' else sum(loss) if reduction == 'sum' else loss
else:
    {PICKED.replace(chr(10), chr(10) + "    ")}
    if label_smoothing > 0:
        even = where(kept, -sum(logs*scales, dim), 0)
        loss = (1 - label_smoothing)*loss + label_smoothing/classes*even
    y = {WEIGHED}
y"""

# The probability of every state after each step, in logarithms: from itself, from one before, or from two before.
CTC = """x = log_probs if log_probs.ndim == 3 else unsqueeze(log_probs, 1)
steps = _lengths(input_lengths); count = _lengths(target_lengths)
states = _extended_targets(targets, count, blank)
skips = _may_skip(states, blank)
shortest = _least(steps)
scores = gather(x, 2, expand(unsqueeze(states, 0), (x.shape[0], -1, -1)))
first = arange(states.shape[1]) < 2
alpha = where(first, scores[0], -inf)
for step in range(1, _greatest(steps)):
    one, two = _states_before(alpha, skips, -inf)
    never = _none_of(alpha, one, two)
    moved = where(never, -inf, _any_of(alpha, one, two, _largest(alpha, one, two), never)) + scores[step]
    alpha = moved if step < shortest else where(unsqueeze(steps > step, -1), moved, alpha)
ends = where(_ends(states, count), alpha, -inf)
never = amax(ends, -1) == -inf
loss = where(never, 0 if zero_infinity else inf, -logsumexp(where(unsqueeze(never, -1), 0, ends), -1))
y = mean(loss/clamp_min(count, 1)) if reduction == 'mean' else sum(loss) if reduction == 'sum' else loss
y if log_probs.ndim == 3 or reduction != 'none' else squeeze(y, 0)"""

LOSSES: tuple[Op, ...] = (
    _loss("mse_loss(input, target, *, reduction='mean')", "(input - target)**2"),
    _loss("l1_loss(input, target, *, reduction='mean')", "abs(input - target)"),
    _loss(
        "smooth_l1_loss(input, target, *, reduction='mean', beta=1.0)",
        "_smooth_l1(input - target, beta) if beta > 0 else abs(input - target)",
    ),
    _loss("huber_loss(input, target, *, reduction='mean', delta=1.0)", "delta*_smooth_l1(input - target, delta)"),
    # PyTorch lets no logarithm be below -100, which is that of 3.72e-44.
    _loss(
        "binary_cross_entropy(input, target, weight=None, *, reduction='mean')",
        "y = -(target*log(clamp_min(input, 3.720075976020836e-44)) + (1 - target)*log(clamp_min(1 - input, 3.720075976020836e-44))); y if weight is None else y*weight",
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
    _loss(
        "hinge_embedding_loss(input, target, margin=1.0, *, reduction='mean')",
        "where(target != -1, input, 0) + where(target != 1, relu(margin - input), 0)",
        "F.hinge_embedding_loss(x, detach(sign(t))) | x=2x3 t=2x3",
        "F.hinge_embedding_loss(x, detach(sign(t)), 0.5, reduction='none') | x=2x3 t=2x3",
    ),
    _loss(
        "margin_ranking_loss(input1, input2, target, margin=0, *, reduction='mean')",
        "relu(-target*(input1 - input2) + margin)",
        "F.margin_ranking_loss(x, y, detach(sign(t)), 0.3) | x=4 y=4 t=4",
    ),
    _loss(
        "cosine_embedding_loss(input1, input2, target, margin=0, *, reduction='mean')",
        "c = sum(input1*input2, -1)/sqrt((sum(input1*input1, -1) + 1e-12)*(sum(input2*input2, -1) + 1e-12)); where(target == 1, 1 - c, 0) + where(target == -1, relu(c - margin), 0)",
        "F.cosine_embedding_loss(x, y, detach(sign(t)), 0.1) | x=2x3 y=2x3 t=2",
        "F.cosine_embedding_loss(x, y, tensor(1), reduction='none') | x=3 y=3",
    ),
    _loss(
        "triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-06, swap=False, *, reduction='mean')",
        "near = pairwise_distance(anchor, positive, p, eps); far = pairwise_distance(anchor, negative, p, eps); far = minimum(far, pairwise_distance(positive, negative, p, eps)) if swap else far; relu(margin + near - far)",
        "F.triplet_margin_loss(a, p, n) | a=2x3 p=2x3 n=2x3",
        "F.triplet_margin_loss(a, p, n, swap=True, reduction='sum') | a=2x3 p=2x3 n=2x3",
    ),
    _loss(
        "triplet_margin_with_distance_loss(anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction='mean')",
        "near = pairwise_distance(anchor, positive); far = pairwise_distance(anchor, negative); far = minimum(far, pairwise_distance(positive, negative)) if swap else far; relu(margin + near - far)",
        "F.triplet_margin_with_distance_loss(a, p, n) | a=2x3 p=2x3 n=2x3",
    ),
    _loss(
        "gaussian_nll_loss(input, target, var, full=False, eps=1e-06, reduction='mean')",
        "v = var*ones_like(input) if not is_tensor(var) else unsqueeze(var, -1) if var.ndim < input.ndim and var.ndim > 0 else var; v = clamp_min(v, eps); (log(v) + (input - target)**2/v)/2 + (log(2*tensor(pi))/2 if full else 0)",
        "F.gaussian_nll_loss(x, t, v) | x=2x3 t=2x3 v=2x3",
        "F.gaussian_nll_loss(x, t, v, True, reduction='none') | x=2x3 t=2x3 v=2",
        domain={"var": "(0, inf)"},
    ),
    _loss(
        "poisson_nll_loss(input, target, log_input=True, full=False, *, eps=1e-08, reduction='mean')",
        "y = exp(input) - target*input if log_input else input - target*log(input + eps); y + where(target > 1, target*log(target) - target + log(2*pi*target)/2, 0) if full else y",
        "F.poisson_nll_loss(x, t) | x=2x3 t=2x3",
        "F.poisson_nll_loss(x, t, False, True) | x=2x3 t=2x3",
        domain={"input": "(0, inf)", "target": "(0, inf)"},
    ),
    _loss(
        "multilabel_soft_margin_loss(input, target, weight=None, *, reduction='mean')",
        "y = -(target*logsigmoid(input) + (1 - target)*logsigmoid(-input)); mean(y if weight is None else y*weight, -1)",
        "F.multilabel_soft_margin_loss(x, t) | x=2x3 t=2x3",
        "F.multilabel_soft_margin_loss(x, t, w) | x=2x3 t=2x3 w=3",
        domain={"target": "(0, 1)"},
    ),
    _loss(
        "multi_margin_loss(input, target, p=1, margin=1.0, weight=None, *, reduction='mean')",
        "index = reshape(target, (-1, 1)); x = reshape(input, (-1, 1 if input.ndim == 0 else input.shape[-1])); y = relu(margin - gather(x, 1, index) + x); y = y*y if p == 2 else y; y = y if weight is None else y*weight[index]; y = masked_fill(y, _at_label(index, x.shape[1]), 0); reshape(sum(y, 1)/x.shape[1], target.shape if input.ndim > 1 else ())",
        "F.multi_margin_loss(x, tensor([2, 0])) | x=2x3",
        "F.multi_margin_loss(x, tensor([2, 0]), 2, 0.5, detach(w), reduction='none') | x=2x3 w=3",
        integers=("target",),
        below={"target": LAST},
    ),
    _loss(
        "multilabel_margin_loss(input, target, *, reduction='mean')",
        "x = reshape(input, (1,)) if input.ndim == 0 else input; n = x.shape[-1]; y = relu(1 - unsqueeze(x, -1) + unsqueeze(x, -2)); sum(_label_pairs(reshape(target, x.shape), n)*y, (-2, -1))/n",
        "F.multilabel_margin_loss(x, tensor([[2, 0, -1], [1, -1, 2]])) | x=2x3",
        integers=("target",),
        below={"target": LAST},
    ),
    FAMILY.pointwise(
        "_smooth_l1(difference, beta)",
        "where(difference < -beta, -difference - beta/2, where(difference > beta, difference - beta/2, difference**2/(2*beta)))",
        torch=kernel("general.smooth_l1"),
    ),
    FAMILY.composite(
        "kl_div(input, target, *, reduction='mean', log_target=False)",
        """loss = exp(target)*(target - input) if log_target else xlogy(target, target) - target*input
y = mean(loss) if reduction == 'mean' else sum(loss) if reduction == 'sum' else loss
sum(loss)/input.shape[0] if reduction == 'batchmean' else y""",
        "F.kl_div(x, t, reduction='batchmean') | x=2x3 t=2x3",
        domain={"target": "(0, 1)"},
    ),
    FAMILY.composite(
        "nll_loss(input, target, weight=None, *, ignore_index=-100, reduction='mean')",
        f"""dim = 0 if input.ndim == 1 else 1
logs = input
{PICKED}
{WEIGHED}""",
        "F.nll_loss(log_softmax(x, dim=-1), tensor([2, 0])) | x=2x3",
        "F.nll_loss(x, tensor([2, -100]), detach(w)) | x=2x3 w=3",
        "F.nll_loss(x, tensor([[0, 1], [1, 1]]), ignore_index=0, reduction='sum') | x=2x3x2",
        "F.nll_loss(x, tensor(1), reduction='none') | x=3",
        integers=("target",),
        below={"target": CLASSES},
    ),
    FAMILY.composite(
        "cross_entropy(input, target, weight=None, *, ignore_index=-100, reduction='mean', label_smoothing=0.0)",
        CROSS_ENTROPY,
        "F.cross_entropy(x, tensor([2, 0])) | x=2x3",
        "F.cross_entropy(x, softmax(t, dim=-1)) | x=2x3 t=2x3",
        "F.cross_entropy(x, tensor([2, -100]), detach(w), label_smoothing=0.1) | x=2x3 w=3",
        "F.cross_entropy(x, softmax(t, dim=1), detach(w), label_smoothing=0.2) | x=2x3x2 t=2x3x2 w=3",
        "F.cross_entropy(x, tensor([[0, 1], [1, 1]]), reduction='sum') | x=2x3x2",
        integers=("target",),
        below={"target": CLASSES},
    ),
    FAMILY.composite(
        "linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, weight=None, reduction='mean', ignore_index=None, label_smoothing=0.0, options=None)",
        """classes = linear_weight.shape[0]
w = flatten(linear_weight, 0, -2)
y = einsum("...k,jk->...j", input, w)
y = y if linear_bias is None else y + flatten(linear_bias)
y = reshape(y, _class_axes(input.shape, linear_weight.shape))
cross_entropy(y, target, weight, ignore_index=-100 if ignore_index is None else ignore_index, reduction=reduction, label_smoothing=label_smoothing)""",
        "F.linear_cross_entropy(x, w, tensor([2, 0]), linear_bias=b) | x=2x3 w=4x3 b=4",
        "F.linear_cross_entropy(x, w, tensor([[1, 0], [1, 1]])) | x=2x3 w=3x2x3",
        integers=("target",),
        below={"target": "linear_weight.shape[0]"},
    ),
    FAMILY.composite(
        "ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction='mean', zero_infinity=False)",
        CTC,
        "F.ctc_loss(log_softmax(x, dim=-1), tensor([[1, 2], [2, 2]]), (4, 4), (2, 2)) | x=4x2x3",
        "F.ctc_loss(log_softmax(x, dim=-1), tensor([1, 2, 1]), (3, 4), (2, 1), 0, 'sum') | x=4x2x3",
        integers=(
            "targets",
            "input_lengths",
            "target_lengths",
        ),
    ),
    FAMILY.helper("_at_label(index, classes)", "true at each row's own class"),
    FAMILY.helper("_label_pairs(target, classes)", "how often each pair of a target and another class counts"),
    FAMILY.helper("_class_axes(rows, weight)", "the shape of the classes' scores"),
    FAMILY.helper("_lengths(value)", "lengths as a tensor"),
    FAMILY.helper("_extended_targets(targets, lengths, blank)", "labels with blanks between them"),
    FAMILY.helper("_may_skip(extended, blank)", "states that can be reached from two before"),
    FAMILY.helper("_ends(extended, lengths)", "the last two states of each list of labels"),
    FAMILY.helper("_least(lengths)", "the least of some lengths"),
    FAMILY.helper("_greatest(lengths)", "the greatest of some lengths"),
    FAMILY.helper("_states_before(input, skips, fill)", MOVES, Kind.MOVEMENT),
    FAMILY.helper("_largest(first, second, third)", "the largest of three, a constant; 0 where that is -inf"),
    FAMILY.helper("_none_of(first, second, third)", "where all three are -inf"),
    FAMILY.helper(
        "_any_of(first, second, third, largest, never)",
        "largest + log(exp(first - largest) + exp(second - largest) + exp(third - largest) + never)",
        Kind.POINTWISE,
    ),
    FAMILY.helper("_shifted(input, steps, fill)", MOVES, Kind.MOVEMENT),
)
