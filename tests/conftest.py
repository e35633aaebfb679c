"""What holds for all tests."""

from __future__ import annotations

import os
import signal


def pytest_configure() -> None:
    """Hear SIGINT where a shell has started the tests in the background, which ignores it: some tests send it.

    What is tested is derived anew, and nothing of it kept in the user's folder.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["GRADCLI_NO_CACHE"] = "1"
