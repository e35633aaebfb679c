"""Definitions that hold at usual points, and leave out a tie, a zero, or a matrix that is not of full rank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import finfo

from gradcli.execution.forward.trace import TracedTensor

Arguments = Mapping[str, Any]
# The bound of `pinverse`, of itself.
RCOND = 1e-15
# Entries that are not counted, and those that are.
COUNTED = "m = isnan(detach(input)); sum(where(m, 0, input), dim, keepdim)/sum(where(m, 0, 1.0), dim, keepdim)"


def of_a_sign(given: Arguments) -> str | None:
    """Return `copysign`."""
    other = given["other"]
    if isinstance(other, TracedTensor):
        return "abs(input)*sign(detach(other))"
    return "abs(input)" if other > 0 else "-abs(input)"


def extremes(given: Arguments) -> str | None:
    """Return `aminmax`: each extreme is the sum of the entries that equal it."""
    dim = given["dim"]
    along, summed = ("", "") if dim is None else (f", {dim}, True", f", {dim}, {given['keepdim']}")
    ends = (f"sum(where(input == {end}(detach(input){along}), input, 0){summed})" for end in ("amin", "amax"))
    return f"({', '.join(ends)})"


def finite(given: Arguments) -> str | None:
    """Return `nan_to_num`: what is not finite is one of three numbers."""
    largest = finfo(given["input"].tensor.dtype).max
    nan, above, below = given["nan"] or 0.0, given["posinf"], given["neginf"]
    others = f"where(x > 0, {largest if above is None else above!r}, {-largest if below is None else below!r})"
    return f"x = detach(input); where(isfinite(x), input, where(isnan(x), {nan!r}, {others}))"


def pseudo_inverse(name: str) -> Callable[[Arguments], str | None]:
    """Return the pseudo-inverse of a matrix of full rank: left inverse or right."""

    def defined(given: Arguments) -> str | None:
        rows, columns = given[name].tensor.shape[-2:]
        bounds = given.get("rtol"), given.get("atol"), None if given.get("rcond") == RCOND else given.get("rcond")
        if bounds != (None, None, None) or given.get("hermitian"):
            return None
        left, right = f"linalg.inv(mT({name}) @ {name}) @ mT({name})", f"mT({name}) @ linalg.inv({name} @ mT({name}))"
        return left if rows >= columns else right

    return defined


DEFINED: Mapping[str, Callable[[Arguments], str | None]] = {
    "copysign": of_a_sign,
    "aminmax": extremes,
    "linalg.pinv": pseudo_inverse("A"),
    "pinverse": pseudo_inverse("input"),
    "special.log_ndtr": lambda _: "log((1 + erf(input/2**0.5))/2)",
    "nansum": lambda _: "sum(where(isnan(detach(input)), 0, input), dim, keepdim)",
    "nanmean": lambda _: (
        "m = isnan(detach(input)); sum(where(m, 0, input), dim, keepdim)/sum(where(m, 0, 1.0), dim, keepdim)"
    ),
    "reshape_as": lambda given: f"reshape(input, {tuple(given['other'].tensor.shape)})",
    "view_as": lambda given: f"reshape(input, {tuple(given['other'].tensor.shape)})",
}
