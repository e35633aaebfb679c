"""The JSON Schema of suite files, as editors read it: the models that validate them say what it is."""

from __future__ import annotations

from typing import Any

from gradcli.suite.places import SPELLINGS


def suite_schema() -> dict[str, Any]:
    """Return the JSON Schema of a suite file, its keys as they are written there."""
    from gradcli.suite.model import SuiteModel

    schema = SuiteModel.model_json_schema(by_alias=True, mode="validation")
    for table in schema["$defs"].values():
        for key, others in SPELLINGS.items():  # which pydantic leaves out
            if key in table["properties"]:
                table["properties"] |= dict.fromkeys(others, table["properties"][key])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
