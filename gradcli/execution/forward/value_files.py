"""Files of values by leaf: JSON, NumPy's, PyTorch's and safetensors'."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from gradcli.errors import GradcliError, InputError, first_line
from gradcli.execution.forward.file_sizes import check_archive, check_sizes, read_json_text
from gradcli.execution.forward.memory import ENTRY
from gradcli.inputs.near_files import near_files
from gradcli.inputs.values import LONGEST_QUOTE


def read_values(path: Path | None) -> dict[str, Any]:
    """Return the values in a `.json`, `.npz`, `.pt` or `.safetensors` file by name."""
    if path is None:
        return {}
    reader = _reader_of(path)
    try:
        found = reader(path)
    except ImportError as error:
        raise InputError(
            f"{path.name}: reading it needs the package {error.name}", hint=f"pip install {error.name}"
        ) from None
    except GradcliError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path.name}: {error.strerror}", hint=near_files(path, [*READERS])) from None
    except (OSError, ValueError, RuntimeError, EOFError, RecursionError, KeyError, TypeError) as error:
        reason = first_line(error) or f"it cannot be read as {path.suffix}: it is empty, or ends too early"
        raise InputError(f"{path.name}: {reason}") from None
    except Exception as error:  # noqa: BLE001 (an unpickler raises anything)
        raise InputError(f"{path.name}: it cannot be read as {path.suffix}: {type(error).__name__}") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise InputError(f"{path.name}: it must hold an object that maps names to values")
    return found


def _reader_of(path: Path) -> Callable[[Path], Any]:
    """Return what reads a file; InputError for what holds no values by its name."""
    if path.is_dir():
        raise InputError(f"{path}: this is a folder", hint=f"values are read from files: {', '.join(READERS)}")
    reader = READERS.get(path.suffix)
    if reader is None:
        raise InputError(f"{path.name}: values are read from {', '.join(READERS)}")
    if path.is_file() and not path.stat().st_size:
        raise InputError(f"{path.name}: the file is empty")
    return reader


def _read_json(path: Path) -> Any:
    def refuse(constant: str) -> Any:
        msg = f"{constant} is not a number"
        raise ValueError(msg)

    text = read_json_text(path)
    return json.loads(text, parse_constant=refuse, parse_float=_finite, object_pairs_hook=_without_duplicates)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        msg = f"{text[:LONGEST_QUOTE]} is too large for a floating-point number"
        raise ValueError(msg)
    return number


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            msg = f"the value of '{name}' is given twice"
            raise ValueError(msg)
        found[name] = value
    return found


def _read_npz(path: Path) -> Any:
    import numpy  # noqa: ICN001 (optional: only this format needs it)

    check_archive(path)
    with numpy.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def _read_pt(path: Path) -> Any:
    check_archive(path)
    return torch.load(path, weights_only=True, map_location="cpu")


def _read_safetensors(path: Path) -> Any:
    from safetensors import safe_open  # optional: only this format needs it

    with safe_open(path, "pt") as file:
        names = list(file.keys())
        check_sizes(path, [math.prod(file.get_slice(name).get_shape()) * ENTRY for name in names])
        return {name: file.get_tensor(name) for name in names}


READERS: Mapping[str, Callable[[Path], Any]] = {
    ".json": _read_json,
    ".npz": _read_npz,
    ".pt": _read_pt,
    ".safetensors": _read_safetensors,
}
