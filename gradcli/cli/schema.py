"""`gradcli schema`."""

from __future__ import annotations


def schema() -> int:
    """Print the JSON Schema of the report.

    `gradcli eval --json` and its relatives write what it describes.

    Examples:
      gradcli schema
    """
    import json

    from gradcli.output import write
    from gradcli.schema import report_schema

    write(json.dumps(report_schema(), indent=2) + "\n", None)
    return 0
