"""PyTorch's shared libraries: they take a sixth of its start, in which no Python runs, and other modules can load."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

# The library of PyTorch's wheels that needs all the others, in the package's folder.
LAST = Path("lib", "libtorch_python.so")


@contextmanager
def loaded_beside() -> Iterator[None]:
    """Load them in another thread, while the block imports modules, `torch` among them in the end.

    Where they are not found, `import torch` loads them as ever; what is wrong with them, it says.
    """
    thread = threading.Thread(target=_load, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _load() -> None:
    """Load them by a call as of any function of a library: Python's own ways let no other thread run meanwhile."""
    if sys.platform != "linux" or "torch" in sys.modules:
        return
    import ctypes

    with suppress(AttributeError, ImportError, OSError, ValueError):
        found = find_spec("torch")
        if found is not None and found.origin is not None:
            ctypes.CDLL(None).dlopen(os.fsencode(Path(found.origin).parent / LAST), os.RTLD_NOW)
