"""What the source of a `torch.autograd.Function` is written from."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gradcli.derivation.notation.code import LETTERS, RESERVED, Wanted
from gradcli.derivation.notation.unified import value as value_of

OUTPUT, OUTPUTS = "output", "outputs"
OWN = RESERVED | {"ctx", "inputs", OUTPUT, OUTPUTS, "F", "gradcheck", "gradgradcheck"}
Lengths = tuple[int | str, ...]


def unpacked(names: Sequence[str]) -> str:
    """Return names as what a tuple is unpacked to."""
    return ", ".join(names) if len(names) > 1 else f"({names[0]},)"


def gradient_name(parameter: str) -> str:
    """Return what backward calls the gradient by a parameter."""
    return f"grad_{parameter}"


@dataclass(frozen=True, slots=True)
class RecordedBackward:
    """Backward as code."""

    lines: Sequence[str]
    gradients: Mapping[str, str]
    """Parameter -> its gradient, as an expression after the statements."""


@dataclass(frozen=True, slots=True)
class ChainParts:
    """Backward and jvp as code, a step at a time, with what the Function returns beside the output to save it."""

    moving: Sequence[str]
    """The parameters that it is differentiated by."""
    kept: Sequence[str]
    """The names of what forward computes on the way and backward reads."""
    arriving: Sequence[str]
    """The names of their gradients, which are None but for what differentiates backward."""
    backward: Sequence[str]
    jvp: Sequence[str] | None
    helpers: Mapping[str, str] = field(default_factory=dict)
    """The definitions of functions that they may call, by name without the `_` in front of it."""


@dataclass(frozen=True, slots=True)
class FunctionParts:
    """What a Function is written from; the names in it are those of the code."""

    name: str
    program: str
    parameters: Mapping[str, Lengths]
    """What forward takes, with the shapes; a length is a number, or has a name."""
    output: Lengths
    """The output's shape."""
    forward: Sequence[str]
    """Forward's statements."""
    result: str
    """The expression that it returns."""
    gradients: Mapping[str, Wanted]
    """Parameter -> its gradient."""
    jvp: Wanted | None
    """The derivative along the tangents; None if there is none."""
    upstream: str
    tangents: Mapping[str, str]
    """Parameter -> its tangent."""
    sizes: Mapping[str, int]
    """The lengths that have names, and what they are at the point that the code is tested at."""
    is_elementwise: bool
    """Whether it holds for any shape."""
    values: Mapping[str, str]
    """Parameter -> the expression of its value in the test."""
    notes: Sequence[str] = ()
    """What a reader should know, a sentence each."""
    has_vmap_rule: bool = True
    recorded: RecordedBackward | None = None
    """Backward as statements, where gradients have no formulas that it could be written from."""
    integers: frozenset[str] = frozenset()
    """The parameters of whole numbers, or of truth values."""
    is_copied: bool = False
    """Whether the result is a part of an argument, and has to be copied."""
    chain: ChainParts | None = None
    """The methods of an elementwise chain that saves what it computes on the way."""

    @property
    def moving(self) -> Collection[str]:
        """Return the parameters that have gradients."""
        if self.chain is not None:
            return self.chain.moving
        return [*(self.gradients if self.recorded is None else self.recorded.gradients)]

    @property
    def taken(self) -> frozenset[str]:
        """Return the names that no part of a formula may have."""
        return frozenset({*self.sizes, *OWN, *LETTERS})

    @property
    def kept(self) -> Sequence[str]:
        """Return what forward returns beside the output."""
        return self.chain.kept if self.chain else ()

    @property
    def call(self) -> str:
        """Return the name of the function that gives the output alone; empty where the Function does."""
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower()
        while name in OWN or name in self.parameters or name in self.values:
            name += "_"
        return name if self.kept else ""

    @property
    def shapes_here(self) -> dict[str, tuple[int, ...]]:
        """Return these shapes at the point that the code is tested at."""
        return {
            name: tuple(size if isinstance(size, int) else int(value_of(size, self.sizes)) for size in shape)
            for name, shape in self.shapes.items()
        }

    @property
    def shapes(self) -> dict[str, Lengths]:
        """Return the shapes of everything that the formulas may name."""
        tangents = {tangent: self.parameters[name] for name, tangent in self.tangents.items()}
        return {**self.parameters, **tangents, OUTPUT: self.output, self.upstream: self.output}
