"""What the options of a command amount to: parsed, checked, and free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from gradcli.commands import Command
from gradcli.errors import LimitError
from gradcli.fields import Listed, Range, check_fields
from gradcli.limits import Limits
from gradcli.tolerance import Tolerance
from gradcli.witnesses import BY_DEFAULT, TransformationName, WitnessName

Number: TypeAlias = bool | int | float | complex
Value: TypeAlias = "Number | list[Value]"
Shape: TypeAlias = tuple[Annotated[int, Range()], ...]

Names: TypeAlias = Annotated[tuple[str, ...], Listed()]

DataType = Literal["float64", "float32", "float16", "bfloat16", "complex64", "complex128"]
Initialisation = Literal["primes", "randn", "uniform", "arange", "ones"]
# Of a tensor of code, unless the user says otherwise.
MOST_ENTRIES = 1000
Reduction = Literal["none", "sum", "mean", "prod", "norm"]
Notation = Literal["unicode", "ascii", "latex", "mathml", "typst", "sympy", "torch", "numpy", "jax", "function"]
FIRST_CALLS = (1, 2, 3, 4, 5)
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that one run of a program depends on, beside the program.

    It checks itself: a field that does not fit its annotation is an InputError that names the field.
    """

    command: Command = "eval"
    shapes: dict[str | None, Shape] = field(default_factory=dict)
    """Leaf -> shape; the key None holds the shape of all leaves that are given none."""
    values: dict[str, Value] = field(default_factory=dict)
    """Leaf -> number or nested list."""
    values_file: Path | None = None
    """A file of values by leaf."""
    elsewhere: tuple[str, ...] = ()
    """Names that the file may hold too: tensors of the other programs that it is for."""
    init: Initialisation | None = None
    """How the other leaves are filled; None leaves it to the command."""
    seed: Annotated[int, Range()] = 0
    """Seed of random values; with several points, of the first."""
    dtype: DataType = "float64"
    device: str = "cpu"
    constants: Names = ()
    """Leaves with requires_grad=False."""
    reduce: Reduction = "none"
    """What makes the output a scalar."""
    grad_output: Literal["ones", "random"] | Value | None = None
    """The vector of the vector-Jacobian product; of the output's shape, or a number for all of it.

    None is ones for a scalar output; for any other `check` draws one, as `random` does, and the rest refuse.
    """
    retain_grad: Names = ()
    """Non-leaves that keep their .grad; `all` stands for each of them."""
    detach: Names = ()
    """Non-leaves that go on as constants."""
    leaves: bool = False
    """Whether the leaves alone are reported."""
    hooks: bool = False
    """Whether the hooks are shown in the order in which they fire."""
    max_entries: Annotated[int, Range()] | None = None
    """Of a tensor with more entries, data holds a summary; None stands for MOST_ENTRIES for code, else for no limit."""
    only: tuple[str, ...] = ()
    """Code: patterns of the tensors that are reported."""
    depth: Annotated[int, Range(1)] | None = None
    """Code: how many levels of modules tables open; None for as many as fit a page."""
    wrt: Names | None = None
    """Tensors to differentiate with respect to; None leaves it to the command."""
    tangents: dict[str, Value] = field(default_factory=dict)
    """`jvp`: leaf -> the direction in which it moves."""
    create_graph: bool = False
    """`grad`: whether the graph of the gradient is recorded."""
    order: Annotated[int, Range(1, 2)] = 1
    """`derive` and `plot`: of the derivatives."""
    start: tuple[Annotated[float, Range(-math.inf, math.inf)], ...] = ()
    """`plot`: where it begins, along each number."""
    stop: tuple[Annotated[float, Range(-math.inf, math.inf)], ...] = ()
    """`plot`: where it ends, along each number."""
    samples: Annotated[int, Range(2, 10_000)] | None = None
    """`plot`: at how many points along each number; None leaves it to the command."""
    compare: tuple[str, ...] = ()
    """`plot`: further programs along the same number."""
    symmetric: Names = ()
    """`derive`: leaves that are symmetric matrices."""
    product: Literal["", "jvp", "hvp", "jacobian"] = ""
    """`derive`: in the place of gradients, the Jacobian's or the Hessian's product with tangents, or the Jacobian."""
    positive: Names = ()
    """`derive`: leaves whose entries are positive."""
    orthogonal: Names = ()
    """`derive`: leaves that are orthogonal matrices."""
    sizes: dict[str, int] = field(default_factory=dict)
    """`derive`: the lengths that have names, and what they are where formulas are tested first."""
    stable: bool = False
    """`derive`: whether formulas are rewritten that overflow or lose digits."""
    steps: bool = False
    """`derive`: whether it is shown how the gradients come about."""
    to: Notation = "unicode"
    """`derive`: the notation, or the library that code is written for."""
    allow_unused: bool = False
    """`grad`: whether the gradient of an unused tensor is None, not an error."""
    strict: bool = False
    """`prove`: whether an exception is a failure."""
    times: Annotated[int, Range(1)] = 1
    """`accumulate` and `double-backward`: how often backward is called."""
    zero_grad: Literal["none", "zeros"] | None = None
    """`accumulate`: what .grad is made before each call."""
    learning_rate: Annotated[float, Range(-math.inf, math.inf)] | None = None
    """`accumulate`: of the SGD step after each call; a negative one climbs."""
    witnesses: tuple[WitnessName, ...] = BY_DEFAULT
    """`check`: what autograd's gradients are compared with."""
    under: tuple[TransformationName, ...] = ()
    """`check`, code: the transformations under which its gradients are computed once more."""
    points: Annotated[int, Range(1)] = 1
    """`check`: at how many random points."""
    claims: dict[str, str] = field(default_factory=dict)
    """`check`: tensor -> gradient derived by hand, as a program."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """Arguments of code that are not tensors: of forward, of a function, of a module's constructor."""
    pick: str | None = None
    """Code: which tensor of what it returns is differentiated, by its path."""
    mode: Literal["train", "eval"] | None = None
    """Code: the mode of a module; None leaves it as it was built."""
    reference: str | None = None
    """`custom`: what forward should compute, as a program."""
    surrogate: str | None = None
    """`custom`: what backward is meant to be the derivative of, where that is not forward, as a program."""
    backwards: dict[str, str] = field(default_factory=dict)
    """`custom`: input -> gradient, as a program."""
    calls: tuple[Annotated[int, Range(1)], ...] = FIRST_CALLS
    """`run`: which backward calls of the script are checked, by number."""
    every: Literal["last", "all"] | None = None
    """`run`: that each of them is checked, or the last, whatever the numbers."""
    formulas: bool = True
    """Whether formulas are written: what takes longest, and longer on a busy machine."""
    verify: bool = True
    """Whether autograd's gradients are compared with anything."""
    cache: bool = True
    """Whether derivatives are kept on disk for later runs, and those of earlier ones used."""
    rtol: Annotated[float, Range(0, math.inf)] | None = None
    """Relative tolerance; None stands for that of the dtype."""
    atol: Annotated[float, Range(0, math.inf)] | None = None
    """Absolute tolerance; None stands for that of the dtype."""
    timeout: Annotated[float, Range(1e-3, 1e9)] = 60.0
    """Seconds for the whole run."""
    limits: Limits = DEFAULT_LIMITS

    def __post_init__(self) -> None:
        """Refuse what is not a setting: InputError names the field."""
        check_fields(self)
        for shape in self.shapes.values():
            try:
                self.limits.check_shape(shape)
            except LimitError as error:
                raise error.about("shapes") from None

    def having(self, **changes: Any) -> Settings:
        """Return settings with these values: the very same where they are these already, which takes no check."""
        return (
            self if all(getattr(self, name) == value for name, value in changes.items()) else replace(self, **changes)
        )

    @property
    def tolerance(self) -> Tolerance:
        """Return how far a gradient may be from the right one: the dtype's tolerance, unless the user gives another."""
        return Tolerance.of(self.dtype, self.rtol, self.atol)

    @property
    def picks_default(self) -> bool:
        """Return whether `run` checks the first calls, however many there are."""
        return self.calls == FIRST_CALLS
