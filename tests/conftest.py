"""What holds for all tests."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from typing import TYPE_CHECKING

import warm_start

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Hear SIGINT where a shell has started the tests in the background, which ignores it: some tests send it.

    What is tested is derived anew, and nothing of it kept in the user's folder.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["GRADCLI_NO_CACHE"] = "1"
    if warm_start.CACHE not in os.environ:  # as it is in the processes that this one starts
        os.environ[warm_start.CACHE] = tempfile.mkdtemp(prefix="gradcli-tests-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(warm_start.CACHE), ignore_errors=True))
