"""Definitions of reductions under a mask as textbooks have them: over the entries that it keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradcli.execution.forward.trace import TracedTensor

Arguments = Mapping[str, Any]
KEPT = "where(mask, input, 0)"


def _under_mask(define: Callable[[Arguments], str | None]) -> Callable[[Arguments], str | None]:
    """Return a definition for masks of the very shape of what they are of."""

    def defined(given: Arguments) -> str | None:
        mask = given["mask"]
        is_plain = isinstance(mask, TracedTensor) and mask.tensor.shape == given["input"].tensor.shape
        return define(given) if is_plain else None

    return defined


def _axes(given: Arguments) -> str:
    """Return the axes that are reduced: None is all of them."""
    dim = given["dim"]
    return repr(tuple(range(given["input"].tensor.ndim)) if dim is None else dim)


def _mean(given: Arguments) -> str:
    return f"sum({KEPT}, {_axes(given)}, keepdim)/sum(mask, {_axes(given)}, keepdim)"


def _variance(root: str) -> Callable[[Arguments], str]:
    def defined(given: Arguments) -> str:
        is_whole = given["unbiased"] is None or given["unbiased"]
        left = given["correction"] if given["correction"] is not None else int(is_whole)
        axes = _axes(given)
        mean, count = f"sum({KEPT}, {axes}, True)/sum(mask, {axes}, True)", f"sum(mask, {axes}, keepdim) - {left}"
        return f"d = where(mask, input - {mean}, 0); y = sum(d*d, {axes}, keepdim)/({count}); {root}"

    return defined


def _normalized(given: Arguments) -> str | None:
    return f"x = {KEPT}; x/sqrt(sum(x*x, dim, True))" if given["ord"] == 2 else None  # noqa: PLR2004 (Euclid's)


def _extreme(end: str, left_out: str) -> Callable[[Arguments], str]:
    """Return an extreme as the sum of the entries that equal it, which is right where there is one."""
    held = f"where(mask != 0, detach(input), {left_out})"

    def defined(given: Arguments) -> str:
        axes = _axes(given)
        return f"sum(where({held} == {end}({held}, {axes}, True), input, 0), {axes}, keepdim)"

    return defined


DEFINED: Mapping[str, Callable[[Arguments], str | None]] = {
    "masked.mean": _under_mask(_mean),
    "masked.var": _under_mask(_variance("y")),
    "masked.std": _under_mask(_variance("sqrt(y)")),
    "masked.normalize": _under_mask(_normalized),
    "masked.amax": _under_mask(_extreme("amax", "-inf")),
    "masked.amin": _under_mask(_extreme("amin", "inf")),
}
