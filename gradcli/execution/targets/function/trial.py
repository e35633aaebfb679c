"""A Function at a point: what PyTorch's engine gets from its backward, and what backward itself returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import ExecutionError, first_line
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.recording import Recording
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.targets.function.subject import Subject, Values, check_outputs, joined, refusals
from gradcli.settings import Settings
from gradcli.tolerance import Tolerance

# The function that backward should be the derivative of, recorded at a point.
ReferenceFunction = Callable[[Values, Sequence[int]], Recording]
# What PyTorch says where forward marks a leaf as changed in place.
IN_PLACE = "a leaf Variable that requires grad"
Gradients = Mapping[str, Tensor | None]


class NoReferenceError(Exception):
    """Forward cannot be followed, so that autograd cannot say what its gradient is."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; `--reference PROGRAM` says what it computes")


@dataclass(frozen=True, slots=True)
class Applied:
    """A Function applied to leaves: `output` is what is differentiated, all outputs at `places` joined.

    `given` are the tensors that it was called with: the leaves, or copies where forward changes them in place.
    """

    leaves: Mapping[str, Tensor]
    given: Mapping[str, Tensor]
    outputs: Sequence[Any]
    places: Sequence[int]
    output: Tensor

    @property
    def node(self) -> Any:
        """Return the node that backward runs in: its `ctx`, and the `grad_fn` of every output."""
        return self.outputs[self.places[0]].grad_fn

    def gradients(
        self, cotangent: Tensor, *, create_graph: bool = False, used: int | None = None
    ) -> dict[str, Tensor | None]:
        """Return what the engine gives each leaf that requires grad; ExecutionError if backward raises.

        Where one output alone is `used`, the engine has no gradient of the others to give to backward.
        """
        wanted = {name: leaf for name, leaf in self.leaves.items() if leaf.requires_grad}
        output = self.output
        if used is not None:
            output, cotangent = self.outputs[used], self._split(cotangent)[list(self.places).index(used)]
        with refusals("backward"):
            found = torch.autograd.grad(
                output,
                list(wanted.values()),
                copied(cotangent),
                retain_graph=True,
                create_graph=create_graph,
                allow_unused=True,
            )
        return {name: _held(g, f"the gradient of '{name}'") for name, g in zip(wanted, found, strict=True)}

    def upstream(self, cotangent: Tensor) -> list[Any]:
        """Return what backward is called with: a gradient per output, zeros for one that is not differentiated."""
        parts = iter(self._split(cotangent))
        return [
            next(parts) if place in self.places else torch.zeros_like(output) if isinstance(output, Tensor) else None
            for place, output in enumerate(self.outputs)
        ]

    def _split(self, cotangent: Tensor) -> list[Tensor]:
        shapes = [self.outputs[place].shape for place in self.places]
        if len(shapes) == 1:
            return [cotangent]
        parts = cotangent.split([shape.numel() for shape in shapes])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def returned(self, cotangent: Tensor) -> list[Any]:
        """Return what backward itself returns when it is called by hand, one item per argument of forward."""
        return self.called(copied(cotangent))

    def called(self, cotangent: Tensor) -> list[Any]:
        """Return what backward returns for an upstream gradient of which it is given the memory itself."""
        with refusals("backward"), torch.no_grad():
            found = self.node.apply(*self.upstream(cotangent))
        items = list(found) if isinstance(found, tuple | list) else [found]
        return [_held(item, "a gradient") for item in items]


@dataclass(frozen=True, slots=True)
class Trial:
    """A Function, its reference, and the point and upstream gradient at which they are compared.

    `point` has a detached tensor for each input, which requires grad where a gradient is wanted. `cotangent` is that
    of the report, `probe` a random one: a backward that ignores its upstream gradient is right for ones. `derivations`
    is what the reference's derivatives are asked of.
    """

    subject: Subject
    reference: ReferenceFunction
    settings: Settings
    point: Values
    places: Sequence[int]
    cotangent: Tensor
    probe: Tensor
    derivations: Derivations
    precision: torch.dtype | None = None
    """The lowest dtype that a gradient of the reference passes through, where it is lower than that of the point."""
    symmetric: frozenset[str] = frozenset()
    """The inputs whose gradient is that of a function of symmetric matrices."""
    given: frozenset[str] = frozenset()
    """The inputs whose value the user gives."""
    begun: float = field(default_factory=time.monotonic, compare=False)
    """When it began, by the monotonic clock."""
    _recorded: list[Recording] = field(default_factory=list, init=False, compare=False)
    """The reference at the trial's own point, once it has run there."""

    @property
    def wanted(self) -> list[str]:
        """Return the names of the inputs whose gradient is wanted."""
        return [name for name, value in self.point.items() if value.requires_grad]

    @property
    def tolerance(self) -> Tolerance:
        """Return how far two gradients may be apart."""
        if self.precision is None:
            return self.settings.tolerance
        return Tolerance.of(str(self.precision).removeprefix("torch."), self.settings.rtol, self.settings.atol)

    def agrees(self, gradient: Any, right: Tensor) -> bool:
        """Return whether what backward returns for an input is a gradient."""
        if not isinstance(gradient, Tensor) or gradient.shape != right.shape:
            return False
        return bool(self.tolerance.agrees(double(gradient), double(right)).all())

    def scale(self, name: str) -> float:
        """Return the size of the right gradient of an input, for a random upstream gradient."""
        right = self.right(self.probe)[name].abs()
        finite = right[right.isfinite()]
        return float(finite.max()) if finite.numel() else 0.0

    @property
    def time_left(self) -> float:
        """Return how many seconds of the time limit are left."""
        return max(self.settings.timeout - (time.monotonic() - self.begun), 0.0)

    def has_time(self, share: float) -> bool:
        """Return whether less than a share of the time limit has passed: a slow Function is left some for the rest."""
        return time.monotonic() - self.begun < share * self.settings.timeout

    def apply(self, point: Values | None = None) -> Applied:
        """Apply the Function to fresh leaves."""
        return apply(self.subject, self.point if point is None else point)

    def function(self, point: Values) -> Tensor:
        """Return what forward's body computes, or a surrogate in place of it, without a derivative of any kind."""
        point = {**point, **{name: self.symmetrised(name, point[name]) for name in self.symmetric}}
        if self.settings.surrogate is not None:
            return self.reference(point, self.places).output.detach()
        copies = {name: tensor.clone() for name, tensor in point.items()}  # forward may change its input in place
        with torch.no_grad():
            return joined(self.subject.body(copies), self.places)

    def symmetrised(self, name: str, value: Tensor) -> Tensor:
        """Return the symmetric part of an input, or of a gradient by it, where only that counts; else it as it is."""
        return (value + value.mT) / 2 if name in self.symmetric else value

    def right(self, cotangent: Tensor, point: Values | None = None) -> dict[str, Tensor]:
        """Return autograd's gradients of the reference."""
        return pulled_back(self.recorded(point), cotangent)

    def recorded(self, point: Values | None = None) -> Recording:
        """Run the reference, once at the trial's own point; NoReferenceError if autograd cannot follow it."""
        if point is not None and point is not self.point:
            return _followed(self.reference(point, self.places))
        if not self._recorded:
            self._recorded.append(self.reference(self.point, self.places))
        return _followed(self._recorded[0])


def _followed(recording: Recording) -> Recording:
    if recording.left is not None:
        raise NoReferenceError(recording.left)
    return recording


def apply(subject: Subject, point: Values) -> Applied:
    """Apply a Function to leaves that hold a point; ExecutionError if forward raises or no gradient reaches it."""
    leaves = leaves_of(point)
    try:
        given, outputs = leaves, subject.apply(leaves)
    except ExecutionError as error:
        if IN_PLACE not in error.message:
            raise
        leaves = leaves_of(point)
        given = {name: leaf.clone() if leaf.requires_grad else leaf for name, leaf in leaves.items()}
        outputs = subject.apply(given)
    places = check_outputs(outputs)
    return Applied(leaves, given, outputs, places, joined(outputs, places))


def _held(gradient: Any, what: str) -> Any:
    """Return what backward gives with all of its entries; ExecutionError if it has none that can be read."""
    if not isinstance(gradient, Tensor):
        return gradient
    if gradient.is_meta:
        raise ExecutionError(f"backward returns {what} on the meta device, which holds no numbers")
    return gradient if gradient.layout is torch.strided else gradient.to_dense()


def leaves_of(point: Values) -> dict[str, Tensor]:
    """Return fresh leaves with the values, strides and flags of a point."""
    return {name: _copy(value).requires_grad_(value.requires_grad) for name, value in point.items()}


def copied(cotangent: Tensor) -> Tensor:
    """Return an upstream gradient that backward may write into: with the same strides, unless it is differentiated."""
    return cotangent.clone() if cotangent.requires_grad else _copy(cotangent)


def _copy(value: Tensor) -> Tensor:
    """Return a copy with the same strides and storage offset: `clone` would make some of them contiguous."""
    value = value.detach()
    start = value.storage_offset()
    if value.is_contiguous() and not start:
        return value.clone()
    if value.numel() and 0 in value.stride():  # entries that share memory are written once
        first = tuple(slice(1) if stride == 0 else slice(None) for stride in value.stride())
        return _copy(value[first]).expand(value.shape)
    span = 1 + sum((size - 1) * stride for size, stride in zip(value.shape, value.stride(), strict=True))
    copy = value.new_zeros(start + max(span, 0)).as_strided(value.shape, value.stride(), start)
    return copy.copy_(value)


def pulled_back(recording: Recording, cotangent: Tensor, *, create_graph: bool = False) -> dict[str, Tensor]:
    """Return autograd's gradients of a recorded function; zeros where the output does not depend on an input.

    NoReferenceError if PyTorch has no derivative of what it calls: a Function may be there to give it one.
    """
    wanted = {name: leaf for name, leaf in recording.leaves.items() if leaf.requires_grad}
    if not recording.output.requires_grad:
        return {name: torch.zeros_like(leaf) for name, leaf in wanted.items()}
    given = cotangent.reshape(recording.output.shape).to(recording.output.device, recording.output.dtype)
    try:
        found: tuple[Tensor | None, ...] = torch.autograd.grad(
            recording.output,
            list(wanted.values()),
            given,
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    except REFUSALS as error:
        raise NoReferenceError(
            f"PyTorch cannot differentiate forward's own calls: {first_line(error).removesuffix('.')}"
        ) from None
    pairs = zip(wanted.items(), found, strict=True)
    return {name: torch.zeros_like(leaf) if value is None else value for (name, leaf), value in pairs}
