"""`gradcli schema`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer

from gradcli.cli.options import ColourOption

Subject = Literal["report", "suite", "suite-report", "derivation", "proof", "audit"]


def schema(
    subject: Annotated[
        Subject,
        typer.Argument(
            metavar="[SUBJECT]",
            help="report, suite (the file), suite-report (of several checks), derivation, proof or audit.",
        ),
    ] = "report",
    color: ColourOption = "auto",  # noqa: ARG001  # every command takes it; a schema has no colour
) -> int:
    """Print the JSON Schema of the report, of suite files, of what commands write with --json.

    `gradcli eval --json` and its relatives write what the first describes,
    `gradcli check` with several targets or a suite what suite-report does, and
    `gradcli derive --json`, `gradcli prove --json` and `gradcli audit --json`
    what derivation, proof and audit do.

    Examples:
      gradcli schema
      gradcli schema suite
    """
    import json

    from gradcli.cli.output import write

    write(json.dumps(_schemas()[subject](), indent=2) + "\n", None)
    return 0


def _schemas() -> dict[Subject, Callable[[], dict[str, Any]]]:
    from gradcli.report.schema import audit_schema, derivation_schema, proof_schema, report_schema, suite_report_schema
    from gradcli.suite.schema import suite_schema

    reports: dict[Subject, Callable[[], dict[str, Any]]] = {
        "report": report_schema,
        "suite-report": suite_report_schema,
    }
    reports |= {"suite": suite_schema, "derivation": derivation_schema, "proof": proof_schema, "audit": audit_schema}
    return reports
