"""PyTorch's shared libraries: they take a sixth of its start, in which no Python runs, and other modules can load."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

# What `import torch` loads first, for all that is loaded later to find, and what needs all the others.
FIRST, LAST = "libtorch_global_deps.so", "libtorch_python.so"
# What a build for an accelerator has: what it needs is looked for in many places, in an order that PyTorch knows.
ACCELERATORS = ("libtorch_cuda.so", "libtorch_hip.so", "libtorch_xpu.so")


@contextmanager
def loaded_beside() -> Iterator[None]:
    """Load them in another thread, while the block imports modules, `torch` among them in the end.

    Where they are not found, `import torch` loads them as ever; what is wrong with them, it says.
    """
    thread = begin()
    try:
        yield
    finally:
        if thread is not None:
            thread.join()


def begin() -> threading.Thread | None:
    """Load them in another thread, which nobody has to wait for: whatever needs one that is being loaded does.

    Nothing is done where memory is limited, of which a thread takes some, nor where a variable has PyTorch load them in
    another way. A process may be started meanwhile, but not forked without a program of its own.
    """
    if sys.platform != "linux" or "torch" in sys.modules or "TORCH_USE_RTLD_GLOBAL" in os.environ or _is_limited():
        return None
    thread = threading.Thread(target=_load, daemon=True)
    thread.start()
    return thread


def _is_limited() -> bool:
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _load() -> None:
    with suppress(AttributeError, ImportError, OSError, ValueError):
        found = find_spec("torch")
        if found is not None and found.origin is not None:
            _load_from(Path(found.origin).with_name("lib"))


def _load_from(folder: Path) -> None:
    """Load them by a call as of any function of a library: Python's own ways let no other thread run meanwhile."""
    import ctypes

    if any((folder / name).exists() for name in ACCELERATORS):
        return
    load = ctypes.CDLL(None).dlopen
    load.restype, load.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    if load(os.fsencode(folder / FIRST), os.RTLD_NOW | os.RTLD_GLOBAL) is not None:
        load(os.fsencode(folder / LAST), os.RTLD_NOW)
