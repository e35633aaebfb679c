"""Attention."""

from __future__ import annotations

from gradcli.ops.family import Family
from gradcli.ops.record import Op

FAMILY = Family("attention", "torch.nn.functional", kernels="layers")

# A position that may attend to nothing gets zeros: its sum of weights is 0.
WEIGHTS = """m = detach(amax(scores, -1, True))
e = exp(scores - where(m == -inf, 0, m))
total = sum(e, -1, True)
p = e/where(total == 0, 1, total)"""

ATTENTION_OP = f"""k = repeat_interleave(key, query.shape[-3]//key.shape[-3], -3) if enable_gqa else key
v = repeat_interleave(value, query.shape[-3]//value.shape[-3], -3) if enable_gqa else value
scores = einsum("...qd,...kd->...qk", query, k)*(query.shape[-1]**-0.5 if scale is None else scale)
if is_causal:
    scores = masked_fill(scores, logical_not(_causal(query.shape[-2], key.shape[-2])), -inf)
if attn_mask is not None:
    scores = masked_fill(scores, logical_not(attn_mask), -inf) if _is_mask(attn_mask) else scores + attn_mask
{WEIGHTS}
if dropout_p != 0:
    p = _refuse("dropout has no definition: it is random")
einsum("...qk,...kd->...qd", p, v)"""

# The axes are (length, batch, embedding), as in the function itself; heads are split off the embedding.
MULTI_HEAD = f"""batched = query.ndim == 3
q = query if batched else unsqueeze(query, 1)
k = key if batched else unsqueeze(key, 1)
v = value if batched else unsqueeze(value, 1)
length = q.shape[0]; count = q.shape[1]; width = q.shape[2]
if use_separate_proj_weight:
    wq = q_proj_weight; wk = k_proj_weight; wv = v_proj_weight
else:
    wq, wk, wv = chunk(in_proj_weight, 3)
q = einsum("lnd,ed->lne", q, wq); k = einsum("lnd,ed->lne", k, wk); v = einsum("lnd,ed->lne", v, wv)
if in_proj_bias is not None:
    bq, bk, bv = chunk(in_proj_bias, 3)
    q = q + bq; k = k + bk; v = v + bv
if bias_k is not None:
    k = cat([k, expand(bias_k, (1, count, width))]); v = cat([v, expand(bias_v, (1, count, width))])
extra = 0 if bias_k is None else 1
if static_k is not None or static_v is not None:
    q = _refuse("static_k and static_v have no definition yet")
q = reshape(q, (length, count, num_heads, -1)); k = reshape(k, (-1, count, num_heads, width//num_heads))
v = reshape(v, (k.shape[0], count, num_heads, -1))
if add_zero_attn:
    k = pad(k, (0, 0, 0, 0, 0, 0, 0, 1)); v = pad(v, (0, 0, 0, 0, 0, 0, 0, 1)); extra = extra + 1
scores = einsum("qnhd,knhd->nhqk", q, k)*k.shape[-1]**-0.5
if attn_mask is not None:
    mask = reshape(attn_mask, (-1, num_heads, length, k.shape[0] - extra)) if attn_mask.ndim == 3 else attn_mask
    scores = masked_fill(scores, pad(mask, (0, extra)), -inf) if _is_mask(mask) else scores + pad(mask, (0, extra))
if key_padding_mask is not None:
    mask = key_padding_mask if batched else unsqueeze(key_padding_mask, 0)
    mask = unsqueeze(unsqueeze(pad(mask, (0, extra)), 1), 1)
    scores = masked_fill(scores, mask, -inf) if _is_mask(mask) else scores + mask
{WEIGHTS}
if dropout_p != 0 and training:
    p = _refuse("dropout has no definition: it is random")
y = reshape(einsum("nhqk,knhd->qnhd", p, v), (length, count, -1))
y = einsum("lnd,ed->lne", y, out_proj_weight)
y = y if out_proj_bias is None else y + out_proj_bias
y = y if batched else squeeze(y, 1)
shown = mean(p, 1) if average_attn_weights else p
shown = shown if batched else squeeze(shown, 0)
(y, shown if need_weights else None)"""


ATTENTION: tuple[Op, ...] = (
    FAMILY.composite(
        "scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False)",
        ATTENTION_OP,
        "F.scaled_dot_product_attention(q, k, v) | q=2x3x4 k=2x5x4 v=2x5x2",
        "F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3) | q=1x2x3x4 k=1x2x3x4 v=1x2x3x4",
        "F.scaled_dot_product_attention(q, k, v, m > 0) | q=1x3x4 k=1x3x4 v=1x3x4 m=3x3",
        "F.scaled_dot_product_attention(q, k, v, m) | q=1x2x4 k=1x3x4 v=1x3x4 m=2x3",
        "F.scaled_dot_product_attention(q, k, v, enable_gqa=True) | q=1x4x2x3 k=1x2x2x3 v=1x2x2x3",
    ),
    FAMILY.composite(
        "multi_head_attention_forward(query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True, attn_mask=None, use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None, average_attn_weights=True, is_causal=False)",
        MULTI_HEAD,
        "F.multi_head_attention_forward(q, k, v, 4, 2, w, b, None, None, False, 0.0, o, c)[0] | q=3x2x4 k=5x2x4 v=5x2x4 w=12x4 b=12 o=4x4 c=4",
        "F.multi_head_attention_forward(q, k, v, 4, 2, w, None, c, d, True, 0.0, o, None)[0] | q=3x2x4 k=5x2x4 v=5x2x4 w=12x4 c=1x1x4 d=1x1x4 o=4x4",
    ),
    FAMILY.helper("_causal(rows, columns)", "row i may attend to column j if j <= i"),
    FAMILY.helper("_is_mask(value)", "whether a mask holds truth values"),
    FAMILY.helper("_refuse(reason)", "an option that has no definition"),
)
