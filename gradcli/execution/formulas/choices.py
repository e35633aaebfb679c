"""Definitions of what chooses entries by their values, as textbooks have them: an extreme is where an entry equals it.

Of several entries that tie, PyTorch shares the gradient of an extreme of all entries, of `amax`, of a norm and of the
median of all equally; along an axis `max` is one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Arguments = Mapping[str, Any]
ENDS = {math.inf: "amax", -math.inf: "amin"}
# The matrix norms that are sums along one axis, of which one is the largest or the smallest: 1 sums columns.
SUMMED = {1: ("amax", 0), -1: ("amin", 0), math.inf: ("amax", 1), -math.inf: ("amin", 1)}
MATRIX = 2


@dataclass(frozen=True, slots=True)
class Extreme:
    """An extreme of the entries `of`, along axes."""

    end: str
    """What finds it."""
    of: str = "{}"
    entries: str = "input"
    axes: str = "dim"
    is_kept: str = "keepdim"

    def single(self) -> str:
        """Return it as the sum of the entries that equal it, which is right where there is one."""
        return f"z = {self.of.format(self.entries)}\nsum(where(z == {self._top()}, z, 0), {self.axes}, {self.is_kept})"

    def shared(self) -> str:
        """Return it as the mean of the entries that equal it."""
        kept = f"{self.axes}, {self.is_kept}"
        first = f"z = {self.of.format(self.entries)}\nc = {self._held()} == {self._top()}"
        return f"{first}\nsum(where(c, z, 0), {kept})/sum(where(c, 1, 0), {kept})"

    def _top(self) -> str:
        along = "" if self.axes == "None" else f", {self.axes}, True"
        return f"{self.end}({self._held()}{along})"

    def _held(self) -> str:
        return self.of.format(f"detach({self.entries})")


def _of_axes(end: str) -> Callable[[Arguments], Extreme | None]:
    return lambda given: Extreme(end, axes=_axes(given["dim"]))


def _axes(dim: Any) -> str:
    """Return the argument that names axes: none of them are all."""
    return "dim" if isinstance(dim, int) or dim else "None"


def _of_all(end: str) -> Callable[[Arguments], Extreme | None]:
    """Return what `max(x)` is; None along an axis, and of two tensors."""
    return lambda given: None if {"dim", "other"} & given.keys() else Extreme(end, axes="None", is_kept="False")


def _norm(power: str, entries: str) -> Callable[[Arguments], Extreme | None]:
    """Return what a norm is, of vectors or of matrices, if that is an extreme."""

    def found(given: Arguments) -> Extreme | None:
        dim, of = given["dim"], given[entries].tensor.ndim
        axes = [*range(of)] if dim is None else [dim] if isinstance(dim, int) else [*dim]
        order = given[power]
        if isinstance(order, str | None):
            return None
        if entries == "A" and len(axes) == MATRIX:
            return None if of > MATRIX or given["keepdim"] else _of_matrix(order, [axis % of for axis in axes])
        return Extreme(ENDS[order], "abs({})", entries, _axes(dim)) if order in ENDS else None

    return found


def _of_matrix(order: float, axes: list[int]) -> Extreme | None:
    if order not in SUMMED:
        return None
    end, place = SUMMED[order]
    return Extreme(end, f"sum(abs({{}}), {axes[place]})", "A", "None")


EXTREMES: Mapping[str, Callable[[Arguments], Extreme | None]] = {
    "amax": _of_axes("amax"),
    "amin": _of_axes("amin"),
    "max": _of_all("max"),
    "min": _of_all("min"),
    "median": _of_all("median"),
    "nanmedian": _of_all("nanmedian"),
    "norm": _norm("p", "input"),
    "linalg.vector_norm": _norm("ord", "x"),
    "linalg.matrix_norm": _norm("ord", "A"),
    "linalg.norm": _norm("ord", "A"),
}


def is_extreme(name: str, given: Arguments) -> bool:
    """Tell whether a call finds an extreme."""
    return name in EXTREMES and EXTREMES[name](given) is not None


def single(name: str) -> Callable[[Arguments], str | None]:
    """Return the definition of an extreme that no two entries are."""

    def defined(given: Arguments) -> str | None:
        found = EXTREMES[name](given)
        return None if found is None else found.single()

    return defined


def shared(name: str) -> Callable[[Arguments], str | None]:
    """Return the definition of an extreme that several entries may be."""

    def defined(given: Arguments) -> str | None:
        found = EXTREMES[name](given)
        return None if found is None else found.shared()

    return defined


def tied(name: str) -> Callable[[Arguments], str]:
    """Return what is left out of the definition where no two entries are an extreme."""
    return lambda _: f"where entries tie, {name} shares its gradient among them equally"


def farthest(given: Arguments) -> str | None:
    """Return distances that are the largest of the differences along the axes, which no two of these are."""
    if given["p"] != math.inf or given["x1"].tensor.ndim != MATRIX or given["x2"].tensor.ndim != MATRIX:
        return None
    # The axis that they are along comes first, so that the distances stand as they are.
    return "z = abs(x1.T[:, :, None] - x2.T[:, None]); sum(where(z == cdist(detach(x1), detach(x2), inf), z, 0), 0)"


FOUND = "k = unsqueeze(i, dim); y = gather(input, dim, k); (y, k) if keepdim else (squeeze(y, dim), i)"


def along(name: str) -> Callable[[Arguments], str | None]:
    """Return the definition of `max` or `min` along an axis; None of others."""
    return lambda given: f"i = arg{name}(detach(input), dim); {FOUND}" if "dim" in given else None


def _ranked(rank: str, given: Arguments) -> str | None:
    """Return the definition of the entry of a rank along an axis."""
    axes = given["input"].tensor.ndim
    if not axes:
        return None
    items = [rank if axis == given["dim"] % axes else ":" for axis in range(axes)]
    return f"i = argsort(detach(input), dim)[{', '.join(items)}]; {FOUND}"


def kth(given: Arguments) -> str | None:
    """Return the definition of `kthvalue`."""
    return _ranked(str(given["k"] - 1), given)


def median_along(given: Arguments) -> str | None:
    """Return the definition of a median along an axis, the lower of two; None of all entries."""
    if "dim" not in given or not given["input"].tensor.ndim:
        return None
    return _ranked(str((given["input"].tensor.shape[given["dim"]] - 1) // 2), given)
