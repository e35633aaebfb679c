"""What the options of a command amount to: parsed, checked, and free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from gradcli.commands import Command

Number: TypeAlias = "bool | int | float | complex"
Value: TypeAlias = "Number | list[Value]"
Shape: TypeAlias = "tuple[int, ...]"

DataType = Literal["float64", "float32", "float16", "bfloat16", "complex64", "complex128"]
Initialisation = Literal["primes", "randn", "uniform", "arange", "ones"]
Reduction = Literal["none", "sum", "mean", "prod", "norm"]
WitnessName = Literal["symbolic", "finite-difference", "taylor"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a program, its tensors and its derivation may be; each limit has an option that raises it."""

    program_size: int = 16 * 1024  # bytes
    nesting: int = 100
    operations: int = 2_000
    rank: int = 8
    elements: int = 10_000_000  # per tensor
    memory: int = 2 * 1024**3  # bytes, estimated for the graph in all
    exponent: int = 1_000
    derivation_time: float = 10.0  # seconds, per symbolic derivation


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that one run of a program depends on, beside the program.

    `shapes` maps a leaf to its shape; the key None holds the shape of all leaves that are given none.
    `wrt` and `timeout` are None where the command line leaves them to the command. `witnesses`, `points` and `claims`
    (tensor -> gradient derived by hand, as a program) are `check`'s, `tangents` are `jvp`'s. `arguments` (of
    forward, no tensors), `reference` and `backwards` (input -> gradient, as a program) are `custom`'s.
    """

    command: Command = "eval"
    shapes: dict[str | None, Shape] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    values_file: Path | None = None
    init: Initialisation | None = None
    seed: int = 0
    dtype: DataType = "float64"
    device: str = "cpu"
    constants: tuple[str, ...] = ()
    reduce: Reduction = "none"
    grad_output: Literal["ones", "randn"] | Value | None = None
    retain_grad: tuple[str, ...] = ()
    detach: tuple[str, ...] = ()
    hooks: bool = False
    wrt: tuple[str, ...] | None = None
    tangents: dict[str, Value] = field(default_factory=dict)
    create_graph: bool = False
    allow_unused: bool = False
    times: int = 1  # backward calls of `accumulate` and `double-backward`
    zero_grad: Literal["none", "zeros"] | None = None  # what .grad is made before each of them
    learning_rate: float | None = None
    witnesses: tuple[WitnessName, ...] = ("symbolic", "finite-difference", "taylor")
    points: int = 1
    claims: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    reference: str | None = None
    backwards: dict[str, str] = field(default_factory=dict)
    formulas: bool = True  # write the formulas of the gradients: what takes longest, and longer on a busy machine
    verify: bool = True
    rtol: float | None = None
    atol: float | None = None
    timeout: float = 60.0
    limits: Limits = Limits()
