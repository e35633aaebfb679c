"""Definitions that hold at usual points, and leave out a tie, a zero, or a matrix that is not of full rank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
    """Return `aminmax`: each extreme has the differential of the entry that equals it."""
    dim = given["dim"]
    along, summed = ("", "") if dim is None else (f", {dim}, True", f", {dim}, {given['keepdim']}")
    kept = "" if dim is None else f", {dim}, {given['keepdim']}"
    ends = (
        f"{end}(detach(input){kept}) + sum(where(input == {end}(detach(input){along}), input - detach(input), 0){summed})"
        for end in ("amin", "amax")
    )
    return f"({', '.join(ends)})"


def powers(given: Arguments) -> str | None:
    """Return the matrix of Vandermonde."""
    axes = given["x"].tensor.ndim
    count = given["N"] or (given["x"].tensor.shape[-1] if axes else 1)
    return f"unsqueeze(x, -1)**(arange({count})*1.0)" if axes else None


def pseudo_inverse(name: str) -> Callable[[Arguments], str | None]:
    """Return the pseudo-inverse of a matrix of full rank: left inverse or right."""

    def defined(given: Arguments) -> str | None:
        rows, columns = given[name].tensor.shape[-2:]
        is_usual = given.get("rtol") is None and given.get("atol") is None and given.get("rcond", 1e-15) == 1e-15  # noqa: PLR2004, RUF069 (PyTorch's own)
        if not is_usual or given.get("hermitian"):
            return None
        return (
            f"linalg.inv(mT({name}) @ {name}) @ mT({name})"
            if rows >= columns
            else f"mT({name}) @ linalg.inv({name} @ mT({name}))"
        )

    return defined


DEFINED: Mapping[str, Callable[[Arguments], str | None]] = {
    "copysign": of_a_sign,
    "aminmax": extremes,
    "linalg.vander": powers,
    "linalg.pinv": pseudo_inverse("A"),
    "pinverse": pseudo_inverse("input"),
    "special.log_ndtr": lambda _: "log(erfc(-input/2**0.5)/2)",
    "nansum": lambda _: "sum(where(isnan(detach(input)), 0, input), dim, keepdim)",
    "nanmean": lambda _: (
        "m = isnan(detach(input)); sum(where(m, 0, input), dim, keepdim)/sum(where(m, 0, 1.0), dim, keepdim)"
    ),
    "reshape_as": lambda given: f"reshape(input, {tuple(given['other'].tensor.shape)})",
    "view_as": lambda given: f"reshape(input, {tuple(given['other'].tensor.shape)})",
}
