"""The op table as a whole: looking an op up by any of the names that PyTorch gives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from gradcli.ops.activations import ACTIVATIONS
from gradcli.ops.attention import ATTENTION
from gradcli.ops.convolutions import CONVOLUTIONS
from gradcli.ops.distances import DISTANCES
from gradcli.ops.embedding import EMBEDDING
from gradcli.ops.factories import FACTORIES
from gradcli.ops.factorisations import FACTORISATIONS
from gradcli.ops.fourier import FOURIER
from gradcli.ops.interpolation import INTERPOLATION
from gradcli.ops.linear_algebra import LINEAR_ALGEBRA
from gradcli.ops.losses import LOSSES
from gradcli.ops.masked import MASKED
from gradcli.ops.movement import MOVEMENT
from gradcli.ops.normalisation import NORMALISATION
from gradcli.ops.pointwise import POINTWISE
from gradcli.ops.pooling import POOLING
from gradcli.ops.products import PRODUCTS
from gradcli.ops.record import FusedBackward, Op
from gradcli.ops.reductions import REDUCTIONS
from gradcli.ops.rounding import ROUNDING
from gradcli.ops.scatter import SCATTER
from gradcli.ops.sequences import SEQUENCES
from gradcli.ops.sorting import SORTING
from gradcli.ops.special import SPECIAL

OPS: tuple[Op, ...] = (
    *POINTWISE,
    *SPECIAL,
    *ROUNDING,
    *ACTIVATIONS,
    *REDUCTIONS,
    *SORTING,
    *SEQUENCES,
    *SCATTER,
    *MASKED,
    *PRODUCTS,
    *LINEAR_ALGEBRA,
    *MOVEMENT,
    *NORMALISATION,
    *LOSSES,
    *CONVOLUTIONS,
    *POOLING,
    *INTERPOLATION,
    *ATTENTION,
    *EMBEDDING,
    *DISTANCES,
    *FACTORISATIONS,
    *FOURIER,
    *FACTORIES,
)

_BY_NAME: dict[str, Op] = {alias: op for op in OPS for alias in op.aliases} | {op.name: op for op in OPS}
# `linalg.solve` is found as `solve` too, and `special.erf` as `erf`, unless the short name means another op.
_BY_LAST_NAME: dict[str, Op] = {name.rpartition(".")[2]: op for name, op in reversed(_BY_NAME.items())}

FUSED: Mapping[str, FusedBackward] = {op.fused.name: op.fused for op in OPS if op.fused is not None}
"""PyTorch's own kernels of backward, by name."""


def find(name: str) -> Op | None:
    """Return the op that a (possibly qualified) name means, or None; `_name` is an op of definitions only."""
    return _BY_NAME.get(name) or _BY_LAST_NAME.get(name.rpartition(".")[2])


def is_whole(name: str) -> bool:
    """Return whether an op is called exactly so, and not only by the last part of the name."""
    return name in _BY_NAME


def names() -> Iterator[str]:
    """Yield every name that a user may write."""
    return (name for name in dict.fromkeys((*_BY_NAME, *_BY_LAST_NAME)) if not name.startswith("_"))


@cache
def fields() -> frozenset[str]:
    """Return the fields of all named tuples that ops return."""
    return frozenset(field for op in OPS for record in (op, *op.overloads) for field in record.fields)


# Families of functions of numbers, which nobody means for a tensor.
OF_NUMBERS = frozenset({"pointwise", "activations", "special functions"})
# Names of functions of numbers that are names of quantities too.
QUANTITIES = frozenset(
    {"beta", "gamma", "zeta", "i0", "i1", "threshold", "angle", "square", "positive", "sub", "scale", "lerp", "real"}
    | {"imag", "sinc", "prelu", "glu", "erf", "where", "logit", "neg", "negative", "clip", "complex", "psi", "conj"}
    | {"maximum", "minimum", "add", "mul", "div", "entr", "absolute", "reciprocal", "polar"}
)


def is_function(name: str) -> bool:
    """Tell whether a user may call something by this name; one of a letter or two is nobody's first thought."""
    return not name.startswith("_") and len(name) > 2 and find(name) is not None  # noqa: PLR2004


def is_function_of_numbers(name: str) -> bool:
    """Tell whether a name is that of a function such as `sin`, and of nothing that a tensor would be called by."""
    op = find(name)
    return op is not None and op.family in OF_NUMBERS and name not in QUANTITIES
