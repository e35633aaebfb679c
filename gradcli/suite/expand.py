"""An entry of a suite -> its checks: one, or one for each shape and dtype of a list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from gradcli.inputs import parse_claims, parse_grad_output, parse_shapes, parse_values
from gradcli.limits import Limits
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings
from gradcli.suite.check import SuiteCheck
from gradcli.suite.model import PLAIN

LONGEST_NAME = 80


def expand(entry: Any, said: Mapping[str, Any], base: Settings, **place: Any) -> list[SuiteCheck]:
    """Return the checks of an entry (a pydantic model), of which `said` is all that is said by keys.

    `place` are the fields of a check that say where it comes from.
    Raises GradcliError whose option is the key that is wrong.
    """
    name = entry.name or " ".join(entry.program.split())[:LONGEST_NAME]
    expect = None if said.get("expect") is None else Verdict(said["expect"])
    tags = tuple(_listed(said.get("tags", [])))
    return [
        SuiteCheck(name + suffix, entry.program, one, expect, tags, **place)
        for suffix, one in variants(said, replace(base, formulas=False), Path(place["file"]).parent)
    ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def variants(said: Mapping[str, Any], base: Settings, folder: Path) -> Iterator[tuple[str, Settings]]:
    """Yield the settings for each shape and dtype, and what it adds to the name: `[2x2]`, `[2x2-float32]`.

    Files of values lie in the folder. Raises GradcliError whose option is the key that is wrong.
    """
    settings = _settings(said, base, folder)
    shapes, dtypes = said.get("shape"), said.get("dtype")
    for shape, dtype in product(_listed(shapes), _listed(dtypes)):
        varied = [_shown(shape)] if isinstance(shapes, list) else []
        varied += [str(dtype)] if isinstance(dtypes, list) else []
        changes: dict[str, Any] = {} if shape is None else {"shapes": parse_shapes(_texts(shape), settings.limits)}
        changes |= {} if dtype is None else {"dtype": dtype}
        yield f"[{'-'.join(varied)}]" if varied else "", replace(settings, **changes)


def _shown(shape: Any) -> str:
    return ",".join(_texts(shape))


def _texts(shape: Any) -> list[str]:
    return [shape] if isinstance(shape, str) else [f"{name}={size}" for name, size in shape.items()]


def _settings(said: Mapping[str, Any], base: Settings, folder: Path) -> Settings:
    """Return the settings that the keys amount to, but for shape and dtype."""
    changes = {key: said[key] for key in PLAIN if said.get(key) is not None}
    if "constants" in said:
        changes["constants"] = tuple(_listed(said["constants"]))
    if "witnesses" in said:
        changes["witnesses"] = tuple(said["witnesses"])
    if said.get("grad_output") is not None:
        changes["grad_output"] = parse_grad_output(_text(said["grad_output"]), base.limits)
    if said.get("claim"):
        changes["claims"] = parse_claims(f"{name}={_text(gradient)}" for name, gradient in said["claim"].items())
    return replace(base, **changes, **_values(said.get("values"), base.limits, folder))


def _values(values: Any, limits: Limits, folder: Path) -> dict[str, Any]:
    """Return the values by leaf, or the file that has them, beside the suite."""
    if values is None:
        return {}
    if isinstance(values, str):
        return {"values_file": folder / values}
    texts = [f"{name}={_text(value)}" for name, value in values.items()]
    return {"values": parse_values(texts, limits, "--values")}


def _text(value: Any) -> str:
    """Return a value of TOML as an option would have it; text, such as a complex number, stands for itself."""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return value if isinstance(value, str) else json.dumps(value)
