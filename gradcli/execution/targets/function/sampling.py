"""The points at which a Function is tried: given values, random ones elsewhere, other shapes and other strides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.forward.domains import draw
from gradcli.execution.forward.dtypes import DTYPES
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.leaves import make_leaves
from gradcli.execution.forward.value_files import read_values
from gradcli.settings import Settings

# A point at which forward raises or is not finite is drawn again, from one domain after the other.
DOMAINS = (
    "real",
    "real",
    "real",
    "(0, inf)",
    "(0, inf)",
    "(0, 1)",
    "(1, inf)",
    "(-1, 1)",
    "(-inf, 0)",
    "positive definite",
)
STRIDE = 1 << 32
# Batches that are larger than a block of most kernels, and the most entries of an input of a different shape.
BATCH, LARGE_BATCH = 67, 259
LARGEST = 1 << 14
# The highest rank that is looked at, and the axes that are added for it: neighbours differ in length.
HIGHEST_RANK, MORE_AXES = 5, (2, 3, 2, 1, 2)


def draw_point(
    names: Sequence[str], settings: Settings, given: Mapping[str, Any], fits: Callable[[dict[str, Tensor]], bool]
) -> dict[str, Tensor]:
    """Return the first point drawn at which the function is finite, else the first; values that are given stay.

    `fits` says whether it is finite, and raises ExecutionError if forward does: so does this, if it always does.
    """
    valued = {**read_values(settings.values_file), **settings.values, **given}
    if settings.init is not None or all(name in valued for name in names):
        point = make_leaves(names, settings, given)
        fits(point)
        return point
    first: dict[str, Tensor] | ExecutionError | None = None
    for attempt, domain in enumerate(DOMAINS):
        point = drawn(names, settings, given, domain, settings.seed + STRIDE * attempt)
        try:
            if fits(point):
                return point
            first = first if isinstance(first, dict) else point
        except ExecutionError as error:
            first = first or error
    assert first is not None  # noqa: S101 (there is a first attempt)
    if isinstance(first, ExecutionError):
        raise first
    return first


def drawn(
    names: Sequence[str], settings: Settings, given: Mapping[str, Any], domain: str, seed: int = 0
) -> dict[str, Tensor]:
    """Return a point whose random entries are drawn together, so that no two of them are equal."""
    valued = {**read_values(settings.values_file), **settings.values, **given}
    free = [name for name in names if name not in valued]
    generator = torch.Generator().manual_seed(seed)
    shapes = {name: settings.shapes.get(name, settings.shapes.get(None, ())) for name in free}
    random = _together(domain, shapes, generator)
    if DTYPES[settings.dtype].is_complex and domain == "real":
        imaginary = _together(domain, shapes, generator)
        random = {name: torch.complex(part, imaginary[name]) for name, part in random.items()}
    return make_leaves(names, settings, {**given, **random})


def _together(domain: str, shapes: Mapping[str, tuple[int, ...]], generator: torch.Generator) -> dict[str, Tensor]:
    """Return a real tensor of each shape; no two entries of all of them are equal, but in matrices."""
    if domain == "positive definite":
        return {name: draw(domain, shape, generator) for name, shape in shapes.items()}
    sizes = [torch.Size(shape).numel() for shape in shapes.values()]
    parts = draw(domain, (sum(sizes),), generator).split(sizes)
    return {name: part.reshape(shapes[name]) for name, part in zip(shapes, parts, strict=True)}


def moved(point: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Return a point near another: every entry of a floating-point tensor is moved by up to a tenth of its size."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _moved(value, generator) for name, value in point.items()}


def _moved(value: Tensor, generator: torch.Generator) -> Tensor:
    if not (value.is_floating_point() or value.is_complex()):
        return value
    steps = torch.rand(value.shape, generator=generator, dtype=torch.float64) * 0.2 - 0.1
    steps = torch.complex(steps, steps.flip(0) if steps.ndim else steps) if value.is_complex() else steps
    if is_symmetric(value):
        steps = (steps + steps.mT) / 2
    sizes = torch.where(value == 0, torch.ones_like(value), value).detach()  # 0 is moved too: it may be at a kink
    changed = value.detach() + sizes * steps.to(value.device, value.dtype)
    return changed.requires_grad_(value.requires_grad)


def resampled(value: Tensor, shape: Sequence[int], seed: int) -> Tensor:
    """Return a tensor of another shape whose entries are those of a given one at random, each moved a little."""
    generator = torch.Generator().manual_seed(seed)
    own = value.detach().reshape(-1)
    if not own.numel():
        return value.detach().new_zeros(tuple(shape))
    places = torch.randint(own.numel(), tuple(shape), generator=generator).to(own.device)
    return moved({"": own[places]}, seed)[""]


def is_symmetric(value: Tensor) -> bool:
    """Return whether a tensor holds symmetric matrices: a function of these may be defined for no others."""
    return value.ndim > 1 and value.shape[-1] == value.shape[-2] and torch.equal(value, value.mT)


def spread(like: Tensor, low: float, high: float) -> Tensor:
    """Return an upstream gradient for an output: evenly spread numbers, complex if it is."""
    numbers = torch.linspace(low, high, like.numel() or 1, dtype=torch.float64)[: like.numel()]
    numbers = torch.complex(numbers, numbers.flip(0) / 2) if like.is_complex() else numbers
    return numbers.to(like.device, like.dtype).reshape(like.shape)


def is_finite(tensors: Sequence[Any]) -> bool:
    """Return whether every tensor among outputs is finite."""
    return all(all_finite(tensor) for tensor in tensors if isinstance(tensor, Tensor))


def other_strides(point: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the same values in tensors that are not contiguous: transposed, or every other entry of a longer one."""
    return {name: strided(value).requires_grad_(value.requires_grad) for name, value in point.items()}


def strided(value: Tensor) -> Tensor:
    """Return the same values in a tensor that is not contiguous; a number is what it is."""
    value = value.detach()
    if value.ndim >= 2:  # noqa: PLR2004 (a matrix)
        return value.mT.contiguous().mT
    return torch.stack([value, value], dim=-1)[..., 0] if value.ndim else value.clone()


def sliced(point: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the same values in tensors that begin somewhere in a longer storage."""
    return {name: offset(value).requires_grad_(value.requires_grad) for name, value in point.items()}


def offset(value: Tensor) -> Tensor:
    """Return the same values in the second half of a longer tensor."""
    value = value.detach()
    return torch.stack([torch.zeros_like(value), value])[1]


def expanded(point: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Return a point whose inputs are expanded along their first axis, with a stride of 0; None if none has one."""
    made = {
        name: value.detach()[:1].expand(value.shape).requires_grad_()
        for name, value in point.items()
        if value.requires_grad and value.ndim and value.shape[0] > 1
    }
    return {**point, **made} if made else None


def other_shapes(shapes: Mapping[str, tuple[int, ...]]) -> list[dict[str, tuple[int, ...]]]:
    """Return shapes like others: with other lengths, where axes of one length remain so, of other ranks, of a batch."""
    changed: list[dict[str, tuple[int, ...]]] = []
    for shaped in (*_other_lengths(shapes), *_other_ranks(shapes)):
        small = all(torch.Size(shape).numel() <= LARGEST for shape in shaped.values())
        if small and shaped != dict(shapes) and shaped not in changed:
            changed.append(shaped)
    return changed


def _other_lengths(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[dict[str, tuple[int, ...]]]:
    shortest = min((size for shape in shapes.values() for size in shape), default=0)
    first = next((shape[0] for shape in shapes.values() if shape), None)
    changes: list[Callable[[int], int]] = [
        lambda size: size + 1,
        lambda size: 2 * size + 1,
        lambda size: 1 if size == shortest else size,
        lambda size: 1 if size == first else size,
        lambda size: BATCH if size == first else size,
        lambda size: LARGE_BATCH if size == first else size,
    ]
    for change in changes:
        yield {name: tuple(change(size) for size in shape) for name, shape in shapes.items()}


def _other_ranks(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[dict[str, tuple[int, ...]]]:
    """Yield every rank up to the highest for the inputs that have the most axes; one or two more for the first alone.

    Numbers get a long axis too. Axes are added in front, and the first ones are left out.
    """
    most, first = max(map(len, shapes.values())), next(iter(shapes))
    for axes in ((2,), (2, 3)) if most else ((3,), (2, 3), (BATCH,)):
        yield {name: (*axes, *shape) if len(shape) == most else shape for name, shape in shapes.items()}
        yield {**shapes, first: (*axes, *shapes[first])}
    for fewer in range(1, most + 1):
        yield {name: shape[fewer:] if len(shape) == most else shape for name, shape in shapes.items()}
    for more in range(1, HIGHEST_RANK - most + 1):
        yield {name: (*MORE_AXES[:more], *shape) if len(shape) == most else shape for name, shape in shapes.items()}


def broadcasting_shapes(shapes: Mapping[str, tuple[int, ...]]) -> list[dict[str, tuple[int, ...]]]:
    """Return shapes in which one input is smaller than before beside the others, along an axis or by one; or larger.

    Forward may take it as broadcast. A number cannot be smaller: the others are larger then.
    """
    changed: list[dict[str, tuple[int, ...]]] = []
    for name, shape in shapes.items() if len(shapes) > 1 else ():
        smaller = ((1, *shape[1:]), (*shape[:-1], 1), shape[1:]) if shape else ()
        changed += [{**shapes, name: small} for small in smaller]
        changed += [] if any(shapes.values()) else [{**dict.fromkeys(shapes, (3,)), name: ()}]
    return [shaped for place, shaped in enumerate(changed) if shaped != dict(shapes) and shaped not in changed[:place]]
