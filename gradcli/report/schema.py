"""The JSON Schema of the report, read off its dataclasses: the same annotations say what `to_dict` writes."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

from gradcli.report.audit import AUDIT_SCHEMA, VERDICTS, AuditReport
from gradcli.report.derivation import DERIVATION_SCHEMA, Derivation
from gradcli.report.proof import EXCEPT, PROOF_SCHEMA, PROVED, REFUTED, UNDECIDED, ProofReport
from gradcli.report.records import SUMMARY, Summary, is_merged, is_optional, keys_of
from gradcli.report.report import REPORT_SCHEMA, SUITE_SCHEMA, Report

DRAFT = "https://json-schema.org/draft/2020-12/schema"
JsonSchema: TypeAlias = "dict[str, Any]"

SIMPLE: dict[object, JsonSchema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"$ref": "#/$defs/Real"},
    type(None): {"type": "null"},
    complex: {"$ref": "#/$defs/Complex"},
    Any: {"$ref": "#/$defs/Value"},  # only tensors are of a type that the report leaves open
}
NUMBERS: dict[str, JsonSchema] = {
    "Real": {
        "description": "A number; what JSON has no number for is a string.",
        "anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}],
    },
    "Complex": {
        "type": "object",
        "properties": {"real": {"$ref": "#/$defs/Real"}, "imag": {"$ref": "#/$defs/Real"}},
        "required": ["real", "imag"],
        "additionalProperties": False,
    },
    "Tensor": {
        "description": "A number, or nested lists of numbers.",
        "anyOf": [
            {"$ref": "#/$defs/Real"},
            {"$ref": "#/$defs/Complex"},
            {"type": "boolean"},
            {"type": "array", "items": {"$ref": "#/$defs/Tensor"}},
        ],
    },
}
# What stands for a tensor of more entries than `--max-entries`.
VALUE: JsonSchema = {
    "description": "A tensor. Of one with more entries than `--max-entries` none is written: it is null, and what it "
    "is like is in `summary` of the same object, by key; outside of such an object that stands in its place.",
    "anyOf": [{"$ref": "#/$defs/Tensor"}, {"$ref": "#/$defs/Summary"}, {"type": "null"}],
}

LEFT_OUT: JsonSchema = {
    "description": "The tensors of this object whose entries are left out, by key.",
    "type": "object",
    "additionalProperties": {"$ref": "#/$defs/Summary"},
}

# What a suite says of a check, beside its report.
NAMED: dict[str, Any] = {"name": str, "file": str, "line": int, "expect": str, "tags": list[str], "seconds": float}
NAMED |= {"passed": bool}
REQUIRED = ["name", "seconds", "passed"]
# What a derivation holds for the Python API alone.
INSIDE = ("verify", "codes", "markup", "declarations")


def report_schema() -> JsonSchema:
    """Return the JSON Schema of the report."""
    schema, definitions = _with_values(Report)
    schema["properties"]["schema"] = {"const": REPORT_SCHEMA}
    return _document("report", schema, definitions)


def derivation_schema() -> JsonSchema:
    """Return the JSON Schema of what `derive` reports."""
    schema, definitions = _with_values(Derivation)
    for name in INSIDE:
        del schema["properties"][name]
    code = {"description": "The code that `--to` asks for.", "anyOf": [SIMPLE[str], SIMPLE[type(None)]]}
    more = {"schema": {"const": DERIVATION_SCHEMA}, "code": code, "verdict": {"$ref": "#/$defs/Verdict"}}
    schema["properties"] |= more
    schema["required"] = [*(name for name in schema["required"] if name not in INSIDE), "code", "verdict"]
    return _document("derivation", schema, definitions)


def proof_schema() -> JsonSchema:
    """Return the JSON Schema of what `prove` reports."""
    schema, definitions = _with_values(ProofReport)
    del schema["properties"]["strict"]
    verdicts = {"enum": [PROVED, EXCEPT, REFUTED, UNDECIDED]}, {"pattern": "^equal at [0-9]+ exact points$"}
    schema["properties"] |= {"schema": {"const": PROOF_SCHEMA}, "verdict": {"type": "string", "anyOf": [*verdicts]}}
    schema["required"] = [*(name for name in schema["required"] if name != "strict"), "verdict"]
    return _document("proof", schema, definitions)


def audit_schema() -> JsonSchema:
    """Return the JSON Schema of what `audit` reports."""
    definitions = {"Real": NUMBERS["Real"]}
    schema = _object(AuditReport, definitions)
    counts = {"type": "object", "additionalProperties": {"type": "integer"}, "propertyNames": {"enum": [*VERDICTS]}}
    schema["properties"] |= {"schema": {"const": AUDIT_SCHEMA}, "counts": counts}
    schema["required"] = [*schema["required"], "counts"]
    definitions["AuditedOp"]["properties"]["verdict"] = {"enum": [*VERDICTS]}
    return _document("audit", schema, definitions)


def suite_report_schema() -> JsonSchema:
    """Return the JSON Schema of the report of several checks: reports with a name, or the error of a check."""
    report = report_schema()
    named = {name: _schema_of(kind, {}) for name, kind in NAMED.items()}
    check = {"allOf": [{"$ref": "#/$defs/Report"}, {"type": "object", "properties": named, "required": REQUIRED}]}
    definitions = {**report.pop("$defs"), "Report": {key: report[key] for key in ("type", "properties", "required")}}
    definitions["Failed"] = _failed(named)
    counts = {"type": "object", "additionalProperties": {"type": "integer"}}
    properties = {
        "schema": {"const": SUITE_SCHEMA},
        "failures": {"type": "array", "items": {"type": "string"}},
        "checks": {"type": "array", "items": {"anyOf": [check, {"$ref": "#/$defs/Failed"}]}},
        "counts": counts,
        "asked": {"type": "integer"},
        "interrupted": {"type": "boolean"},
        "verdict": {"$ref": "#/$defs/Verdict"},
    }
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"$schema": report["$schema"], "title": "gradcli suite report", **schema, "$defs": definitions}


def _document(name: str, schema: JsonSchema, definitions: dict[str, JsonSchema]) -> JsonSchema:
    """Return a schema as one that stands alone."""
    return {"$schema": DRAFT, "title": f"gradcli {name}", **schema, "$defs": dict(sorted(definitions.items()))}


def _with_values(kind: type) -> tuple[JsonSchema, dict[str, JsonSchema]]:
    """Return the schema of a record that holds tensors, and the definitions that it refers to."""
    definitions = dict(NUMBERS) | {"Value": VALUE}
    definitions["Summary"] = _object(Summary, definitions)
    return _object(kind, definitions), definitions


def _failed(named: JsonSchema) -> JsonSchema:
    """Return the schema of a check without a report: it is wrong itself, or no process finished it."""
    message = {"type": "string"}
    reason = {"message": message, "hint": {"anyOf": [message, {"type": "null"}]}, "exit": {"type": "integer"}}
    error = {"type": "object", "properties": reason, "required": list(reason)}
    verdict = {"anyOf": [{"$ref": "#/$defs/Verdict"}, {"type": "null"}]}
    properties = {**named, "program": message, "error": error, "reproduce": message, "verdict": verdict}
    return {"type": "object", "properties": properties, "required": [*REQUIRED, "program", "error", "verdict"]}


def _object(kind: type, definitions: dict[str, JsonSchema]) -> JsonSchema:
    hints = dict(_hints(kind))
    summary = {SUMMARY: LEFT_OUT} if any(_has_tensor(hint) for hint in hints.values()) else {}
    required = [field for field in fields(kind) if not is_optional(field) and not is_merged(field)]
    return {
        "type": "object",
        "description": " ".join((inspect.getdoc(kind) or "").split()),
        "properties": {name: _schema_of(hint, definitions) for name, hint in hints.items()} | summary,
        "required": [name for field in required for name in keys_of(field)],
    }


def _has_tensor(hint: Any) -> bool:
    return hint is Any or Any in get_args(hint)


def _hints(kind: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and annotation of everything that the JSON of a dataclass may have."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        if is_merged(field):
            records = [record for record in get_args(hints[field.name]) if record is not type(None)]
            yield from ((name, hint | None) for record in records for name, hint in _hints(record))
        else:
            yield from ((name, _annotation(kind, name)) for name in keys_of(field))


def _annotation(kind: type, name: str) -> Any:
    """Return the type of a field, or of a property that stands in a field's place."""
    attribute = getattr(kind, name, None)
    return get_type_hints(attribute.fget)["return"] if isinstance(attribute, property) else get_type_hints(kind)[name]


def _schema_of(kind: Any, definitions: dict[str, JsonSchema]) -> JsonSchema:
    """Return the schema of one annotation; a dataclass or an enumeration goes to the definitions."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    arguments = [argument for argument in get_args(kind) if argument is not ...]
    if get_origin(kind) is types.UnionType:
        return {"anyOf": [_schema_of(argument, definitions) for argument in arguments]}
    if get_origin(kind) in {tuple, list}:
        return {"type": "array", "items": _schema_of(arguments[0], definitions)}
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _schema_of(arguments[1], definitions)}
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = _definition(kind, definitions)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _definition(kind: type, definitions: dict[str, JsonSchema]) -> JsonSchema:
    if is_dataclass(kind):
        return _object(kind, definitions)
    if issubclass(kind, StrEnum):
        return {"enum": [str(member) for member in kind]}
    msg = f"the report has a field of type {kind.__name__}, which has no JSON Schema yet"
    raise TypeError(msg)
