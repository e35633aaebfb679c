"""An entry of a suite -> its checks: one, or one for each shape and dtype of a list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from gradcli.inputs import parse_backwards, parse_claims, parse_grad_output, parse_shapes, parse_values
from gradcli.limits import Limits
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings
from gradcli.suite.check import LOADED, Kind, SuiteCheck
from gradcli.suite.model import LEFT_OUT, PLAIN

LONGEST_NAME = 80
# Keys that only some checks have, and that are fields of Settings.
AS_THEY_ARE = ("arguments", "reference", "surrogate", "max_entries")


def expand(entry: Any, said: Mapping[str, Any], base: Settings, **place: Any) -> list[SuiteCheck]:
    """Return the checks of an entry (a pydantic model), of which `said` is all that is said by keys.

    `place` are the fields of a check that say where it comes from.
    Raises GradcliError whose option is the key that is wrong.
    """
    kind, folder = entry.kind, Path(place["file"]).parent
    said = {key: value for key, value in said.items() if key not in LEFT_OUT[kind]}
    text = getattr(entry, kind)
    name = entry.name or " ".join(text.split())[:LONGEST_NAME]
    expect = None if said.get("expect") is None else Verdict(said["expect"])
    about, tags = _beside(text, folder) if kind in LOADED else text, tuple(_listed(said.get("tags", [])))
    return [
        SuiteCheck(name + suffix, about, one, expect, tags, kind=kind, **place)
        for suffix, one in variants(said, _base(base, kind), folder)
    ]


def _base(base: Settings, kind: Kind) -> Settings:
    """Return the settings of the command line, without those that a check of a kind does not have."""
    if kind is Kind.TARGET:
        return base
    base = base.having(under=())
    if kind is Kind.PROGRAM:
        return base
    return replace(base, command="custom", reduce="none", points=1, claims={}, leaves=False)


def _beside(target: str, folder: Path) -> str:
    """Return code whose file is named as seen from the suite's folder; a module's name stays."""
    return str(folder / target) if re.search(r"\.py(:|$)", target) else target


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def variants(said: Mapping[str, Any], base: Settings, folder: Path) -> Iterator[tuple[str, Settings]]:
    """Yield the settings for each shape and dtype, and what it adds to the name: `[2x2]`, `[2x2-float32]`.

    Files of values lie in the folder. Raises GradcliError whose option is the key that is wrong.
    """
    common = _common(said, base.limits, folder)
    shapes, dtypes = said.get("shape"), said.get("dtype")
    for shape, dtype in product(_listed(shapes), _listed(dtypes)):
        varied = [_shown(shape)] if isinstance(shapes, list) else []
        varied += [str(dtype)] if isinstance(dtypes, list) else []
        changes = common if shape is None else common | {"shapes": parse_shapes(_texts(shape), base.limits)}
        changes |= {} if dtype is None else {"dtype": dtype}
        yield f"[{'-'.join(varied)}]" if varied else "", replace(base, **changes)


def _shown(shape: Any) -> str:
    return ",".join(_texts(shape))


def _texts(shape: Any) -> list[str]:
    return [shape] if isinstance(shape, str) else [f"{name}={size}" for name, size in shape.items()]


def _common(said: Mapping[str, Any], limits: Limits, folder: Path) -> dict[str, Any]:
    """Return the fields of Settings that the keys amount to, but for shape and dtype."""
    changes = {key: said[key] for key in (*PLAIN, *AS_THEY_ARE) if said.get(key) is not None}
    if "constants" in said:
        changes["constants"] = tuple(_listed(said["constants"]))
    if "witnesses" in said:
        changes["witnesses"] = tuple(_listed(said["witnesses"]))
    if said.get("under") is not None:
        changes["under"] = tuple(_listed(said["under"]))
    if said.get("grad_output") is not None:
        changes["grad_output"] = parse_grad_output(_text(said["grad_output"]), limits)
    if said.get("output") is not None:
        changes["pick"] = str(said["output"])
    if said.get("train") is not None:
        changes["mode"] = "train" if said["train"] else "eval"
    if said.get("claim"):
        changes["claims"] = parse_claims(_options(said["claim"]))
    if said.get("backwards"):
        changes["backwards"] = parse_backwards(_options(said["backwards"]))
    return changes | _values(said.get("values"), limits, folder)


def _options(gradients: Mapping[str, Any]) -> Iterator[str]:
    """Yield gradients by name as an option would have them."""
    return (f"{name}={_text(gradient)}" for name, gradient in gradients.items())


def _values(values: Any, limits: Limits, folder: Path) -> dict[str, Any]:
    """Return the values by leaf, or the file that has them, beside the suite."""
    if values is None:
        return {}
    if isinstance(values, str):
        return {"values_file": folder / values}
    texts = [f"{name}={_text(value)}" for name, value in values.items()]
    return {"values": parse_values(texts, limits)}


def _text(value: Any) -> str:
    """Return a value of TOML as an option would have it; text, such as a complex number, stands for itself."""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return value if isinstance(value, str) else json.dumps(value)
