"""The axes of a tensor behind those that a definition sees: permuted, merged, or left out."""

from __future__ import annotations

from functools import lru_cache

from gradcli.derivation.formulas import Axes
from gradcli.execution.reference.layout import AxisView


@lru_cache(maxsize=1024)
def axes_of(view: AxisView) -> Axes | None:
    """Return, for each axis that a view presents, the original axes that it stands for; those of length 1 are left out.

    An axis of length 1 is read at index 0, whatever it is called.
    """
    waiting = [axis for axis in view.permutation if view.original[axis] != 1]
    axes: list[tuple[int, ...]] = []
    for size in view.shape:
        group: list[int] = []
        product = 1
        while product < size and waiting:
            group.append(waiting.pop(0))
            product *= view.original[group[-1]]
        if product != size:
            return None
        axes.append(tuple(group))
    return None if waiting else tuple(axes)
