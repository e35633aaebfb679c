"""PyTorch's functions that choose and place entries, written out in NumPy."""

from __future__ import annotations

import ast
from collections.abc import Mapping

MASKED_FILL = """def _masked_fill(x, mask, value):
    return np.where(mask, value, x)"""
SORT = """def _sort(x, axis=-1, descending=False, stable=False):
    order = np.argsort(-x if descending else x, axis=axis, kind="stable")
    return np.take_along_axis(x, order, axis=axis), order"""
ARGSORT = """def _argsort(x, axis=-1, descending=False, stable=False):
    return np.argsort(-x if descending else x, axis=axis, kind="stable")"""
AMAX = """def _amax(x, axis=None, keepdims=False):
    return x.max(axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)"""
ARGMAX = """def _argmax(x, axis=None, keepdims=False):
    return np.argmax(x, axis=axis, keepdims=keepdims)"""
MAX = """def _max(x, axis=None, keepdims=False):
    if axis is None:
        return x.max()
    return x.max(axis=axis, keepdims=keepdims), x.argmax(axis=axis, keepdims=keepdims)"""
TOPK = """def _topk(x, k, axis=-1, largest=True, sorted=True):
    order = np.argsort(-x if largest else x, axis=axis, kind="stable")
    order = np.take(order, np.arange(k), axis=axis)
    return np.take_along_axis(x, order, axis=axis), order"""
CUMMAX = """def _cummax(x, axis):
    values = np.maximum.accumulate(x, axis=axis)
    shape = [-1 if place == axis % x.ndim else 1 for place in range(x.ndim)]
    places = np.where(x == values, np.arange(x.shape[axis]).reshape(shape), 0)
    return values, np.maximum.accumulate(places, axis=axis)"""
CUMMIN = """def _cummin(x, axis):
    values = np.minimum.accumulate(x, axis=axis)
    shape = [-1 if place == axis % x.ndim else 1 for place in range(x.ndim)]
    places = np.where(x == values, np.arange(x.shape[axis]).reshape(shape), 0)
    return values, np.maximum.accumulate(places, axis=axis)"""
MEDIAN = """def _median(x, axis=None, keepdims=False):
    if axis is None:
        return np.sort(x, axis=None)[(x.size - 1) // 2]
    middle = np.take(np.argsort(x, axis=axis, kind="stable"), [(x.shape[axis] - 1) // 2], axis=axis)
    found = np.take_along_axis(x, middle, axis=axis), middle
    return found if keepdims else tuple(np.squeeze(one, axis) for one in found)"""
GATHER = """def _gather(x, axis, index):
    return np.take_along_axis(x, index, axis=axis)"""
TAKE_ALONG_DIM = """def _take_along_dim(x, indices, axis=None):
    return np.take_along_axis(x, indices, axis=axis)"""
INDEX_SELECT = """def _index_select(x, axis, index):
    return np.take(x, index, axis=axis)"""
MASKED_SELECT = """def _masked_select(x, mask):
    return x[mask]"""
NONZERO = """def _nonzero(x):
    return np.argwhere(x)"""
NAN_TO_NUM = """def _nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)"""
PAD = """def _pad(x, pad, mode="constant", value=0):
    widths = [(0, 0)] * (x.ndim - len(pad) // 2) + [*zip(pad[::2], pad[1::2])][::-1]
    known = {"replicate": "edge", "circular": "wrap"}
    words = {"constant_values": value or 0} if mode == "constant" else {}
    return np.pad(x, widths, known.get(mode, mode), **words)"""
NORM_OF_ORDER = """def _norm_of_order(x, p=2, axis=None, keepdims=False):
    return np.linalg.norm(x.reshape(-1) if axis is None else x, 2 if p in (None, "fro") else p, axis, keepdims)"""
FLATTEN = """def _flatten(x, start=0):
    return x.reshape(*x.shape[: start % x.ndim], -1)"""
CDIST = """def _cdist(x, y, p=2.0):
    return np.linalg.norm(x[..., :, None, :] - y[..., None, :, :], p, axis=-1)"""
CHOOSING: Mapping[str, str] = {
    "masked_fill": MASKED_FILL,
    "sort": SORT,
    "argsort": ARGSORT,
    "amax": AMAX,
    "amin": AMAX.replace("max", "min"),
    "argmax": ARGMAX,
    "argmin": ARGMAX.replace("max", "min"),
    "max": MAX,
    "min": MAX.replace("max", "min"),
    "topk": TOPK,
    "cummax": CUMMAX,
    "cummin": CUMMIN,
    "median": MEDIAN,
    "gather": GATHER,
    "take_along_dim": TAKE_ALONG_DIM,
    "index_select": INDEX_SELECT,
    "masked_select": MASKED_SELECT,
    "nonzero": NONZERO,
    "nan_to_num": NAN_TO_NUM,
    "pad": PAD,
    "flatten": FLATTEN,
    "cdist": CDIST,
    "norm_of_order": NORM_OF_ORDER,
}

LOGCUMSUMEXP = """def _logcumsumexp(x, axis):
    return np.logaddexp.accumulate(x, axis=axis)"""


def with_order(name: str, node: ast.Call) -> str:
    """Return what is called for a function: for a norm of an order, which NumPy's is of matrices, another."""
    has_order = len(node.args) > 1 or any(keyword.arg == "p" for keyword in node.keywords)
    return "norm_of_order" if name == "norm" and has_order else name
