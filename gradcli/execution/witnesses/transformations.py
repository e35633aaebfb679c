"""The transformations under which code is run once more: each of what is called, of the tensors, or of both.

The functions here are named by the rows in gradcli.witnesses.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gradcli.execution.code.outputs import tensors_of
from gradcli.execution.forward import tree
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.settings import DataType, Settings

Call: TypeAlias = Callable[..., Any]
IMAGES = 4  # dimensions of what has channels


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Transformation:
    """How code is run otherwise."""

    call: Callable[[Call], Call] = _as_it_is
    """From the code to what is called in its place, with the same arguments; of several results it may name each by
    its path, in a dict."""
    tensor: Callable[[Tensor], Tensor] = _as_it_is
    """What becomes of each input, parameter and buffer."""
    dtype: DataType | None = None
    """What the code's own tensors are made in; None for the dtype of the check."""
    precision: DataType | None = None
    """By whose tolerance its gradients are judged; None for that of the check."""
    notes: Notes = ()
    """What there is to say of how that is done on this machine."""


def eager(_: Settings) -> Transformation:
    """Return the code as it is, and not followed."""
    return Transformation()


def compiled(_: Settings) -> Transformation:
    """Return the code under torch.compile: by inductor, which needs a C++ compiler, or else by AOTAutograd alone.

    Random numbers are eager mode's, without which there would be nothing to compare.
    """
    options = {"fallback_random": True, "compile_threads": 1}
    chosen: dict[str, Any] = {"options": options} if _has_compiler() else {"backend": "aot_eager"}
    which = "inductor" if _has_compiler() else "aot_eager, for there is no C++ compiler"
    return Transformation(lambda call: _compiled(call, chosen), notes=noted(NoteKind.SCOPE, f"backend {which}"))


def _has_compiler() -> bool:
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX") or usual) is not None


def _compiled(call: Call, chosen: dict[str, Any]) -> Call:
    """Return code compiled anew; what was compiled before counts towards a limit, after which PyTorch runs it plainly.

    Code of which no graph is compiled is refused for the same reason: it has run plainly.
    """
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    found = torch.compile(call, **chosen)

    def run(*args: Any, **kwargs: Any) -> Any:
        before = counters["stats"]["unique_graphs"]
        result = found(*args, **kwargs)
        if counters["stats"]["unique_graphs"] == before:
            raise RuntimeError("torch.compile compiles nothing of this code")
        return result

    return run


def checkpointed(_: Settings) -> Transformation:
    """Return the code in one checkpoint: backward computes it once more."""
    return Transformation(lambda call: lambda *args, **kwargs: checkpoint(call, *args, use_reentrant=False, **kwargs))


def mapped(_: Settings) -> Transformation:
    """Return the code on a batch of two samples under torch.vmap, the result that of the first.

    The upstream gradient of the second is thus zero. It has the values of the first, and gradients that reach it go
    back with the wrong sign, so that samples that mix show.
    """
    return Transformation(lambda call: lambda *args, **kwargs: _first_of_two(call, args, kwargs))


def _first_of_two(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Tensor]:
    given = [args, kwargs]

    def of_tensors(*samples: Tensor) -> dict[str, Tensor]:
        remaining = iter(samples)
        own = tree.map(lambda leaf: next(remaining) if isinstance(leaf, Tensor) else leaf, given)
        return tensors_of(call(*own[0], **own[1]))

    pairs = [torch.stack([tensor, _opposed(tensor)]) for tensor in tree.tensors(given)]
    if not pairs:
        raise RuntimeError("there is no input to map over")
    results = torch.vmap(of_tensors, randomness="same")(*pairs)
    return {path: result[0] for path, result in results.items()}


def _opposed(tensor: Tensor) -> Tensor:
    """Return a copy whose gradient goes back with the opposite sign."""
    copy = tensor.clone()
    if copy.requires_grad:
        copy.register_hook(torch.neg)
    return copy


def autocast(settings: Settings) -> Transformation:
    """Return the code in single precision under autocast to bfloat16, which leaves double precision alone."""
    device = torch.device(settings.device).type

    def call(code: Call) -> Call:
        def run(*args: Any, **kwargs: Any) -> Any:
            with torch.autocast(device, torch.bfloat16):
                return code(*args, **kwargs)

        return run

    return Transformation(call, _single, dtype="float32", precision="bfloat16")


def _single(tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        return tensor.to(torch.complex64)
    return tensor.to(torch.float32) if tensor.is_floating_point() else tensor


def channels_last(_: Settings) -> Transformation:
    """Return the code on images, and with filters, whose channels lie next to each other in memory."""

    def arranged(tensor: Tensor) -> Tensor:
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == IMAGES else tensor

    return Transformation(tensor=arranged)
