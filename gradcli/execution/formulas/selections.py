"""Definitions of what writes or picks entries at indices, as textbooks have them: by one-hot tensors of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from gradcli.execution.forward.trace import TracedTensor

Arguments = Mapping[str, Any]
REDUCED = {"mean": "sum(loss)/total", "sum": "sum(loss)", "none": "loss"}
LETTERS = "abcdefghijklm"
# Among a call's arguments: the tensors that the program spells out.
SPELLED = "spelled"


def added(given: Arguments) -> str | None:
    """Return `index_add`: the rows of a source, each at its index."""
    shape, dim = given["input"].tensor.shape, given["dim"]
    if not shape or given["index"].tensor.ndim != 1:
        return None
    out = LETTERS[: len(shape)]
    rows = out.replace(out[dim], "z")
    return _written(given, f"{given['alpha']}*", f"{rows},z{out[dim]}->{out}", "source")


def scattered(given: Arguments) -> str | None:
    """Return `scatter_add`, of an index that has the source's shape, and all of the other axes."""
    shape, dim, index = given["input"].tensor.shape, given["dim"], given["index"].tensor
    others = [size for axis, size in enumerate(shape) if axis != dim % len(shape)] if shape else None
    own = [size for axis, size in enumerate(index.shape) if axis != dim % len(shape)] if shape else ()
    if others != own or index.shape != given["src"].tensor.shape:
        return None
    out = LETTERS[: len(shape)]
    source = out.replace(out[dim], "z")
    return _written(given, "", f"{source},{source}{out[dim]}->{out}", "src")


def put(given: Arguments) -> str | None:
    """Return `index_put` at a mask, or at rows that are told by an index."""
    first, *others = given["indices"]
    if others or given["accumulate"] or not isinstance(first, TracedTensor) or first in given[SPELLED]:
        return None
    index, whole, values = first.tensor, given["input"].tensor, given["values"].tensor
    if index.dtype is torch.bool:
        is_plain = index.shape == whole.shape and not values.ndim
        return "where(indices[0], values, input)" if is_plain else None
    if index.ndim != 1 or bool((index < 0).any()) or index.unique().numel() < index.numel():
        return None
    out = LETTERS[: whole.ndim]
    rows = f"broadcast_to(values, {(*index.shape, *whole.shape[1:])})"
    written = f'einsum("z{out[1:]},z{out[0]}->{out}", {rows}, one_hot(indices[0], input.shape[0])*1.0)'
    told = f"[{', '.join([':', *['None'] * (whole.ndim - 1)])}]" if whole.ndim > 1 else ""
    return f"h = sum(one_hot(indices[0], input.shape[0]), 0){told}\nwhere(h > 0, 0, input) + {written}"


def filled(given: Arguments) -> str | None:
    """Return `index_fill`: the rows at an index have another value."""
    rows = _rows_at(given)
    return None if rows is None else f"{rows}where(h > 0, value, input)"


def copied(given: Arguments) -> str | None:
    """Return `index_copy`: the rows at an index are those of a source, each once."""
    rows, index = _rows_at(given), given["index"].tensor
    if rows is None or index.unique().numel() < index.numel():
        return None
    out = LETTERS[: given["input"].tensor.ndim]
    places = f"{out.replace(out[given['dim']], 'z')},z{out[given['dim']]}->{out}"
    return f'{rows}where(h > 0, 0, input) + einsum("{places}", source, one_hot(index, input.shape[dim])*1.0)'


def _rows_at(given: Arguments) -> str | None:
    """Return what says how often an index names each row: h, with an axis of length 1 for each axis after it."""
    index, axes = given["index"].tensor, given["input"].tensor.ndim
    if not axes or index.ndim != 1 or bool((index < 0).any()):
        return None
    behind = axes - 1 - given["dim"] % axes
    told = f"[{', '.join([':', *['None'] * behind])}]" if behind else ""
    return f"h = sum(one_hot(index, input.shape[dim]), 0){told}\n"


def overwritten(given: Arguments) -> str | None:
    """Return `scatter` of an index that has the source's shape, all of the other axes, and no entry twice."""
    source, index = given.get("src"), given["index"].tensor
    if not isinstance(source, TracedTensor) or scattered({**given, "src": source}) is None or bool((index < 0).any()):
        return None
    dim, axes = given["dim"], given["input"].tensor.ndim
    ordered = index.sort(dim).values
    if bool((ordered.diff(dim=dim) == 0).any()):
        return None
    out = LETTERS[:axes]
    letters = out.replace(out[dim], "z")
    written = f'einsum("{letters},{letters}{out[dim]}->{out}", src, one_hot(index, input.shape[dim])*1.0)'
    kept = "movedim(where(sum(one_hot(index, input.shape[dim]), dim) > 0, 0, movedim(input, dim, -1)), -1, dim)"
    return f"{kept} + {written}"


def taken(given: Arguments) -> str | None:
    """Return `take` of what is no vector, at places that are data: of its entries in their order."""
    is_read = given["input"].tensor.ndim == 1 or given["index"] in given[SPELLED]
    return None if is_read else "take(reshape(input, (-1,)), index)"


def bagged(given: Arguments) -> str | None:
    """Return `embedding_bag` of bags of one length, a row of indices each."""
    index, table = given["input"], given["weight"]
    if isinstance(given["offsets"], TracedTensor):
        return _bagged_by_offsets(given)
    is_plain = given["offsets"] is None and given["padding_idx"] is None and given["max_norm"] is None
    if not is_plain or given["scale_grad_by_freq"] or not isinstance(index, TracedTensor) or not _is_of_labels(index):
        return None
    if table.tensor.ndim != 2 or index.tensor.ndim != 2 or bool((index.tensor < 0).any()):  # noqa: PLR2004 (matrices)
        return None
    if given["per_sample_weights"] is not None:
        return 'einsum("bl,bln,nd->bd", per_sample_weights, one_hot(input, weight.shape[0])*1.0, weight)'
    return {
        "sum": "sum(weight[input], 1)",
        "mean": "sum(weight[input], 1)/input.shape[1]",
        "max": "k = argmax(detach(weight)[input], 1); squeeze(gather(weight[input], 1, unsqueeze(k, 1)), 1)",
    }[given["mode"]]


def _bagged_by_offsets(given: Arguments) -> str | None:
    """Return `embedding_bag` of bags that begin at places which the program spells out."""
    index, offsets = given["input"], given["offsets"]
    is_plain = given["padding_idx"] is None and given["max_norm"] is None and not given["scale_grad_by_freq"]
    is_known = is_plain and offsets in given[SPELLED] and given["mode"] != "max" and _is_of_labels(index)
    if not is_known or bool((index.tensor < 0).any()):
        return None
    starts = offsets.tensor.tolist()
    ends = [*starts[1:], index.tensor.numel()]
    bags = [*zip(starts, ends, strict=True)][: len(starts) - bool(given["include_last_offset"])]
    share = {start: 1 / max(end - start, 1) if given["mode"] == "mean" else 1.0 for start, end in bags}
    rows = [[share[start] * (start <= place < end) for place in range(index.tensor.numel())] for start, end in bags]
    weights = "" if given["per_sample_weights"] is None else "per_sample_weights, "
    equation = '"bi,ir,rd->bd"' if not weights else '"bi,i,ir,rd->bd"'
    return f"einsum({equation}, tensor({rows}), {weights}one_hot(input, weight.shape[0])*1.0, weight)"


def margins(given: Arguments) -> str | None:
    """Return `multi_margin_loss`: of every other class, by how much its score is not far enough below the label's."""
    target, scores = given["target"], given["input"].tensor
    if not _is_of_labels(target) or scores.ndim != 2 or given["p"] not in {1, 2}:  # noqa: PLR2004 (a row a sample)
        return None
    lines = ["labels = one_hot(target, input.shape[1])*1.0", "own = sum(input*labels, 1)[:, None]"]
    weighed = "" if given["weight"] is None else "*detach(weight)[target][:, None]"
    power = "" if given["p"] == 1 else f"**{given['p']}"
    lines += [f"y = relu(margin - own + input){power}*(1 - labels){weighed}", "total = target.numel()"]
    return "\n".join([*lines, "loss = sum(y, 1)/input.shape[1]", REDUCED[given["reduction"]]])


def _written(given: Arguments, factor: str, equation: str, source: str) -> str | None:
    if bool((given["index"].tensor < 0).any()):
        return None
    return f'input + {factor}einsum("{equation}", {source}, one_hot(index, input.shape[dim])*1.0)'


def picked(given: Arguments) -> str | None:
    """Return the sum over classes that labels pick, of the logarithms in `logs`: `one_hot` is 1 at the label."""
    target, scores = given["target"], given["input"].tensor
    if not _is_of_labels(target) or scores.ndim != target.tensor.ndim + 1:
        return None
    classes = 0 if scores.ndim == 1 else 1
    has_weight, ignored = given["weight"] is not None, given["ignore_index"]
    is_whole = not bool((target.tensor == ignored).any())
    label = "target" if is_whole else f"where(target == {ignored}, 0, target)"
    weighed = "*detach(weight)" if has_weight else ""
    lines = [f"labels = one_hot({label}, input.shape[{classes}])*1.0{weighed}"]
    counted = f"detach(weight)[{label}]" if has_weight else "1.0"
    counted = counted if is_whole else f"where(target == {ignored}, 0, {counted})"
    lines.append("total = target.numel()" if counted == "1.0" else f"total = sum({counted})")
    if smoothing := given.get("label_smoothing"):
        share = f"{smoothing!r}/input.shape[{classes}]{weighed}"
        lines.append(f"labels = {1 - smoothing!r}*labels + {share}")
    moved = "logs" if scores.ndim == classes + 1 else "movedim(logs, 1, -1)"
    loss = f"-sum({moved}*labels, -1)"
    lines.append(f"loss = {loss if is_whole else f'where(target == {ignored}, 0, {loss})'}")
    return "\n".join([*lines, REDUCED[given["reduction"]]])


def _is_of_labels(value: Any) -> bool:
    return isinstance(value, TracedTensor) and not value.tensor.is_floating_point()
