"""`gradcli schema`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer

from gradcli.cli.options import ColourOption

Subject = Literal["report", "suite", "suite-report"]


def schema(
    subject: Annotated[
        Subject,
        typer.Argument(metavar="[SUBJECT]", help="report, suite (the file), or suite-report (of several checks)."),
    ] = "report",
    color: ColourOption = "auto",  # noqa: ARG001  # every command takes it; a schema has no colour
) -> int:
    """Print the JSON Schema of the report, of suite files, or of the report of several checks.

    `gradcli eval --json` and its relatives write what the first describes,
    `gradcli check` with several targets or a suite what the last does.

    Examples:
      gradcli schema
      gradcli schema suite
    """
    import json

    from gradcli.cli.output import write

    write(json.dumps(_schemas()[subject](), indent=2) + "\n", None)
    return 0


def _schemas() -> dict[Subject, Callable[[], dict[str, Any]]]:
    from gradcli.report.schema import report_schema, suite_report_schema
    from gradcli.suite.schema import suite_schema

    return {"report": report_schema, "suite": suite_schema, "suite-report": suite_report_schema}
