"""Options that go together, and the settings that they amount to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.cli.options import (
    AtolOption,
    ConstantOption,
    DerivationTimeOption,
    DeviceOption,
    DtypeOption,
    ElementsOption,
    ExecutorOption,
    ExponentOption,
    FailFastOption,
    FormatOption,
    GradOutputOption,
    InitOption,
    JobsOption,
    JsonOption,
    LastFailedOption,
    MemoryOption,
    NestingOption,
    NoVerifyOption,
    OnlyOption,
    OperationsOption,
    OutputOption,
    ProgramSizeOption,
    RankOption,
    ReduceOption,
    RtolOption,
    SeedOption,
    ShapeOption,
    ShardOption,
    TagOption,
    TimeoutOption,
    ValueOption,
    ValuesOption,
)
from gradcli.commands import Command
from gradcli.settings import Limits, Settings

DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How and where a report is written."""

    format: FormatOption = "table"
    json: JsonOption = False
    output: OutputOption = None

    @property
    def chosen_format(self) -> str:
        """Return the format asked for; `--json` is short for one."""
        return "json" if self.json else self.format


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """Which of several checks are carried out, and where."""

    jobs: JobsOption = "1"
    executor: ExecutorOption = None
    shard: ShardOption = None
    only: OnlyOption = ()  # type: ignore[assignment]  # a shared default must not be mutable
    tag: TagOption = ()  # type: ignore[assignment]
    fail_fast: FailFastOption = False
    last_failed: LastFailedOption = False


@dataclass(frozen=True, slots=True)
class ProgramOptions:
    """What every command that runs a program can be told about its leaves, output, comparison and limits."""

    shape: ShapeOption = ()  # type: ignore[assignment]  # a shared default must not be mutable
    value: ValueOption = ()  # type: ignore[assignment]
    values: ValuesOption = None
    init: InitOption = None
    seed: SeedOption = 0
    dtype: DtypeOption = "float64"
    device: DeviceOption = "cpu"
    constant: ConstantOption = ()  # type: ignore[assignment]
    reduce: ReduceOption = "none"
    no_verify: NoVerifyOption = False
    rtol: RtolOption = None
    atol: AtolOption = None
    timeout: TimeoutOption = 60
    max_program_size: ProgramSizeOption = "16KiB"
    max_nesting: NestingOption = DEFAULT_LIMITS.nesting
    max_operations: OperationsOption = DEFAULT_LIMITS.operations
    max_rank: RankOption = DEFAULT_LIMITS.rank
    max_elements: ElementsOption = DEFAULT_LIMITS.elements
    max_memory: MemoryOption = "2GiB"
    max_exponent: ExponentOption = DEFAULT_LIMITS.exponent
    max_derivation_time: DerivationTimeOption = 10


@dataclass(frozen=True, slots=True)
class RunOptions(ProgramOptions):
    """The same, with the vector that a gradient is multiplied by."""

    grad_output: GradOutputOption = None


def limits_from(options: ProgramOptions) -> Limits:
    """Return the limits that the options set."""
    from gradcli.inputs import check_count, check_number, parse_size

    return Limits(
        program_size=parse_size("--max-program-size", options.max_program_size),
        nesting=check_count("--max-nesting", options.max_nesting),
        operations=check_count("--max-operations", options.max_operations),
        rank=check_count("--max-rank", options.max_rank),
        elements=check_count("--max-elements", options.max_elements),
        memory=parse_size("--max-memory", options.max_memory),
        exponent=check_count("--max-exponent", options.max_exponent),
        derivation_time=check_number("--max-derivation-time", options.max_derivation_time),
    )


def settings_from(command: Command, options: ProgramOptions, **more: Any) -> Settings:
    """Return the settings that the options amount to; `more` are the fields that only this command has."""
    from gradcli import inputs

    limits = limits_from(options)
    return Settings(
        command=command,
        shapes=inputs.parse_shapes(options.shape, limits),
        values=inputs.parse_values(options.value, limits),
        values_file=options.values,
        init=options.init,
        seed=inputs.check_count("--seed", options.seed),
        dtype=options.dtype,
        device=options.device,
        constants=inputs.parse_names("--constant", options.constant),
        reduce=options.reduce,
        grad_output=inputs.parse_grad_output(getattr(options, "grad_output", None), limits),
        verify=not options.no_verify,
        rtol=None if options.rtol is None else inputs.check_number("--rtol", options.rtol),
        atol=None if options.atol is None else inputs.check_number("--atol", options.atol),
        timeout=inputs.check_number("--timeout", options.timeout),
        limits=limits,
        **more,
    )
