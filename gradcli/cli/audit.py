"""`gradcli audit`."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gradcli.cli.options import OUTPUT, SUITE, ColourOption, JobsOption, JsonOption, OutputOption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gradcli.report.audit import AuditedOp, AuditReport
    from gradcli.settings import Settings

AuditFormat = Literal["table", "plain", "json", "markdown"]


def audit(
    op: Annotated[
        list[str],
        typer.Option("--op", metavar="NAME", show_default=False, help="Audit this op alone. Repeatable."),
    ] = (),  # type: ignore[assignment]  # a shared default must not be mutable
    device: Annotated[str, typer.Option("--device", metavar="DEVICE", help="PyTorch's device.")] = "cpu",
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", help="Seconds for each op.")] = 60.0,
    jobs: JobsOption = "auto",
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="FILE",
            rich_help_panel=SUITE,
            show_default=False,
            help="Keep each op's row there as it is finished, a line of JSON, and pass over ops that it has of these "
            "versions.",
        ),
    ] = None,
    format: Annotated[  # noqa: A002  # the option's name
        AuditFormat,
        typer.Option("--format", metavar="FORMAT", rich_help_panel=OUTPUT, help="table, plain, json or markdown."),
    ] = "table",
    as_json: JsonOption = False,
    output: OutputOption = None,
    color: ColourOption = "auto",
) -> int:
    """Audit the installed PyTorch, op by op: proved, verified at points, or refuted.

    Each op that PyTorch's own tests differentiate runs on their samples: float64
    and float32 gradients beside the derivative, the derivative of the gradient,
    forward mode beside backward, and a proof of the smallest sample. All of them
    take half an hour on two cores; Ctrl-C and --resume FILE go on later.

    Examples:
      gradcli audit --op sigmoid --op nn.functional.mse_loss
      gradcli audit --op tanh --json
    """
    from gradcli.cli.output import write
    from gradcli.render.audit import AUDIT_FORMATS
    from gradcli.render.style import style_for
    from gradcli.settings import Settings

    settings = Settings(device=device, timeout=timeout)
    report = _report(_chosen(op), settings, jobs, resume)
    style = style_for(None if output else sys.stdout, color)
    write(AUDIT_FORMATS["json" if as_json else format](report, style), output)
    return report.exit_code


def _chosen(wanted: Sequence[str]) -> list[str]:
    """Return the ops to audit, by PyTorch's names; InputError for one that PyTorch's tests do not differentiate."""
    from gradcli.engine import import_torch
    from gradcli.errors import InputError
    from gradcli.phrases import did_you_mean

    import_torch()
    from gradcli.execution.forward.opinfo import names

    known = names()
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known, "its names are those of `torch`, such as nn.functional.gelu")
            raise InputError(f"PyTorch's tests differentiate no op '{name}'", option="--op", hint=hint)
    return list(dict.fromkeys(wanted)) or list(known)


def _report(names: Sequence[str], settings: Settings, jobs: str, resume: Path | None) -> AuditReport:
    """Return the audit of some ops; of those that the file has, its rows."""
    from gradcli.cli.progress import progress
    from gradcli.report.audit import AuditReport
    from gradcli.suite.audit import OF_OPS, Audit, versions
    from gradcli.suite.executors import local_place
    from gradcli.suite.jobs import count_jobs
    from gradcli.suite.schedule import outcomes_of

    of = versions(settings)
    rows = {} if resume is None else _rows(resume, of)
    left = [Audit(name, settings) for name in names if name not in rows]
    place = local_place(max(1, min(count_jobs(jobs), len(left))))
    with closing(outcomes_of(OF_OPS, left, place)) as found, progress(len(left), "ops") as advance:
        for _, row in found:
            rows[row.name] = row
            advance(row)
            if resume is not None:
                _keep(resume, of, row)
    return AuditReport(**of, ops=tuple(rows[name] for name in names))


def _rows(file: Path, of: Mapping[str, str]) -> dict[str, AuditedOp]:
    """Return the rows of a file that are of these versions and this device, by op."""
    from gradcli.errors import InputError
    from gradcli.report.audit import AuditedOp

    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
        return {line["row"]["name"]: AuditedOp(**line["row"]) for line in lines if line["of"] == of}
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "`--resume` takes a file that `gradcli audit` has written, or the name of a new one"
        raise InputError(f"'{file}' does not hold the rows of an audit: {error}", hint=hint) from None


def _keep(file: Path, of: Mapping[str, str], row: AuditedOp) -> None:
    from gradcli.cli.output import write
    from gradcli.report.records import jsonable

    write(json.dumps({"of": of, "row": jsonable(row)}) + "\n", file, append=True)
